"""What WebDAV servers answer, read with suspicion: listings and digests."""

import base64
import binascii
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from urllib.parse import unquote, urlsplit
from xml.etree.ElementTree import Element

from weyl.file_catalog.checksums import Checksums
from weyl.storage.errors import Corrupt
from weyl.storage.xml_trees import children, parsed, text_of, whole_number

# Names of RFC 3230 and its registry; XRootD and dCache write adler32 in hexadecimal, all else in base64.
DIGEST_NAMES = {"adler32": "adler32", "md5": "md5", "sha1": "sha", "sha256": "sha-256"}
_NAMES = {**{name: ours for ours, name in DIGEST_NAMES.items()}, "sha1": "sha1", "sha256": "sha256"}
_BYTES = {"adler32": 4, "md5": 16, "sha1": 20, "sha256": 32}
PROPFIND = (
    b'<?xml version="1.0" encoding="utf-8"?><propfind xmlns="DAV:"><prop>'
    b"<resourcetype/><getcontentlength/><getlastmodified/></prop></propfind>"
)


@dataclass(frozen=True, slots=True)
class Child:
    """What a directory holds."""

    name: str
    is_directory: bool
    size: int
    modified_at: datetime | None


def children_of(directory: str, body: bytes) -> list[Child]:
    """Return what a PROPFIND of depth 1 says that a directory holds; raises `Corrupt` for what lies elsewhere."""
    found = []
    for response in children(parsed(body), "response"):
        name = _name_below(directory, text_of(response, "href"))
        properties = _properties(response)
        if name is None or properties is None:
            continue
        kind = properties.find("resourcetype")
        is_directory = kind is not None and kind.find("collection") is not None
        size = 0 if is_directory else whole_number(text_of(properties, "getcontentlength"))
        found.append(Child(name, is_directory, size, _time(text_of(properties, "getlastmodified"))))
    return found


def digests(header: str | None) -> Checksums:
    """Return what a header `Digest` says; what cannot be read is left out."""
    found: dict[str, str] = {}
    for part in (header or "")[:2048].split(","):
        name, _, text = part.strip().partition("=")
        ours = _NAMES.get(name.strip().lower())
        value = None if ours is None else _value(ours, text.strip())
        if ours is not None and value is not None:
            found[ours] = value
    return Checksums(**found)


def _value(name: str, text: str) -> str | None:
    if name == "adler32" or len(text) == 2 * _BYTES[name]:
        try:
            return Checksums.from_json({name: text}).as_json()[name]
        except ValueError:
            return None
    try:
        digest = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return digest.hex() if len(digest) == _BYTES[name] else None


def _name_below(directory: str, href: str | None) -> str | None:
    """Return the name of a direct child; None for the directory itself."""
    if href is None:
        raise Corrupt("answers an entry without an address")
    try:
        path = unquote(urlsplit(href).path if "://" in href[:16] else href, errors="strict")
    except ValueError as error:
        raise Corrupt("answers an address that cannot be read") from error
    path, above = path.rstrip("/"), directory.rstrip("/")
    if path == above:
        return None
    parent, _, name = path.rpartition("/")
    if parent != above or name in ("", ".", "..") or "\0" in name:
        raise Corrupt("lists what does not lie in the directory that was asked for")
    return name


def _properties(response: Element) -> Element | None:
    """Return the properties that were found; those that were not have a status of their own."""
    for each in children(response, "propstat"):
        if " 200" in (text_of(each, "status") or ""):
            return each.find("prop")
    return None


def _time(text: str | None) -> datetime | None:
    try:
        return None if text is None else parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError):
        return None
