"""What S3 answers, read with suspicion: listings, uploads in parts, deletions."""

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from xml.sax.saxutils import escape

from weyl.file_catalog.checksums import Checksums
from weyl.storage.errors import Corrupt
from weyl.storage.webdav import Child
from weyl.storage.xml_trees import children, parsed, text_of, whole_number

PART_BYTES = 64 * 1024 * 1024
"""Larger files are sent in parts."""
PARTS_MAX = 2_000
_MIB = 1024 * 1024
_CODE = re.compile(r"[A-Za-z0-9.]{1,64}")
_UPLOAD = re.compile(r"[\x21-\x7e]{1,1024}")
_ETAG = re.compile(r'"?[\x21\x23-\x7e]{1,256}"?')
_MD5 = re.compile(r'"?([0-9a-f]{32})"?')


@dataclass(frozen=True, slots=True)
class Page:
    """A page of what lies in a directory, and the word that asks for the next page; None: there is none."""

    children: Sequence[Child]
    following: str | None


def parts_of(size: int) -> list[tuple[int, int, int]]:
    """Return number, offset and size of each part in which a file is sent."""
    part = max(PART_BYTES, -(-size // PARTS_MAX // _MIB) * _MIB)
    while part * PARTS_MAX < size:
        part += _MIB
    return [(index + 1, offset, min(part, size - offset)) for index, offset in enumerate(range(0, max(size, 1), part))]


def error_code(body: bytes) -> str:
    """Return the code that S3 gives an error; empty if there is none. Nothing else of the answer may be shown.

    The rest repeats what was sent: URLs and what was signed.
    """
    try:
        code = text_of(parsed(body), "Code") if body.strip() else None
    except Corrupt:
        return ""
    return code if code is not None and _CODE.fullmatch(code) else ""


def listing(body: bytes, prefix: str) -> Page:
    """Read a page of `ListObjectsV2` with a delimiter; raises `Corrupt` for what lies elsewhere."""
    root = parsed(body)
    found = []
    for each in children(root, "Contents"):
        name = _name(text_of(each, "Key"), prefix)
        # A key that is the directory itself, which some clients make.
        if name:
            size, modified_at = whole_number(text_of(each, "Size")), _time(text_of(each, "LastModified"))
            found.append(Child(name, False, size, modified_at))
    for each in children(root, "CommonPrefixes"):
        name = _name(text_of(each, "Prefix"), prefix).removesuffix("/")
        if name:
            found.append(Child(name, True, 0, None))
    is_last = text_of(root, "IsTruncated") != "true"
    return Page(found, None if is_last else _text(text_of(root, "NextContinuationToken")))


def uploads(body: bytes) -> list[tuple[str, str]]:
    """Return key and id of uploads that were begun: a page of `ListMultipartUploads`."""
    root = parsed(body)
    return [(_text(text_of(each, "Key")), upload_id(text_of(each, "UploadId"))) for each in children(root, "Upload")]


def begun(body: bytes) -> str:
    """Return the id of an upload that was just begun."""
    return upload_id(text_of(parsed(body), "UploadId"))


def upload_id(text: str | None) -> str:
    """Return an id that can be one; raises `Corrupt`."""
    if text is None or not _UPLOAD.fullmatch(text):
        raise Corrupt("answers an upload without an id")
    return text


def is_completed(body: bytes) -> bool:
    """Tell whether an upload was put together: S3 answers 200 before it knows."""
    return parsed(body).tag == "CompleteMultipartUploadResult"


def is_etag(text: str) -> bool:
    """Tell whether a text can be what a store answered to a part."""
    return _ETAG.fullmatch(text) is not None


def completion(etags: Sequence[str]) -> bytes:
    """Return the list of parts that an upload is put together from; raises `Corrupt` for what is no ETag."""
    for etag in etags:
        if not is_etag(etag):
            raise Corrupt("A part of the upload has no ETag that can be one")
    parts = "".join(
        f"<Part><PartNumber>{number}</PartNumber><ETag>{escape(etag)}</ETag></Part>"
        for number, etag in enumerate(etags, 1)
    )
    return f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode()


def deletion(keys: Sequence[str]) -> bytes:
    """Return the order to delete objects."""
    objects = "".join(f"<Object><Key>{escape(key)}</Key></Object>" for key in keys)
    return f"<Delete><Quiet>true</Quiet>{objects}</Delete>".encode()


def not_deleted(body: bytes) -> dict[str, str]:
    """Return the keys that were not deleted, each with the code that says why."""
    if not body.strip():
        return {}
    failed = {}
    for each in children(parsed(body), "Error"):
        code = text_of(each, "Code") or ""
        failed[_text(text_of(each, "Key"))] = code if _CODE.fullmatch(code) else "no reason given"
    return failed


def checksums(headers: Mapping[str, str], believed: Sequence[str]) -> Checksums:
    """Return what the headers of an object say of its content, as far as this store is believed."""
    sha256 = md5 = None
    if "sha256" in believed:
        text = headers.get("x-amz-checksum-sha256", "")
        # An object that came in parts has a checksum of checksums, marked by a hyphen: it says nothing about the bytes.
        if text and "-" not in text:
            sha256 = _hexadecimal(text, 32)
    if "md5" in believed and "kms" not in headers.get("x-amz-server-side-encryption", ""):
        match = _MD5.fullmatch(headers.get("ETag", ""))
        md5 = match[1] if match else None
    return Checksums(sha256=sha256, md5=md5)


def _hexadecimal(text: str, length: int) -> str | None:
    try:
        digest = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return digest.hex() if len(digest) == length else None


def _name(key: str | None, prefix: str) -> str:
    """Return the name of what lies in a directory, with the slash of a directory."""
    name = _text(key).removeprefix(prefix)
    if not _text(key).startswith(prefix) or "/" in name[:-1] or name in (".", "..", "./", "../"):
        raise Corrupt("lists what was not asked for")
    return name


def _text(text: str | None) -> str:
    if text is None:
        raise Corrupt("answers an object without a key")
    return text


def _time(text: str | None) -> datetime | None:
    try:
        return None if text is None else datetime.fromisoformat(text)
    except ValueError:
        return None
