"""Values of reports that can be stored: no NUL, no number that is not one, no endless nesting."""

import math
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from weyl.kit.bounds import OUTPUT_LENGTH_MAX, TEXT_LENGTH_MAX
from weyl.kit.search import is_storable

DEPTH_MAX = 100
NAME_CHARACTERS_MAX = 255
# The ranges of what nodes measure. They are far above what there is, and far below what sums could not hold.
CPU_TIME_S_MAX = 10**13
WALL_TIME_S_MAX = 10**9
MEMORY_MB_MAX = 2**31
LOAD_MAX = 10**6
POWER_DB12_MAX = 10**6
PROCESS_ID_MAX = 2**31
# Whatever has no bound of its own is bounded by what a double holds exactly.
AMOUNT_MAX = 2**53


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


def finite(value: Any) -> Any:
    """Refuse what is no number among the numbers, also when written as text; leaves the rest to the type check."""
    number = value
    if isinstance(value, str):
        try:
            number = float(value)
        except ValueError:
            return value
    if isinstance(number, int | float):
        check_number(number)
    return value


Storable = Annotated[str, AfterValidator(check_text)]
"""A text; the field says how long it may be."""
StorableText = Annotated[str, StringConstraints(max_length=TEXT_LENGTH_MAX), AfterValidator(check_text)]
StorableOutput = Annotated[str, StringConstraints(max_length=OUTPUT_LENGTH_MAX), AfterValidator(check_text)]
Load = Annotated[float, Field(ge=0, le=LOAD_MAX), BeforeValidator(finite)]
CPUTime = Annotated[float, Field(ge=0, le=CPU_TIME_S_MAX), BeforeValidator(finite)]
WallTime = Annotated[float, Field(ge=0, le=WALL_TIME_S_MAX), BeforeValidator(finite)]
MemoryKiB = Annotated[float, Field(ge=0, le=MEMORY_MB_MAX * 1024), BeforeValidator(finite)]
Amount = Annotated[float, Field(ge=0, le=AMOUNT_MAX), BeforeValidator(finite)]
Power = Annotated[float, Field(ge=0, le=POWER_DB12_MAX), BeforeValidator(finite)]
