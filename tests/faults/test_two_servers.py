"""Two servers behind nginx, one killed under load: the client library repeats what it may, and no job is made twice."""

import threading
from pathlib import Path
from uuid import uuid4

import httpx2
import pytest

from tests.admin.machine import await_that, environment, needed, running
from tests.admin.test_several import ready, serve, upstream
from weyl.client import Client, ClientError, MemoryCredentials, TokenSet, Unreachable
from weyl.demo.processes import free_ports, loopback_address
from weyl.jobs.calls.submission import submit_jdl

pytestmark = [pytest.mark.xdist_group("fault-links"), pytest.mark.timeout(400)]

CALLERS = 4
MORE = 15


class Caller(threading.Thread):
    """Submits with the client library, with a key for each submission or without."""

    def __init__(self, url: str, token: str, stop: threading.Event, *, keyed: bool) -> None:
        super().__init__(daemon=True)
        self.keyed = keyed
        self.job_ids: list[int] = []
        self.failures: list[ClientError] = []
        self._url, self._stop_event = url, stop
        self._store = MemoryCredentials(TokenSet(token, None, 1 << 40))

    def run(self) -> None:
        with Client(self._url, self._store, timeout_s=30) as client:
            while not self._stop_event.is_set():
                key = uuid4().hex if self.keyed else None
                jdl = f'[JobName = "two-{"keyed" if self.keyed else "plain"}"; Executable = "/bin/true";]'
                try:
                    self.job_ids += [job.job_id for job in client.send(submit_jdl([jdl], idempotency_key=key))]
                except ClientError as error:
                    self.failures.append(error)


def test_with_a_key_nobody_notices_and_without_only_those_in_flight(
    tmp_path: Path, application, installation, database_url: str, object_store
) -> None:
    host = loopback_address()
    proxy_port, *servers = free_ports(host, 3)
    program, url = needed("nginx"), f"http://{host}:{proxy_port}"
    env = environment(installation, database_url, object_store)
    nginx = [program, "-p", str(tmp_path), "-e", f"{tmp_path}/nginx.err"]
    nginx += ["-c", str(upstream(tmp_path, host, proxy_port, servers))]
    with (
        running(serve(host, servers[0]), tmp_path / "server-1.log", env=env) as first,
        running(serve(host, servers[1]), tmp_path / "server-2.log", env=env),
        running(nginx, tmp_path / "nginx.log"),
    ):
        for port in (*servers, proxy_port):
            await_that(ready(host, port), f"{port} ready")
        headers = application.login()
        stop = threading.Event()
        token = headers["Authorization"].removeprefix("Bearer ")
        callers = [Caller(url, token, stop, keyed=number % 2 == 0) for number in range(CALLERS)]
        for caller in callers:
            caller.start()
        await_that(lambda: all(len(caller.job_ids) >= MORE for caller in callers), "every caller under way")
        first.kill()
        before = {caller: len(caller.job_ids) for caller in callers}
        await_that(lambda: all(len(each.job_ids) >= before[each] + MORE for each in callers), "every caller goes on")
        stop.set()
        for caller in callers:
            caller.join(60)
        with httpx2.Client(base_url=url, headers=headers, timeout=30) as http:
            body = {"parameters": ["JobID", "JobName"], "search": []}
            found = http.post("/api/jobs/search", params={"per_page": 10_000}, json=body).json()

    keyed, plain = ([each for each in callers if each.keyed is wanted] for wanted in (True, False))
    assert [each.failures for each in keyed] == [[]] * len(keyed)
    assert {row["JobID"] for row in found if row["JobName"] == "two-keyed"} == {
        job_id for each in keyed for job_id in each.job_ids
    }
    # One request a caller was in flight; what became of it nobody can tell, so it is not repeated.
    lost = [failure for each in plain for failure in each.failures]
    assert len(lost) <= len(plain)
    assert all(isinstance(failure, Unreachable) for failure in lost)
    acknowledged = {job_id for each in plain for job_id in each.job_ids}
    made = {row["JobID"] for row in found if row["JobName"] == "two-plain"}
    assert acknowledged <= made
    assert len(made) <= len(acknowledged) + len(lost)
