"""The filter language is the same in the search field and in `--where`: both are tried with the same cases."""

import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from weyl.client.errors import UsageFault
from weyl.client.filters import parse, specs

CASES = json.loads((Path(__file__).resolve().parents[2] / "web/src/kit/filters.cases.json").read_text())
NOW = datetime.fromisoformat(CASES["now"])


@pytest.mark.parametrize("case", CASES["meanings"], ids=lambda case: case["text"])
def test_a_filter_means_the_same_everywhere(case: dict[str, Any]) -> None:
    assert specs(parse(case["text"]), NOW) == case["specs"]


@pytest.mark.parametrize("case", CASES["refused"], ids=lambda case: case["text"])
def test_a_filter_is_refused_everywhere_with_the_same_words(case: dict[str, Any]) -> None:
    with pytest.raises(UsageFault, match=re.escape(case["expected"])):
        parse(case["text"])
