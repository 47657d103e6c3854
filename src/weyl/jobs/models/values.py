"""Values of reports that can be stored: no NUL, no number that is not one, no endless nesting."""

import math
from typing import Annotated, Any

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from weyl.kit.search import is_storable

DEPTH_MAX = 100
NAME_CHARACTERS_MAX = 255


def check_text(text: str) -> str:
    """Refuse a text that no database holds."""
    if not is_storable(text):
        raise PydanticCustomError("text", "NUL characters and single surrogates cannot be stored")
    return text


def check_number(number: float) -> float:
    """Refuse NaN, the infinities, and whole numbers that readers of JSON would take for one."""
    try:
        is_finite = math.isfinite(number)
    except OverflowError:
        is_finite = False
    if not is_finite:
        raise PydanticCustomError("finite_number", "non-finite numbers cannot be stored")
    return number


def check_document(document: Any) -> Any:
    """Refuse a JSON document that holds, at any depth, what cannot be stored."""
    level = [document]
    for _ in range(DEPTH_MAX):
        below: list[Any] = []
        for value in level:
            if isinstance(value, str):
                check_text(value)
            elif isinstance(value, int | float):
                check_number(value)
            elif isinstance(value, dict):
                below += value.keys()
                below += value.values()
            elif isinstance(value, list):
                below += value
        if not below:
            return document
        level = below
    raise PydanticCustomError("depth", "documents nested deeper than {limit} cannot be stored", {"limit": DEPTH_MAX})


def whole(value: Any) -> Any:
    """Turn a numeric string or a float into the whole number below it; leaves the rest to the type check."""
    if isinstance(value, bool) or not isinstance(value, str | float):
        return value
    try:
        number = float(value)
    except ValueError:
        return value
    return int(check_number(number))


StorableText = Annotated[str, AfterValidator(check_text)]
FiniteNumber = Annotated[float, AfterValidator(check_number)]
