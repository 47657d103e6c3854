"""The archive in which a node leaves output data: believed in nothing."""

import io
import json
import tarfile
from typing import Any

import pytest

from weyl.pilots.output_data import read_elsewhere, read_output_data


def archive(files: Any, *members: tuple[str, bytes | str], name: str = "outputs.json", **more: Any) -> bytes:
    """Return an archive that begins with a list; a text in place of content is the target of a link."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        text = json.dumps({"files": files, **more}).encode()
        for member, content in ((name, text), *members):
            info = tarfile.TarInfo(member)
            body = b"" if isinstance(content, str) else content
            if isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
            info.size = len(body)
            tar.addfile(info, io.BytesIO(body))
    return buffer.getvalue()


def listed(name: str, size: int, **more: Any) -> dict[str, Any]:
    """Return what a node says of a file."""
    return {"name": name, "size": size, "checksums": {"sha256": "0" * 64}, **more}


def test_files_are_found_where_they_begin() -> None:
    files = [listed("a", 5, metadata={"Run": 7}), listed("outputs/b", 6, output="one")]
    content = archive(files, ("0", b"first"), ("1", b"second"))
    found = read_output_data(content)
    assert [(product.told(), content[offset : offset + product.size]) for product, offset in found] == [
        (files[0], b"first"),
        (files[1], b"second"),
    ]
    assert read_output_data(archive([])) == []
    assert read_elsewhere(archive([])) == []
    assert read_elsewhere(archive([], elsewhere=["one", "two"])) == ["one", "two"]
    assert read_elsewhere(archive([], elsewhere={"one": 1})) == []


GOOD = [listed("a", 5)]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"nonsense" * 1000,
        archive(GOOD),
        archive(GOOD, ("0", b"longer than listed")),
        archive(GOOD, ("1", b"first")),
        archive([listed("a", 0)], ("0", "/etc/passwd")),
        archive(GOOD, ("0", b"first"), name="other.json"),
        archive({"a": 1}, ("0", b"first")),
        archive([7], ("0", b"first")),
        archive([listed("a", -1)], ("0", b"")),
        archive([listed("a", 5, metadata=[1])], ("0", b"first")),
        archive([{"name": "a", "size": 5}], ("0", b"first")),
        archive([{"name": "a", "size": 5, "checksums": 7}], ("0", b"first")),
        archive(GOOD, ("0", b"first"))[:1537],
        archive([listed(str(number), 0) for number in range(10_001)]),
    ],
)
def test_an_archive_that_lies_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match="output data"):
        read_output_data(content)
