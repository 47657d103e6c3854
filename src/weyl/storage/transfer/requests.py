"""Requests that the server made for one file on one storage element, as a client carries them out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

# What this client speaks; a file system only where it has the directory.
PROTOCOLS = ("s3", "https", "file")
# A request that ends sooner is asked for anew before anything is begun with it.
MARGIN = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a file that is put in parts; offset and size in bytes."""

    number: int
    offset: int
    size: int
    url: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class StorageRequest:
    """What to send to which storage element, and until when it is taken."""

    se: str
    protocol: str
    url: str
    headers: Mapping[str, str]
    expires_at: datetime | None
    # Of `file` only: where the file is or is to be, for who has that directory, and where to write it first.
    path: Path | None
    temporary: Path | None
    # S3's multipart upload, and its parts.
    upload: str | None
    parts: Sequence[Part]

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> "StorageRequest":
        """Read `{"se", "request": {…}}` of an answer."""
        request = told["request"]
        expires_at = request.get("expires_at")
        return cls(
            se=str(told["se"]),
            protocol=str(request["protocol"]),
            url=str(request.get("url") or ""),
            headers=dict(request.get("headers") or {}),
            expires_at=None if expires_at is None else datetime.fromisoformat(expires_at),
            path=Path(request["path"]) if request.get("path") else None,
            temporary=Path(request["temporary"]) if request.get("temporary") else None,
            upload=request.get("upload"),
            parts=[
                Part(each["number"], each["offset"], each["size"], each["url"], dict(each.get("headers") or {}))
                for each in request.get("parts") or ()
            ],
        )

    @property
    def is_conditional(self) -> bool:
        """Whether it writes only where there is nothing."""
        return any(name.lower() == "if-none-match" for name in self.headers)

    def is_over(self, now: datetime) -> bool:
        """Tell whether it is too late to begin with it."""
        return self.expires_at is not None and self.expires_at - MARGIN < now
