"""Storage elements: where each is, which endpoints it has, and who may use them from where."""

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from weyl.config.section import Section, merge_below
from weyl.config.status import StorageStatus
from weyl.kit.loopback import is_loopback

Medium = Literal["disk", "tape"]
Checksum = Literal["adler32", "md5", "sha1", "sha256"]
Reach = Literal["lan", "wan"]
"""From where an endpoint is used: `lan` at the sites of its storage element, `wan` from anywhere."""

PATH_LENGTH_MAX = 1024
FILE_SYSTEM_PATH_MAX = 4096
ENDPOINTS_MAX = 16
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}")
_DEFAULT_PORTS = {"http": 80, "https": 443}


def _directory(path: str) -> str:
    parts = path.split("/")[1:]
    if not path.startswith("/") or any(part in ("", ".", "..") for part in parts if path != "/"):
        raise ValueError("must be an absolute path without // . and .. and without / at its end")
    if any(ord(character) < 32 or ord(character) == 127 for character in path):
        raise ValueError("has control characters")
    return path


def _server(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or parts.username is not None:
        raise ValueError("must be http:// or https:// and a host, without a user")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError("must end after the host and port: directories stand in Path")
    _ = parts.port  # raises ValueError for what is no port
    return url.rstrip("/")


def _issuer(url: str) -> str:
    parts = urlsplit(url)
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(str(parts.hostname)))
    if not is_safe or not parts.hostname or parts.username is not None or parts.query or parts.fragment:
        raise ValueError("must be the https:// URL of an issuer, as its tokens have it")
    return url.rstrip("/")


Directory = Annotated[str, Field(max_length=FILE_SYSTEM_PATH_MAX), AfterValidator(_directory)]
Server = Annotated[str, Field(max_length=2048), AfterValidator(_server)]
Issuer = Annotated[str, Field(max_length=2048), AfterValidator(_issuer)]


class EndpointAccess(Section):
    """For what an endpoint may be used, and from where; what is not named is not offered."""

    read: list[Reach] = Field(default_factory=list)
    write: list[Reach] = Field(default_factory=list)
    remove: list[Reach] = Field(default_factory=list)


_ALL_ACCESS = EndpointAccess(read=["lan", "wan"], write=["lan", "wan"], remove=["lan", "wan"])


class EndpointAuth(Section):
    """How requests prove who sends them: nothing, or a token for each path.

    Tokens are made by weyl's own issuer of the VO, or asked of `Issuer` with the client credentials in `Credentials`.
    """

    kind: Literal["none", "token"] = "none"
    audience: str | None = Field(default=None, min_length=1, max_length=1024)
    profile: Literal["wlcg", "scitokens"] = "wlcg"
    issuer: Issuer | None = None
    # The directory that paths in tokens are relative to; that of the VO at the endpoint if not given.
    base_path: Directory | None = None

    @model_validator(mode="after")
    def _is_bound(self) -> Self:
        if self.kind == "token" and self.audience is None:
            raise ValueError("A token must be bound to its storage: give Audience, as the storage is configured")
        return self


class Endpoint(Section):
    """An endpoint of a storage element: a protocol, an address, and the directory that files lie below."""

    name: str = Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._-]+$")
    protocol: str = Field(min_length=1, max_length=32, pattern=r"^[a-z][a-z0-9+.-]*$")
    url: Server | None = None
    path: Directory = "/"
    vo_paths: dict[str, Directory] = Field(default_factory=dict)
    bucket: str | None = Field(default=None, max_length=255)
    region: str = Field(default="us-east-1", min_length=1, max_length=64)
    credentials: str | None = Field(default=None, min_length=1, max_length=255)
    # A file, or a directory with hashed names, of certificate authorities; those of the machine if not given.
    ca: str | None = Field(default=None, pattern=r"^/[^\x00]*$", max_length=FILE_SYSTEM_PATH_MAX)
    access: EndpointAccess = _ALL_ACCESS
    auth: EndpointAuth = EndpointAuth()
    # For servers that take no file into a directory that is not there; most make directories by themselves.
    make_directories: bool = False
    # For stores of S3 that take no notice of `If-None-Match: *`, and so write over what is there.
    conditional_writes: bool = True

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        for problem in _problems(self):
            raise ValueError(problem)
        return self

    def path_for(self, vo: str) -> str:
        """Return the directory that files of a VO lie below."""
        return self.vo_paths.get(vo, self.path)

    def address(self) -> str:
        """Return what tells this place from others: host and port, and the bucket; nothing for a file system."""
        if self.url is None:
            return f"{self.protocol}:"
        parts = urlsplit(self.url)
        return f"{parts.hostname}:{parts.port or _DEFAULT_PORTS[parts.scheme]}/{self.bucket or ''}"


def _problems(endpoint: Endpoint) -> Iterator[str]:
    match endpoint.protocol:
        case "file":
            if endpoint.url is not None:
                yield "Protocol file is a mounted directory: give Path, and no URL"
            if "/" in (endpoint.path, *endpoint.vo_paths.values()):
                yield "Protocol file needs a Path below /: the whole file system is not handed out"
            if endpoint.auth.kind != "none" or endpoint.credentials is not None:
                yield "Protocol file knows neither Auth nor Credentials: rights of the file system count"
        case "s3":
            if endpoint.url is None or endpoint.bucket is None or endpoint.credentials is None:
                yield "Protocol s3 needs URL, Bucket and Credentials, a directory with an s3-key"
            elif not _BUCKET.fullmatch(endpoint.bucket):
                yield f"{endpoint.bucket!r} is no name of a bucket"
            if endpoint.auth.kind != "none":
                yield "Protocol s3 signs its requests: leave Auth out"
        case "https":
            yield from _https_problems(endpoint)
    if endpoint.bucket is not None and endpoint.protocol != "s3":
        yield f"Bucket is for Protocol s3, not for {endpoint.protocol}"
    if not endpoint.conditional_writes and endpoint.protocol != "s3":
        yield f"ConditionalWrites is for Protocol s3, not for {endpoint.protocol}"


def _https_problems(endpoint: Endpoint) -> Iterator[str]:
    if endpoint.url is None:
        yield "Protocol https needs a URL"
        return
    auth, parts = endpoint.auth, urlsplit(endpoint.url)
    if auth.kind == "none":
        if endpoint.credentials is not None:
            yield "Credentials are of no use without Auth: give Kind token"
        return
    if parts.scheme != "https" and not is_loopback(str(parts.hostname)):
        yield "Tokens go over https:// only: whoever reads one may use it"
    if auth.issuer is not None and endpoint.credentials is None:
        yield "To ask Issuer for tokens takes Credentials, a directory with an oauth-client"
    if auth.issuer is None and endpoint.credentials is not None:
        yield "Credentials are for an Issuer of tokens; weyl's own issuer needs none"


class StorageElementBase(Section):
    """What several storage elements share; each may say otherwise."""

    medium: Medium = "disk"
    status: StorageStatus | None = None
    vos: list[str] | None = Field(default=None, exclude_if=lambda value: value is None)
    # What this storage can tell of a file, and is believed; all else is read back and computed.
    checksums: list[Checksum] | None = Field(default=None, exclude_if=lambda value: value is None)
    # Longest path, in bytes, that it keeps below the directory of the VO.
    path_max: int | None = Field(default=None, gt=0, le=65_536, exclude_if=lambda value: value is None)
    # In order of preference.
    endpoints: list[Endpoint] = Field(
        default_factory=list, max_length=ENDPOINTS_MAX, exclude_if=lambda value: not value
    )

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [endpoint.name for endpoint in self.endpoints]
        if doubled := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(f"Two of the Endpoints are called {doubled}")
        return self

    def serves(self, vo: str) -> bool:
        """Tell whether members of the VO may use it."""
        return self.vos is None or vo in self.vos


class StorageElement(StorageElementBase):
    """A storage element."""

    # Where its files can be read as local ones; what is on tape must be staged before it can be read at all.
    sites: list[str] = Field(default_factory=list)
    base: str | None = Field(default=None, exclude_if=lambda value: value is None)


def with_bases(document: dict[str, Any]) -> dict[str, Any]:
    """Return the section `Resources` with what each base says laid below the storage elements that name it."""
    bases, elements = document.get("StorageElementBases"), document.get("StorageElements")
    if not isinstance(bases, dict) or not isinstance(elements, dict):
        return document
    return document | {"StorageElements": {name: _based(each, bases) for name, each in elements.items()}}


def _based(element: Any, bases: dict[str, Any]) -> Any:
    name = element.get("Base") if isinstance(element, dict) else None
    base = bases.get(name) if isinstance(name, str) else None
    return merge_below(element, base) if isinstance(base, dict) else element


def places_of(element: StorageElement, vo: str) -> list[tuple[str, str]]:
    """Return address and directory of each door, as a VO has them."""
    return [(endpoint.address(), endpoint.path_for(vo)) for endpoint in element.endpoints]
