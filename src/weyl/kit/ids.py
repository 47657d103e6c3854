"""Identifiers: time-ordered ids, stamps, secrets and digests."""

import hashlib
import os
import secrets
import time
from uuid import UUID

_TAIL = (1 << 62) - 1


def uuid7(now_ms: int | None = None) -> UUID:
    """Return a UUID of version 7 (RFC 9562, 5.7): 48 bits of milliseconds, then 74 random bits."""
    milliseconds = time.time_ns() // 1_000_000 if now_ms is None else now_ms
    value = (milliseconds & (1 << 48) - 1) << 80 | int.from_bytes(os.urandom(10))
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return UUID(int=value)


def keyed_uuid7(key: str) -> UUID:
    """Return a UUID of version 7 whose last 62 bits are a digest of the key; see `has_same_key`."""
    digest = int.from_bytes(hashlib.sha256(key.encode("utf-8", "replace")).digest()[:8]) & _TAIL
    return UUID(int=uuid7().int & ~_TAIL | digest)


def has_same_key(one: UUID, other: UUID) -> bool:
    """Tell whether two UUIDs were made from one key, at whatever times."""
    return secrets.compare_digest((one.int & _TAIL).to_bytes(8), (other.int & _TAIL).to_bytes(8))


def new_stamp() -> str:
    """Return a new pilot stamp: 32 hexadecimal characters."""
    return secrets.token_hex(16)


def new_secret(size_bytes: int = 32) -> str:
    """Return a new URL-safe secret of `size_bytes` random bytes."""
    return secrets.token_urlsafe(size_bytes)


def sha256_hex(data: bytes | str) -> str:
    """Return the SHA-256 digest of `data` (text as UTF-8) in hexadecimal."""
    return hashlib.sha256(data.encode() if isinstance(data, str) else data).hexdigest()
