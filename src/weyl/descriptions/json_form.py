"""Job descriptions in JSON: the attributes of JDL as the members of an object, their values as JSON has them.

Names do not care about case, and may be written with `_` between their words: `input_sandbox` is InputSandbox.
"""

import math
import re
from typing import Any

from weyl.descriptions.attributes import canonical, is_known
from weyl.descriptions.errors import BadAttribute
from weyl.descriptions.jdl import DEPTH_MAX, FORBIDDEN, LARGEST, NAME, Document, Value

_NAME = re.compile(NAME.pattern + r"\Z")


def looks_like_json(text: str) -> bool:
    """Tell whether a text is meant as JSON, not as JDL, which may begin with a bracket, too."""
    return re.match(r"\ufeff?\s*(?:\{|\[\s*(?:\{|\]))", text) is not None


def parse(document: Any) -> Document:
    """Return the attributes of a description, spelled as the documentation spells them; raises `BadAttribute`.

    `document` is what the JSON holds.
    """
    if not isinstance(document, dict):
        raise BadAttribute("The description", "must be an object with the attributes of the job")
    found: Document = {}
    for written, value in document.items():
        joined = written.replace("_", "")
        name = canonical(joined) if is_known(joined) else written
        if name in found:
            raise BadAttribute(name, "is given twice, in different spellings")
        _check_name(written, name)
        found[name] = _checked(value, name, depth=0)
    return found


def _check_name(member: str, attribute: str) -> None:
    if _NAME.match(member) is None:
        raise BadAttribute(attribute[:60], "a name has letters, digits and _ . - and begins with a letter or _")


def _checked(value: Any, attribute: str, *, depth: int) -> Value:
    """Return `value` if JDL could say the same: both are forms of one document."""
    if depth > DEPTH_MAX:
        raise BadAttribute(attribute, f"has more than {DEPTH_MAX} nested lists and objects")
    if isinstance(value, str) and FORBIDDEN.search(value):
        raise BadAttribute(attribute, "has a character that no text may have, such as NUL")
    if isinstance(value, int) and abs(value) > LARGEST:
        raise BadAttribute(attribute, "has a number of more than 63 bits")
    if isinstance(value, float) and not math.isfinite(value):
        raise BadAttribute(attribute, "has a number that is not finite")
    if isinstance(value, list):
        return [_checked(item, attribute, depth=depth + 1) for item in value]
    if isinstance(value, dict):
        for member in value:
            _check_name(member, attribute)
        return {member: _checked(item, attribute, depth=depth + 1) for member, item in value.items()}
    checked: Value = value
    return checked
