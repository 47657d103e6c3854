"""Jobs that run one workflow: they differ by rows, and their texts are their author's own."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from weyl.descriptions import jdl, parametric
from weyl.descriptions.described import Described, described
from weyl.descriptions.description import Description, Owner, Workflow
from weyl.descriptions.errors import BadAttribute, BadSubmission
from weyl.descriptions.parametric import Expansion
from weyl.descriptions.requirements import Limits
from weyl.descriptions.rows import Rows
from weyl.descriptions.texts import Form, prepare, previewed, text_of_job
from weyl.descriptions.variants import variants
from weyl.descriptions.work import work_document
from weyl.task_queues.errors import InvalidRequirements

OWNER = Owner("voa", "user", "alice")
BUNDLE = "ab" * 32
DOCUMENT: jdl.Document = {"Workflow": {"Bundle": BUNDLE, "Fragment": None}, "JobName": "reco"}
FILES = [{"InputData": ["/voa/a", "/voa/b"]}, {"InputData": []}, {"InputData": ["/voa/a", "/voa/b"]}]
SMALL, LARGE = (
    {"wall_time": 60, "cpu": {"ram_mb": {"request": {"overhead": ram_mb, "per_core": 0}}}} for ram_mb in (500, 4000)
)


def made(rows: Sequence[Mapping[str, Any]], names: Sequence[str] | None = None, **more: Any) -> Described:
    """Return the jobs of these rows."""
    return described(DOCUMENT | more, OWNER, Limits(), expansion=Rows(rows, ["{}"] * len(rows), names))


def test_jobs_have_their_own_values_whole_and_share_the_rest() -> None:
    description = made(FILES)
    assert description.document["InputData"] == "%(InputData)s"
    assert list(description.parameters() or ()) == FILES
    works = [work_document(description.document, values, 7) for values in FILES]
    assert [work["input_data"] for work in works] == [["/voa/a", "/voa/b"], [], ["/voa/a", "/voa/b"]]
    assert works[0]["workflow"] == {"bundle": BUNDLE, "fragment": None}
    assert works[0]["executable"] == ""
    assert 'InputData = {"/voa/a", "/voa/b"};' in works[0]["jdl"]


def test_the_form_of_each_job_is_found_once() -> None:
    rows = Rows(FILES, [None] * 3)
    forms, which = variants(rows, {}, ["InputData", "Site"])
    assert forms == [{"InputData": ["/voa/a", "/voa/b"]}, {"InputData": []}]
    assert which == [0, 1, 0]
    assert variants(rows, {}, ["Site"]) == ([{}], [0, 0, 0])
    both = Rows([{"Site": "A", "Tags": "x"}, {"Site": "A", "Tags": "y"}, {"Site": "A", "Tags": "x"}], [None] * 3)
    assert variants(both, {}, ["Tags", "Site"])[1] == [0, 1, 0]


def test_requirements_may_differ_by_row_and_each_form_is_checked() -> None:
    description = made([{"Requirements": each} for each in (SMALL, LARGE, SMALL)])
    assert len(description.classes) == 1
    assert "CPUTime" not in description.document
    with pytest.raises(InvalidRequirements, match="num_cores"):
        made([{"Requirements": SMALL}, {"Requirements": {"wall_time": 60, "cpu": {"num_cores": {"min": -1}}}}])


def test_those_of_a_parametric_text_still_may_not() -> None:
    document: jdl.Document = {"Executable": "a", "Requirements": {"wall_time": "%s"}}
    with pytest.raises(BadAttribute, match="must be the same for all jobs"):
        described(document, OWNER, Limits(), expansion=Expansion(2, {"": [60, 90]}))


def test_columns_and_sandboxes_are_those_of_each_row() -> None:
    description = made(
        [{"InputSandbox": ["SB:x|/S3/a"], "Site": "A"}, {"InputSandbox": [], "Site": ["A", "B"]}],
        names=["reco (n=1)", "n" * 200],
    )
    assert description.sandboxes == [["SB:x|/S3/a"], []]
    assert description.columns["site"] == ["A", "Multiple"]
    assert description.columns["job_name"] == ["reco (n=1)", "n" * 128]
    assert description.document["JobName"] == "reco"


def test_a_label_of_any_length_becomes_a_name() -> None:
    assert made([{}], JobName="n" * 500).columns["job_name"] == ["n" * 128]
    plain = {name: value for name, value in DOCUMENT.items() if name != "JobName"}
    assert described(plain, OWNER, Limits()).columns["job_name"] == ["Unknown"]


@pytest.mark.parametrize("text", ["%s of %n", "%j", "%(InputData)s", "%(JobName)s", 'a "b" \\ %(X)s', "50%"])
def test_a_percent_sign_means_nothing_in_it(text: str) -> None:
    for rows in ([{}, {}], FILES):
        description = made(rows, JobName=text, OutputSandbox=[text])
        for values in rows:
            job = parametric.fill(description.document, values or None, 42)
            assert (job["JobName"], job["OutputSandbox"]) == (text, [text])
            assert work_document(description.document, values or None, 42)["output_sandbox"] == [text]
        assert description.columns["job_name"] == [text]


@pytest.mark.parametrize("times", [1, 10])
def test_a_job_is_filled_alike_however_its_values_are_stored(times: int) -> None:
    rows = [
        {"InputData": [f"/voa/{number}"], "Requirements": (SMALL, LARGE)[number % 2]} for number in range(2 * times)
    ]
    description = made(rows)
    stored = description.stored_document()
    parameters = [json.loads(text) for text in description.stored_parameters() or ()]
    assert [parametric.fill(stored, each, 1) for each in parameters] == [
        {**description.document, **row} for row in rows
    ]
    names = parametric.varying(stored, ["InputData", "Requirements", "JobName"])
    assert names == ("InputData", "Requirements")
    assert [parametric.fill_some(stored, names, each) for each in parameters] == rows
    assert parametric.common(stored) == parametric.common(description.document)
    assert [work_document(stored, each, 1)["input_data"] for each in parameters] == [row["InputData"] for row in rows]
    assert (parameters[1]["Requirements"], parametric.KINDS in stored) == ((LARGE, False) if times == 1 else (1, True))


def test_a_description_holds_only_a_few_short_values() -> None:
    few = [{"Requirements": SMALL}, {"Requirements": LARGE}] * 10
    assert made(few).stored_document()[parametric.KINDS] == {"Requirements": [SMALL, LARGE]}
    assert made(few[:19]).stored_document()["Requirements"] == "%(Requirements)s"
    for rows in (
        few[:19],
        [{"Site": f"S{number % 17}"} for number in range(170)],
        [{"InputData": ["x" * 9_000]}, {"InputData": []}] * 10,
        [{}] * 20,
    ):
        assert parametric.KINDS not in made(rows).stored_document()


def test_what_varies_is_told_from_what_looks_like_it() -> None:
    document = made(FILES, JobGroup="%s", Site="%(Site)s").document
    assert parametric.varying(document, ["InputData", "JobGroup"]) == ("InputData",)
    found = parametric.varying(document, ["InputData", "Site"])
    filled = parametric.fill_some(document, found, FILES[1])
    assert filled == {"InputData": [], "Site": "%(Site)s"}
    assert parametric.common(document).keys() == document.keys() - {"InputData", "Site"}
    assert parametric.fill_some(document, ["Site"], None) == {"Site": "%(Site)s"}


def test_people_are_shown_jdl_that_quotes_what_others_wrote() -> None:
    label = 'x"; Executable = "/bin/rm'
    description = made(FILES, JobName=label)
    for text in [*previewed(description, 2), text_of_job(description.jdl, description.document, FILES[0], 7)]:
        read = jdl.parse(text)
        assert read["JobName"] == label
        assert "Executable" not in read
    assert jdl.parse(next(iter(previewed(made([{}]), 1))))["Workflow"] == DOCUMENT["Workflow"]


@pytest.mark.parametrize(
    "more",
    [
        {"JobName": "a\x00"},
        {"OutputSandbox": ["a", "\ud800"]},
        {"rows": [{"InputData": ["a"]}, {"InputData": ["\x00"]}]},
    ],
)
def test_what_cannot_be_stored_is_refused(more: dict[str, Any]) -> None:
    rows = more.pop("rows", [{}])
    with pytest.raises(BadAttribute, match="has a character that no text may have"):
        made(rows, **more)
    with pytest.raises(BadAttribute, match="JobName"):
        made([{}], names=["\x00"])


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("jdl", 'Executable = "a";\nworkflow = [Bundle = "ab"];'),
        ("jdl", f'Workflow = [Bundle = "{BUNDLE}"];'),
        ("jdl", 'Executable = "a"; Workflow = "%s"; Parameters = 3;'),
        ("json", '{"executable": "a", "work_flow": {"Bundle": "ab"}}'),
    ],
)
def test_no_text_may_name_a_workflow(form: Form, text: str) -> None:
    with pytest.raises(BadSubmission, match="Workflow: is for jobs that are submitted as CWL"):
        prepare([text], OWNER, Limits(), jobs_max=10, form=form)


def test_a_text_of_before_that_names_one_still_is_what_it_was() -> None:
    for value in ("x", {"Bundle": BUNDLE}):
        old: jdl.Document = {"Executable": "run.sh", "Arguments": "%j", "Workflow": value}
        assert Description.read(old).workflow is None
        work = work_document(old, None, 7)
        assert (work["executable"], work["arguments"], work["workflow"]) == ("run.sh", "7", None)
    assert Description.read(DOCUMENT).workflow == Workflow(BUNDLE, None)
