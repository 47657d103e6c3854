"""Files that inputs name by http come whole, or the job fails."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tests.engine.workplace import Place

pytestmark = pytest.mark.system

COUNT = """
cwlVersion: v1.2
class: CommandLineTool
inputs: {events: {type: File, inputBinding: {}}, same: {type: "File?", inputBinding: {}}}
outputs: {lines: {type: stdout}}
baseCommand: cat
stdout: lines.txt
"""


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """The directory of one job."""
    return Place(tmp_path)


class Pages(BaseHTTPRequestHandler):
    """Serves one whole file, and answers to everything else as servers do that cannot."""

    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        """Answer."""
        self.asked.append(self.path)
        self.send_response(200 if self.path in ("/whole.txt", "/cut.txt") else 404)
        self.send_header("Content-Length", "9" if self.path == "/cut.txt" else "5")
        self.end_headers()
        self.wfile.write(b"page\n")

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def pages() -> Iterator[str]:
    """The address of a server of files."""
    Pages.asked.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Pages) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_file_of_the_web_is_fetched_once_and_whole_or_the_job_fails(place: Place, pages: str) -> None:
    whole = {"class": "File", "location": f"{pages}/whole.txt"}
    assert place.text(place.good(COUNT, {"events": whole, "same": whole})["lines"]) == "page\npage\n"
    assert Pages.asked == ["/whole.txt"]


@pytest.mark.parametrize(("name", "reason"), [("gone.txt", "404 Not Found"), ("cut.txt", "IncompleteRead")])
def test_a_file_of_the_web_that_does_not_come_fails_the_job(place: Place, pages: str, name: str, reason: str) -> None:
    result = place.run(COUNT, {"events": {"class": "File", "location": f"{pages}/{name}"}})
    assert (result["status"], result["outputs"]) == ("permanentFail", {})
    assert f"Cannot fetch {pages}/{name}: " in result["message"]
    assert reason in result["message"]
