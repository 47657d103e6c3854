"""Files from storage that cuts, stalls, lies and sends elsewhere, and to it."""

import hashlib
import io
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.infra.waiting import await_that
from tests.weyl_pilot.elements import Elements, Fault, running_elements
from weyl_pilot.connection import Answer, Connections, FileBody, Request
from weyl_pilot.errand import Errand, Halted
from weyl_pilot.streams import Patience, Streams, TransferFailed, Wanted, redirected

CONTENT = bytes(range(256)) * 4096
QUICK = Patience(silence_s=0.3, answer_s=5, no_progress_s=3, window_s=1, window_bytes=10_000)
SECRET = {"Authorization": "Bearer storage-token"}


@pytest.fixture
def streams() -> Iterator[Streams]:
    """What moves files, with little patience."""
    connections = Connections()
    yield Streams(connections, agent="test", patience=QUICK)
    connections.close()


def wanted(content: bytes = CONTENT) -> Wanted:
    """Return what a file must be."""
    return Wanted(len(content), {"sha256": hashlib.sha256(content).hexdigest(), "adler32": "00000000"})


def fetch(streams: Streams, elements: Elements, sink: Path, want: Wanted | None = None) -> bytes:
    """Bring `/a`, and return what came."""
    streams.fetch(elements.url + "/a", SECRET, sink, want or wanted())
    return sink.read_bytes()


@pytest.mark.parametrize("kind", ["cut", "stall"])
def test_a_download_that_breaks_goes_on_by_range(
    streams: Streams, elements: Elements, tmp_path: Path, kind: str
) -> None:
    elements.contents["/a"] = CONTENT
    elements.faults["/a"] = [Fault(kind, 300_000), Fault(kind, 100_000)]
    assert fetch(streams, elements, tmp_path / "a") == CONTENT
    ranges = [headers.get("range") for headers in elements.asked("GET", "/a")]
    assert ranges == [None, "bytes=300000-", "bytes=400000-"]


def test_a_storage_without_ranges_is_read_from_the_beginning(
    streams: Streams, elements: Elements, tmp_path: Path
) -> None:
    elements.contents["/a"] = CONTENT
    elements.faults["/a"] = [Fault("cut", 300_000), Fault("no-range")]
    assert fetch(streams, elements, tmp_path / "a") == CONTENT


@pytest.mark.parametrize(
    ("faults", "text"),
    [
        ([Fault("garbage")] * 9, "BadStatusLine after 0 bytes"),
        ([Fault("status", 403)], "HTTP 403 Forbidden"),
        ([Fault("status", 503)] * 9, "HTTP 503 Service Unavailable after 0 bytes"),
        ([Fault("cut", 9), Fault("other-range")], "other bytes than it was asked for"),
        ([Fault("drip", 100)], "no more than"),
        ([Fault("cut", 0)] * 9, "after 0 bytes"),
    ],
)
def test_a_storage_that_answers_nonsense_is_given_up_and_none_of_it_is_told(
    streams: Streams, elements: Elements, tmp_path: Path, faults: list[Fault], text: str
) -> None:
    elements.contents["/a"] = CONTENT
    elements.faults["/a"] = faults
    with pytest.raises(TransferFailed, match=text) as caught:
        fetch(streams, elements, tmp_path / "a")
    assert "<Error>" not in str(caught.value)
    assert "Bearer" not in str(caught.value)
    assert not (tmp_path / "a").exists()


def test_another_file_than_the_wanted_one_is_refused(streams: Streams, elements: Elements, tmp_path: Path) -> None:
    elements.contents["/a"] = CONTENT
    with pytest.raises(TransferFailed, match="it has 1048576 bytes, not 7"):
        fetch(streams, elements, tmp_path / "a", Wanted(7))
    with pytest.raises(TransferFailed, match="its sha256 is another"):
        fetch(streams, elements, tmp_path / "a", wanted(CONTENT[::-1]))
    with pytest.raises(TransferFailed, match="it has more than 10 bytes"):
        fetch(streams, elements, tmp_path / "a", Wanted(bytes_max=10))
    # Only the strongest checksum counts, which says that this is the file.
    assert fetch(streams, elements, tmp_path / "a") == CONTENT


def test_an_ended_job_waits_for_no_storage(elements: Elements, tmp_path: Path) -> None:
    elements.contents["/a"] = CONTENT
    elements.faults["/a"] = [Fault("stall", 10)]
    errand = Errand()
    streams = Streams(Connections(), errand, agent="test")
    threading.Timer(0.3, errand.halt).start()
    before = time.monotonic()
    with pytest.raises(Halted):
        fetch(streams, elements, tmp_path / "a")
    assert time.monotonic() - before < 5
    with pytest.raises(Halted):
        fetch(streams, elements, tmp_path / "a")
    assert len(elements.requests) == 1


def test_who_is_sent_elsewhere_takes_no_credentials_along(streams: Streams, elements: Elements, tmp_path: Path) -> None:
    with running_elements() as other:
        other.contents["/b"] = CONTENT
        elements.contents["/b"] = CONTENT
        elements.faults["/a"] = [Fault("redirect", (302, other.url + "/b?signed=1"))]
        assert fetch(streams, elements, tmp_path / "a") == CONTENT
        assert "authorization" not in other.asked("GET", "/b")[0]
        elements.faults["/a"] = [Fault("redirect", (302, "/b"))]
        assert fetch(streams, elements, tmp_path / "b") == CONTENT
        assert elements.asked("GET", "/b")[0]["authorization"] == "Bearer storage-token"
        elements.faults["/a"] = [Fault("redirect", (307, other.url + "/c"))]
        streams.put("PUT", elements.url + "/a", SECRET, FileBody(lambda: io.BytesIO(CONTENT), len(CONTENT)))
        assert other.contents["/c"] == CONTENT
        assert "authorization" not in other.asked("PUT", "/c")[0]
    elements.faults["/a"] = [Fault("redirect", (302, "/a"))] * 9
    with pytest.raises(TransferFailed, match="from one address to the next"):
        fetch(streams, elements, tmp_path / "c")


@pytest.mark.parametrize(
    ("before", "after", "status"),
    [
        ("https://a.example/x", "http://b.example/x", 302),
        ("http://a.example/x", "ftp://b.example/x", 302),
        ("http://a.example/x", "file:///etc/passwd", 302),
        ("http://a.example/x", "http://127.0.0.1:9200/x", 302),
        ("http://a.example/x", "http://169.254.169.254/latest", 302),
        ("http://a.example/x", "http://localhost/x", 307),
        ("http://a.example/x", "http://me:secret@b.example/x", 302),
        ("http://a.example/x", "", 302),
    ],
)
def test_no_storage_sends_a_pilot_to_a_weaker_place_or_into_its_own_machine(
    before: str, after: str, status: int
) -> None:
    request = Request("GET", before, SECRET)
    if not after:
        request = Request("PUT", before, SECRET, b"body")
    with pytest.raises(TransferFailed, match="must not go"):
        redirected(request, Answer(status, b"", {"location": after}))


def test_a_refusal_before_the_whole_body_was_read_is_heard(streams: Streams, elements: Elements) -> None:
    elements.faults["/a"] = [Fault("status", 507)]
    body = FileBody(lambda: io.BytesIO(b"x" * (20 << 20)), 20 << 20)
    with pytest.raises(TransferFailed) as caught:
        streams.put("PUT", elements.url + "/a", SECRET, body)
    assert caught.value.status in (507, None)


def test_a_part_of_a_file_is_sent(streams: Streams, elements: Elements) -> None:
    body = FileBody(lambda: io.BytesIO(CONTENT), 100, 1000)
    streams.put("PUT", elements.url + "/a", {"Content-Length": "100"}, body)
    assert elements.contents["/a"] == CONTENT[1000:1100]


MOVER = """
import io, resource, sys
from pathlib import Path
from weyl_pilot.connection import Connections, FileBody
from weyl_pilot.streams import Streams, Wanted
url, place, size = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
streams = Streams(Connections(), agent="test")
streams.fetch(url + "/a", {}, place, Wanted(size))
streams.put("PUT", url + "/b", {}, FileBody(lambda: open(place, "rb"), size))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_memory_does_not_grow_with_the_file(elements: Elements, tmp_path: Path) -> None:
    used = {}
    for mb in (1, 64):
        elements.contents.clear()
        elements.contents["/a"] = bytes(mb << 20)
        done = subprocess.run(
            [sys.executable, "-c", MOVER, elements.url, str(tmp_path / f"{mb}"), str(mb << 20)],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        assert len(elements.contents["/b"]) == mb << 20
        used[mb] = int(done.stdout)
    assert used[64] - used[1] < 8192, used


def test_a_mounted_directory_is_read_but_no_link_in_it(streams: Streams, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(CONTENT)
    (tmp_path / "link").symlink_to(tmp_path / "file")
    streams.copy(tmp_path / "file", tmp_path / "copy", wanted())
    assert (tmp_path / "copy").read_bytes() == CONTENT
    for name in ("link", "gone", "."):
        with pytest.raises(TransferFailed):
            streams.copy(tmp_path / name, tmp_path / "other", wanted())
        assert not (tmp_path / "other").exists()


def test_a_head_that_never_ends_is_cut(tmp_path: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        ended = threading.Event()

        def drip() -> None:
            connection, _ = listener.accept()
            with connection:
                try:
                    connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
                    while not ended.wait(0.05):
                        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
                except OSError:
                    ended.set()

        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        patience = Patience(silence_s=0.5, no_progress_s=0.1)
        streams = Streams(Connections(), agent="test", patience=patience)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/a"
        with pytest.raises(TransferFailed):
            streams.fetch(url, {}, tmp_path / "a", Wanted())
        await_that(ended.is_set, "the storage sees that it is left")
        thread.join()
