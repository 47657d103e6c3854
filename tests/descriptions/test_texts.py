"""Whatever is submitted becomes jobs or a sentence, never an error of ours."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weyl.descriptions.attributes import KNOWN
from weyl.descriptions.described import Prepared
from weyl.descriptions.description import Owner
from weyl.descriptions.errors import BadSubmission
from weyl.descriptions.jdl import parse, render
from weyl.descriptions.parametric import expand
from weyl.descriptions.requirements import ATTRIBUTES, Limits
from weyl.descriptions.texts import prepare
from weyl.descriptions.variants import variants
from weyl.descriptions.work import work_document

_OWNER = Owner(vo="v", group="g", name="o")
_names = st.sampled_from([*KNOWN, "Parameters.X", "ParameterStart.X", "ParameterStep.Y", "Other"])
_scalars = st.one_of(
    st.integers(-3, 30),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.none(),
    st.sampled_from(["%s", "%n", "%j", "%(X)s", "ANY", "x86_64_v3-any", "GPU", "8Processors", "SB:a", "a,b", "", "5"]),
    st.text(max_size=5),
)
_values = _scalars | st.lists(_scalars, max_size=3) | st.dictionaries(st.just("a"), _scalars, max_size=1)


def _prepared(*texts: str) -> Prepared | None:
    try:
        return prepare(texts, _OWNER, Limits(), jobs_max=50)
    except BadSubmission:
        return None


@given(st.dictionaries(_names, _values, max_size=6))
@settings(max_examples=400, deadline=None)
def test_any_values_are_prepared_or_refused(document: dict[str, object]) -> None:
    text = render({"Executable": "a", **document})  # type: ignore[dict-item]
    prepared = _prepared(text)
    if prepared is None:
        return
    [description] = prepared.descriptions
    for values in description.columns.values():
        assert len(values) in {1, description.count}
    for parameters in description.parameters() or [None]:
        work_document(description.document, parameters, 7)


def test_forms_are_counted_once() -> None:
    document = parse(
        'Site = "%s"; Tags = {"%(T)s", "b"}; Parameters = {"A", "B", "A"}; Parameters.T = {"x", "x", "x"};'
    )
    expansion = expand(document, jobs_max=10)
    assert expansion is not None
    forms, which = variants(expansion, document, ATTRIBUTES)
    assert forms == [{"Site": "A", "Tags": ["x", "b"]}, {"Site": "B", "Tags": ["x", "b"]}]
    assert which == [0, 1, 0]


def test_input_sandboxes_may_differ_from_job_to_job() -> None:
    prepared = _prepared('Executable = "a"; InputSandbox = {"b", "SB:%s"}; Parameters = {"x", "y"};')
    assert prepared is not None
    assert prepared.descriptions[0].sandboxes == [["SB:x"], ["SB:y"]]


def test_each_job_may_ask_for_its_own_time_and_priority() -> None:
    text = 'Executable = "a"; CPUTime = "%s"; Priority = "%(P)s"; Parameters = {1000, -5}; Parameters.P = {3, 99};'
    prepared = _prepared(text)
    assert prepared is not None
    [description] = prepared.descriptions
    assert description.columns["user_priority"] == [3, 10]
    works = [work_document(description.document, values, 7) for values in description.parameters() or ()]
    assert [work["cpu_time_s"] for work in works] == [1000, 0]
    assert _prepared('Executable = "a"; CPUTime = "%s"; Parameters = {1000, "soon"};') is None


@pytest.mark.parametrize(
    ("text", "attribute"),
    [
        # A value of a megabyte in ten thousand places: ten gigabytes in every job.
        (f'Parameters = {{"{"x" * 10**6}"}}; Arguments = "{"%s" * 10**4}";', "Arguments"),
        (
            f'Parameters = 2; Parameters.A = {{"{"x" * 10**6}", "y"}}; Environment = {{"A=%(A)s", "B=%(A)s"}};',
            "Environment",
        ),
        # Little in one job, and far too much in all of them before the column cuts it.
        (f'Parameters = 100000; JobName = "{"%s" * 10**4}";', "JobName"),
    ],
)
def test_placeholders_cannot_fill_the_memory(text: str, attribute: str) -> None:
    with pytest.raises(BadSubmission, match=attribute):
        prepare([f'Executable = "x"; {text}'], _OWNER, Limits(), jobs_max=100_000)
