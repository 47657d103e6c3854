"""Forms of work documents: whatever a description says, a job gets what the slow way gives it."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from weyl.descriptions.work import work_document
from weyl.matcher.work_forms import WorkForms

TEXTS = ["plain", "run %n of %j", "%s", "%(X)s/%n", "50%", 'say "%s"', "A=%s;B=%j", "%%j", "lfn:/a/%j/%n.root"]
DOCUMENTS = st.fixed_dictionaries(
    {"Executable": st.sampled_from(TEXTS), "ParameterCount": st.sampled_from([1, 12, 1000])},
    optional={
        "Arguments": st.sampled_from(TEXTS) | st.lists(st.sampled_from(TEXTS), max_size=3),
        "JobName": st.sampled_from(TEXTS),
        "ExecutionEnvironment": st.sampled_from([*TEXTS, "A%n=1;B=%j", "P=a%2Fb;Q=%s"]),
        "OutputSandbox": st.lists(st.sampled_from(TEXTS), max_size=3),
        "CPUTime": st.sampled_from([100, "100", "%n"]),
        "StopSigNumber": st.sampled_from([9, "9"]),
        "InputData": st.sampled_from(TEXTS) | st.lists(st.sampled_from(TEXTS), max_size=2),
    },
)
VALUES = (
    st.integers(-5, 10**6) | st.sampled_from(["a", "a b", 'q"', "x,y", "%j", "", "1e3", "é", "a;b"]) | st.floats(0, 9)
)
PARAMETERS = st.none() | st.fixed_dictionaries(
    {"ParameterNumber": st.integers(0, 900)}, optional={"Parameter": VALUES, "Parameter.X": VALUES}
)


def outcome(made: Any) -> Any:
    try:
        return made()
    except Exception as error:  # noqa: BLE001 - both ways must fail alike
        return type(error)


@settings(max_examples=300)
@given(DOCUMENTS, st.lists(PARAMETERS, min_size=1, max_size=6))
def test_a_form_says_what_the_slow_way_says(document: dict[str, Any], jobs: list[dict[str, Any] | None]) -> None:
    forms = WorkForms(document)
    for job_id, parameters in enumerate(jobs, start=7):
        right = outcome(lambda parameters=parameters, job_id=job_id: work_document(document, parameters, job_id))
        assert outcome(lambda parameters=parameters, job_id=job_id: forms.work(parameters, job_id)) == right


def test_a_form_is_used_from_the_second_job_on() -> None:
    forms = WorkForms({"Executable": "run.sh", "Arguments": "--seed %n", "ParameterCount": 100})
    for number in range(3):
        assert (
            forms.work({"ParameterNumber": number, "Parameter": number}, 1000 + number)["arguments"]
            == f"--seed 0{number}"
        )
    [form] = forms._forms.values()
    assert form is not None
    assert form.is_proved


def test_texts_of_a_workflow_have_no_placeholders() -> None:
    document = {"Workflow": {"Bundle": "ab", "Fragment": "main"}, "JobName": "%j of %s", "InputData": "%(InputData)s"}
    plain, rows = WorkForms(document | {"InputData": []}), WorkForms(document)
    for job_id in (7, 8):
        for forms, parameters in ((plain, None), (rows, {"InputData": [f"/voa/{job_id}"]})):
            work = forms.work(parameters, job_id)
            assert work == work_document(forms.document, parameters, job_id)
            assert work["job_name"] == "%j of %s"
            assert work["input_data"] == ([] if parameters is None else [f"/voa/{job_id}"])
            assert work["workflow"] == {"bundle": "ab", "fragment": "main"}
