"""Which type a plain word of YAML has: as CWL runners read it, and where YAML 1.1 reads another."""

import json
import math
import re
from typing import Any

from yaml.constructor import SafeConstructor
from yaml.resolver import Resolver

DIGITS_MAX = 400
"""Of a whole number; more is a text by mistake or an attack, as converting takes the square of the time."""

_WORDS: dict[str, Any] = {
    "": None,
    "~": None,
    **dict.fromkeys(("null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_FIRST = frozenset("-+.0123456789")
# These are YAML 1.2's, with the underscores, binary numbers and bare points that the loader of cwltool reads as well.
_INT = re.compile(r"[-+]?(?:0b_*[01][01_]*|0o_*[0-7][0-7_]*|0x_*[0-9a-fA-F][0-9a-fA-F_]*|_*[0-9][0-9_]*)\Z")
_FLOAT = re.compile(
    r"[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+]?[0-9]+)?\Z"
    r"|[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+\Z"
    r"|[-+]?\.[0-9_]+(?:[eE][-+][0-9]+)?\Z"
)
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)\Z|\.(?:nan|NaN|NAN)\Z")
_JSON_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?\Z")
_EXACT_INT = 1 << 63
_EXACT_DIGITS = 17

_STR = "tag:yaml.org,2002:str"
_INT_TAG = "tag:yaml.org,2002:int"
_FLOAT_TAG = "tag:yaml.org,2002:float"
_BOOL = "tag:yaml.org,2002:bool"
_NULL = "tag:yaml.org,2002:null"
_TYPES: dict[str, type] = {_INT_TAG: int, _FLOAT_TAG: float, _BOOL: bool, _NULL: type(None)}


class OutOfRange(ValueError):
    """A number that JSON cannot hold, or a tag that means nothing; the text says which."""


class WrittenFloat(float):
    """A float that knows how it was written."""

    written: str
    """As JSON; empty if JSON has no such spelling."""


def resolve(text: str, *, keep_spelling: bool = False) -> Any:
    """Return the value of a plain word; raises `OutOfRange`."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _FIRST:
        return text
    if _FLOAT.match(text):
        return _float(text, keep_spelling)
    if _INT.match(text):
        return _int(text.replace("_", ""))
    if _NOT_FINITE.match(text):
        raise OutOfRange(f"{text} is not a number that JSON has")
    return text


def tagged(tag: str, text: str, *, keep_spelling: bool = False) -> Any:
    """Return the value of a word with a tag of YAML's core; raises `OutOfRange` for any other."""
    if tag == _STR:
        return text
    value = resolve(text, keep_spelling=keep_spelling)
    if tag == _FLOAT_TAG and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if tag not in _TYPES:
        raise OutOfRange(f"the tag {tag} has no meaning here")
    if not isinstance(value, _TYPES[tag]) or (tag == _INT_TAG and isinstance(value, bool)):
        raise OutOfRange(f"{text!r} is no {tag.rpartition(':')[2]}")
    return value


def as_key(value: Any) -> str:
    """Return a key as JSON has it: always a text."""
    return value if isinstance(value, str) else json.dumps(value)


def differs_in_yaml11(text: str, value: Any) -> str | None:
    """Return what PyYAML reads in a plain word where that is another value; None where both agree."""
    tag = next(
        (tag for tag, pattern in Resolver.yaml_implicit_resolvers.get(text[:1], ()) if pattern.match(text)), _STR
    )
    if tag == _STR:
        return None if isinstance(value, str) else "a text"
    if tag == _INT_TAG:
        other = _int11(text)
        return None if isinstance(value, int) and other == value else str(other)
    if tag == _FLOAT_TAG:
        return None if isinstance(value, float) else "a number"
    if tag == _BOOL:
        return None if isinstance(value, bool) else str(SafeConstructor.bool_values[text.lower()]).lower()
    if tag == _NULL:
        return None if value is None else "null"
    return "a date" if tag.endswith(":timestamp") else None


def is_lossy(text: str, value: Any) -> bool:
    """Whether a number cannot be kept as it was written: beyond 64 bits, or with more digits than a float has."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    if isinstance(value, int):
        return not -_EXACT_INT <= value < _EXACT_INT
    digits = re.split("[eE]", text)[0].replace(".", "").lstrip("-+0_").rstrip("0")
    return len(digits) > _EXACT_DIGITS or (value == 0.0 and digits != "")


def _float(text: str, keep_spelling: bool) -> float:
    digits = text.replace("_", "")
    if digits.lstrip("-+") == ".":
        raise OutOfRange(f"{text} is not a number")
    value = float(digits)
    if not math.isfinite(value):
        raise OutOfRange(f"{text} is larger than any number that is kept")
    if not keep_spelling:
        return value
    kept = WrittenFloat(value)
    kept.written = text if _JSON_NUMBER.match(text) else ""
    return kept


def _int(digits: str) -> int:
    if len(digits) > DIGITS_MAX:
        raise OutOfRange(f"a number of more than {DIGITS_MAX} digits")
    body = digits.lstrip("-+")
    value = int(body, {"0b": 2, "0o": 8, "0x": 16}.get(body[:2], 10))
    return -value if digits[0] == "-" else value


def _int11(text: str) -> int:
    digits = text.replace("_", "")
    body = digits.lstrip("-+")
    if body in ("0b", "0x"):
        return 0
    if ":" in body:
        value = 0
        for part in body.split(":"):
            value = value * 60 + int(part)
    elif body[:2] in ("0b", "0x"):
        value = int(body, 0)
    else:
        value = int(body, 8 if body[0] == "0" and body != "0" else 10)
    return -value if digits[0] == "-" else value
