"""Identifiers: time-ordered ids, stamps, secrets and digests."""

import hashlib
import os
import secrets
import time
from uuid import UUID


def uuid7(now_ms: int | None = None) -> UUID:
    """Return a UUID of version 7 (RFC 9562, 5.7): 48 bits of milliseconds, then 74 random bits."""
    milliseconds = time.time_ns() // 1_000_000 if now_ms is None else now_ms
    value = (milliseconds & (1 << 48) - 1) << 80 | int.from_bytes(os.urandom(10))
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return UUID(int=value)


def new_stamp() -> str:
    """Return a new pilot stamp: 32 hexadecimal characters."""
    return secrets.token_hex(16)


def new_secret(size_bytes: int = 32) -> str:
    """Return a new URL-safe secret of `size_bytes` random bytes."""
    return secrets.token_urlsafe(size_bytes)


def sha256_hex(data: bytes | str) -> str:
    """Return the SHA-256 digest of `data` (text as UTF-8) in hexadecimal."""
    return hashlib.sha256(data.encode() if isinstance(data, str) else data).hexdigest()
