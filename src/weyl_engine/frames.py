"""Messages over a pipe: a JSON header and bytes, each with its length before it."""

import json
import struct
from collections.abc import Mapping
from typing import Any

LENGTHS = struct.Struct(">II")
HEADER_MAX_B = 8 << 20
BODY_MAX_B = 32 << 20
ANSWER_MAX_B = 4 << 20
"""Of what a request about a document may be answered."""


class BadFrame(Exception):
    """Lengths that no message has: the two ends do not speak of the same thing."""


def frame(header: Mapping[str, Any], body: bytes = b"") -> bytes:
    """Return a message as bytes."""
    written = json.dumps(header, ensure_ascii=False).encode("utf-8", "surrogatepass")
    return LENGTHS.pack(len(written), len(body)) + written + body


def lengths(start: bytes) -> tuple[int, int]:
    """Return the lengths of header and body; raises `BadFrame` for more than a message may have."""
    header_b, body_b = LENGTHS.unpack(start)
    if header_b > HEADER_MAX_B or body_b > BODY_MAX_B:
        raise BadFrame(f"a header of {header_b} bytes, a body of {body_b}")
    return header_b, body_b


def header(written: bytes) -> dict[str, Any]:
    """Return a header from its bytes."""
    found: dict[str, Any] = json.loads(written.decode("utf-8", "surrogatepass"))
    return found


def taken(buffer: bytearray) -> tuple[dict[str, Any], bytes] | None:
    """Take the first message out of what was read; None while it is not whole. Raises `BadFrame`."""
    if len(buffer) < LENGTHS.size:
        return None
    header_b, body_b = lengths(bytes(buffer[: LENGTHS.size]))
    start, end = LENGTHS.size + header_b, LENGTHS.size + header_b + body_b
    if len(buffer) < end:
        return None
    message = header(bytes(buffer[LENGTHS.size : start])), bytes(buffer[start:end])
    del buffer[:end]
    return message
