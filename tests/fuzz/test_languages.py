"""What follows a grammar is read as it was meant, comes back from its printer as it was, and is never slow."""

import json
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.readers import CONFIG, NOW, OWNER, READERS, Reader
from weyl.auth.scopes import Scope, parse_scope
from weyl.client import filters
from weyl.config.errors import InvalidConfig
from weyl.config.source import parse_config
from weyl.descriptions import jdl
from weyl.descriptions.errors import BadSubmission
from weyl.descriptions.requirements import Limits
from weyl.descriptions.texts import prepare, text_of_job
from weyl.kit.search import parse_period
from weyl.task_queues import tags
from weyl.tasks.errors import InvalidRule
from weyl.tasks.schedule import next_run

READ_S_MAX = 1.0
TEXTS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00"), max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)

# --- job descriptions
NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True).filter(lambda name: not jdl_is_known(name))
BLANKS = st.sampled_from(["", " ", "\n", "\t", " // c\n", "/* ; */", "# ]\n", "\ufeff"])
VALUES = st.recursive(
    TEXTS
    | st.booleans()
    | st.none()
    | st.integers(-(2**63) + 1, 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=10,
)


def jdl_is_known(name: str) -> bool:
    """Tell whether a name would be spelled otherwise, or would mean something."""
    return jdl.canonical(name) != name


@st.composite
def written(draw: st.DrawFn, document: dict[str, Any]) -> str:
    """Write a document as somebody careless would: blanks and comments anywhere, the last `;` or not."""
    lines = [f"{name}{draw(BLANKS)}={draw(BLANKS)}{jdl._rendered(value)}" for name, value in document.items()]
    text = "".join(f"{draw(BLANKS)}{line}{draw(BLANKS)};" for line in lines)
    return f"[{text}]{draw(BLANKS)}" if draw(st.booleans()) else text + draw(BLANKS)


@given(data=st.data(), document=st.dictionaries(NAMES, VALUES, max_size=4))
def test_a_job_description_is_read_as_it_was_meant(data: st.DataObject, document: dict[str, Any]) -> None:
    unique = {name.lower(): (name, value) for name, value in document.items()}
    document = dict(unique.values())
    found = jdl.parse(data.draw(written(document)))
    assert found == document
    assert jdl.parse(jdl.render(found)) == found


@st.composite
def parametric_jobs(draw: st.DrawFn) -> dict[str, Any]:
    """Return a parametric job with a few sequences, not all of which make sense."""
    scalars = TEXTS | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
    job: dict[str, Any] = {"Executable": "x"}
    for suffix in draw(st.lists(st.sampled_from(["", ".A", ".B"]), min_size=1, unique=True)):
        job[f"Parameters{suffix}"] = draw(st.integers(-1, 50) | st.lists(scalars, max_size=4) | st.just("3"))
        for family in draw(
            st.lists(st.sampled_from(["ParameterStart", "ParameterStep", "ParameterFactor"]), unique=True)
        ):
            job[family + suffix] = draw(scalars)
    pieces = st.lists(st.sampled_from(["%s", "%n", "%j", "%(A)s", "%(B)s", "%%", "%(", "x", "%(A)s" * 9]), max_size=6)
    for name in draw(st.lists(st.sampled_from(["Arguments", "JobName", "Tags", "Site", "CPUTime", "Platform"]))):
        job[name] = "".join(draw(pieces))
    return job


@given(parametric_jobs())
def test_parametric_jobs_are_expanded_or_refused_and_each_reads_back(job: dict[str, Any]) -> None:
    started = time.thread_time()
    try:
        (description,) = prepare([jdl.render(job)], OWNER, Limits(), jobs_max=1_000).descriptions
    except BadSubmission:
        return
    finally:
        assert time.thread_time() - started < READ_S_MAX
    parameters = list(description.parameters() or ())
    assert description.count == len(parameters)
    for number, values in enumerate(parameters):
        each = jdl.parse(text_of_job(description.jdl, description.document, values, number))
        assert each["ParameterNumber"] == number


# --- tags
ATOMS = st.sampled_from(["a", "b", "c", "os:el9", "cvmfs:lhcb.cern.ch", "network:outbound"])
TREES = st.recursive(
    ATOMS,
    lambda inner: st.tuples(st.just("~"), inner) | st.tuples(st.sampled_from("&|"), inner, inner),
    max_leaves=8,
)


def spelled(tree: Any) -> str:
    """Write an expression with every parenthesis."""
    if isinstance(tree, str):
        return tree
    return f"~({spelled(tree[1])})" if len(tree) == 2 else f"({spelled(tree[1])}) {tree[0]} ({spelled(tree[2])})"


def holds(tree: Any, found: frozenset[str]) -> bool:
    """Judge an expression without any of our code."""
    if isinstance(tree, str):
        return tree in found
    if len(tree) == 2:
        return not holds(tree[1], found)
    both = holds(tree[1], found), holds(tree[2], found)
    return all(both) if tree[0] == "&" else any(both)


@given(TREES, st.frozensets(ATOMS))
def test_a_tag_expression_means_what_it_says_and_reads_back(tree: Any, found: frozenset[str]) -> None:
    expression = tags.parse_authored(spelled(tree))
    assert tags.evaluate(expression, found) is holds(tree, found)
    assert tags.parse(str(expression)) == expression


# --- scopes, filters, times
@given(st.sampled_from(["voa", "vob"]), st.sampled_from(["user", "admin"]), st.frozensets(st.sampled_from("PQR")))
def test_a_scope_reads_back(vo: str, group: str, asked: frozenset[str]) -> None:
    scope = Scope(vo, group, asked)
    assert parse_scope(scope.text, registry=CONFIG.registry, properties="PQR") == scope


WORDS = st.builds(filters.Word, st.text(max_size=9), st.just(True))
CONDITIONS = st.builds(
    filters.Condition,
    st.sampled_from(["Status", "JobID", "a.b"]),
    st.sampled_from(sorted(set(filters.SPELLINGS) - set(filters.LISTS))),
    st.tuples(WORDS),
) | st.builds(
    filters.Condition,
    st.just("Site"),
    st.sampled_from(filters.LISTS),
    st.lists(WORDS, max_size=3).map(tuple),
)


@given(st.lists(CONDITIONS, min_size=1, max_size=4))
def test_a_filter_reads_back(conditions: list[filters.Condition]) -> None:
    assert filters.parse(filters.render(conditions)) == tuple(conditions)


@given(st.datetimes(timezones=st.timezones()), st.sampled_from(["days", "hours", "minutes", "seconds"]))
def test_a_moment_lies_in_its_period(moment: datetime, resolution: str) -> None:
    if not 2 < moment.year < 9998:
        return
    text = moment.astimezone(UTC).isoformat(" ", "milliseconds")[
        : {"days": 10, "hours": 13, "minutes": 16}.get(resolution, 19)
    ]
    period = parse_period(text)
    assert period.start <= moment
    assert period.end is not None
    assert moment < period.end


@given(
    st.sampled_from(["YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY", "MINUTELY"]),
    st.dictionaries(
        st.sampled_from(["INTERVAL", "COUNT", "BYMONTH", "BYMONTHDAY", "BYDAY", "BYHOUR", "BYMINUTE", "UNTIL", "WKST"]),
        st.sampled_from(
            ["1", "2", "7", "29", "30", "31", "-1", "366", "99999", "MO", "-1FR", "5MO", "13", "59", "20990101"]
        ),
        max_size=4,
    ),
)
def test_a_recurrence_is_found_or_refused_soon(frequency: str, parts: dict[str, str]) -> None:
    rule = "rrule " + ";".join([f"FREQ={frequency}", *(f"{name}={value}" for name, value in parts.items())])
    started = time.thread_time()
    try:
        found = next_run(rule, NOW)
        assert found is None or found > NOW
    except InvalidRule:
        pass
    assert time.thread_time() - started < READ_S_MAX, rule


# --- documents in which one thing is wrong
def places(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """List every place of a document."""
    inner = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    return [path, *(place for key, value in inner for place in places(value, (*path, key)))]


def replaced(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    """Return a copy of a document with another value in one place."""
    if not path:
        return value
    copy = document.copy()
    copy[path[0]] = replaced(document[path[0]], path[1:], value)
    return copy


@pytest.mark.parametrize("name", ["offer", "requirements", "claims", "search"])
@given(data=st.data())
def test_a_document_with_one_odd_value_is_read_or_refused(name: str, data: st.DataObject) -> None:
    reader: Reader = READERS[name]
    document = json.loads(reader.good[0])
    odd = replaced(document, data.draw(st.sampled_from(places(document))), data.draw(JSON))
    with suppress(*reader.refuses):
        reader.read(json.dumps(odd))


@given(data=st.data(), value=JSON)
def test_a_configuration_with_one_odd_value_is_read_or_refused(data: st.DataObject, value: Any) -> None:
    document = yaml.safe_load(READERS["config"].good[0])
    path = data.draw(st.sampled_from(places(document)))
    with suppress(InvalidConfig):
        READERS["config"].read(yaml.dump(replaced(document, path, value), allow_unicode=data.draw(st.booleans())))


@given(st.dictionaries(TEXTS, VALUES, max_size=4))
def test_what_is_free_in_a_configuration_comes_out_as_it_was_written(value: dict[str, Any]) -> None:
    text = yaml.safe_dump({"DIRAC": {}, "Registry": {}, "Systems": value})
    assert parse_config(text).systems == value
