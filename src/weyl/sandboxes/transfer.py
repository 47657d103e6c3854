"""Sandboxes between the user's machine and the object store: pack, announce, upload; find, download, check."""

import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from weyl.client.sync import Client
from weyl.sandboxes import archive, calls
from weyl.sandboxes.models import ChecksumAlgorithm, SandboxFormat, SandboxInfo


def upload(client: Client, paths: Iterable[Path]) -> str:
    """Make one sandbox of files and directories and return its name; what is stored already is not sent again."""
    with tempfile.TemporaryDirectory(prefix="weyl-sandbox-") as directory:
        return _upload(client, archive.pack(paths, Path(directory) / "sandbox.tar.zst"))


def upload_members(client: Client, members: Mapping[str, Path]) -> str:
    """Make one sandbox of files under the names given, with what links point to, and return its name."""
    with tempfile.TemporaryDirectory(prefix="weyl-sandbox-") as directory:
        return _upload(client, archive.pack_members(members, Path(directory) / "sandbox.tar.zst"))


def _upload(client: Client, packed: archive.Packed) -> str:
    info = SandboxInfo(
        checksum_algorithm=ChecksumAlgorithm.SHA256,
        checksum=packed.checksum,
        size=packed.size,
        format=SandboxFormat(packed.format),
    )
    answer = client.send(calls.initiate_upload(info))
    if answer.url is not None:
        client.upload(answer.url, answer.fields, packed.path)
    return answer.pfn


def download(client: Client, pfn: str, directory: Path) -> Path:
    """Fetch a sandbox into a directory, checked but still packed, and return its path."""
    answer = client.send(calls.get_file(pfn))
    target = directory / pfn.rpartition(":")[2]
    client.download(answer.url, target)
    archive.check(target, pfn)
    return target


def fetch(client: Client, pfn: str, directory: Path) -> list[str]:
    """Download and unpack a sandbox and return the names of its files."""
    with tempfile.TemporaryDirectory(prefix="weyl-sandbox-") as scratch:
        return archive.unpack(download(client, pfn, Path(scratch)), directory)


def read(client: Client, pfn: str, name: str) -> bytes | None:
    """Return the content of one file of a sandbox; None if it has no such file."""
    with tempfile.TemporaryDirectory(prefix="weyl-sandbox-") as scratch:
        return archive.read_member(download(client, pfn, Path(scratch)), name)


def contents(client: Client, pfn: str) -> list[tuple[str, int]]:
    """Return the files of a sandbox and their sizes."""
    with tempfile.TemporaryDirectory(prefix="weyl-sandbox-") as scratch:
        return archive.names(download(client, pfn, Path(scratch)))
