"""How many requests handles need, whatever their number; and what is said after Ctrl-C."""

import json
import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

import weyl
from weyl.client import Client, MemoryCredentials, TokenSet
from weyl.jobs import waiting

STORE = MemoryCredentials(TokenSet("e30.e30.x", None, 2**53))
MANY = 10_000


@dataclass
class Statuses:
    """A small server that answers searches for jobs; what weyl itself answers is tested in the flows."""

    url: str = ""
    # By id; all others are Done. What is here becomes Done once it was told.
    once: dict[int, str] = field(default_factory=dict)
    for_ever: dict[int, str] = field(default_factory=dict)
    asked: list[int] = field(default_factory=list)

    def rows(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the rows that a search asks for."""
        [spec] = body["search"]
        self.asked.append(len(spec["values"]))
        return [
            {"JobID": job_id, "Status": self.for_ever.get(job_id) or self.once.pop(job_id, "Done")}
            for job_id in spec["values"]
        ]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Statuses]:
    state = Statuses()
    monkeypatch.setattr(waiting, "PAUSE_MIN_S", 0.01)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            data = json.dumps(state.rows(body)).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *arguments: Any) -> None:
            """Keeps quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        state.url = f"http://127.0.0.1:{listening.server_port}"
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield state
        listening.shutdown()
        thread.join()


def test_many_handles_wait_by_one_search_per_page_of_those_that_have_not_ended(server: Statuses) -> None:
    server.once = {1: "Running", 2: "Waiting"}
    with Client(server.url, STORE) as client:
        jobs = weyl.Jobs(range(MANY), client=client)
        jobs.wait(progress=False)
        # All; the two that go on; all again, since what has failed may run again.
        assert server.asked == [5_000, 5_000, 2, 5_000, 5_000]
        assert jobs.known[1] == "Done"
        server.asked.clear()
        assert jobs.status() == {"Done": MANY}
        assert server.asked == [5_000, 5_000]


def test_jobs_come_as_they_end_each_once(server: Statuses) -> None:
    server.once = {1: "Running"}
    with Client(server.url, STORE) as client:
        ended = [job.id for job in weyl.Jobs([1, 2, 3], client=client).as_completed()]
    assert sorted(ended) == [1, 2, 3]
    assert ended[-1] == 1


def test_after_an_interruption_the_way_back_is_told(server: Statuses, capsys: pytest.CaptureFixture[str]) -> None:
    server.for_ever = {5: "Running"}
    with Client(server.url, STORE) as client:
        jobs = weyl.Jobs(range(3, 8), client=client)
        threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
        # A process that runs tests for another one may have been told to pass it by.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            with pytest.raises(KeyboardInterrupt):
                jobs.wait()
        finally:
            signal.signal(signal.SIGINT, before)
    assert "Come back with: weyl.Jobs(range(3, 8)).wait()" in capsys.readouterr().err


def test_time_that_is_over_is_told_and_the_jobs_go_on(server: Statuses) -> None:
    server.for_ever = {5: "Running"}
    with Client(server.url, STORE) as client, pytest.raises(TimeoutError, match="Not there yet: 1 Running"):
        weyl.Job(5, client=client).wait(timeout=0.1)
