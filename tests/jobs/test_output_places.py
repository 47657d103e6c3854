"""Output data that could not be registered where they are to lie are refused when the job is submitted."""

from typing import Any

import pytest
from tests.infra.app import Application, config_document

from weyl.config.models import Config
from weyl.descriptions import jdl
from weyl.descriptions.described import described
from weyl.descriptions.description import Owner
from weyl.descriptions.output_data import directory_of, is_covered, lfn_of, lfn_of_workflow, missing
from weyl.descriptions.requirements import Limits
from weyl.descriptions.texts import prepare
from weyl.jobs.additions import Candidate, candidates
from weyl.jobs.output_places import refused

ALICE = Owner(vo="voa", group="user", name="alice")
STORAGE = {
    "ALPHA-DISK": {"Endpoints": [{"Name": "file", "Protocol": "file", "Path": "/srv/alpha"}]},
    "NO-DOOR": {},
    "VOB-DISK": {"VOs": ["vob"], "Endpoints": [{"Name": "file", "Protocol": "file", "Path": "/srv/vob"}]},
}


def config(storage: dict[str, Any] | None = None, **operations: Any) -> Config:
    """Return a configuration with storage elements, whose files are in the catalogue of weyl."""
    document: dict[str, Any] = config_document()
    document["Resources"]["StorageElements"] = STORAGE if storage is None else storage
    document["Operations"] = {"voa": {"InputData": {"Catalog": "weyl"}, **operations}}
    return Config.model_validate(document)


def fault(text: str, known: Config, owner: str = "alice") -> str | None:
    """Return why jobs are refused, in the words for their owner."""
    prepared = prepare([f'Executable = "a"; {text}'], ALICE, Limits(), jobs_max=100)
    [candidate] = candidates(prepared)
    found = refused(candidate, known, vo="voa", owner=owner)
    return None if found is None else str(found.detail)


@pytest.mark.parametrize(
    "text",
    [
        "",
        'OutputPath = "/vob/x"; OutputSE = "NOWHERE";',
        'OutputData = {"a.root", "out/*.json", "LFN:/voa/x/%j.root"}; OutputPath = "/voa/y/%j"; OutputSE = ALPHA-DISK;',
        'OutputData = "a[0-9]?.root"; OutputPath = "results/%j";',
        'OutputData = %s; Parameters = {{"a", "b"}, {"LFN:/voa/c"}};',
    ],
)
def test_output_data_with_a_place_are_taken(text: str) -> None:
    assert fault(text, config()) is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('OutputData = "LFN:/vob/a";', "OutputData: 'LFN:/vob/a' is no place of your VO; those begin with /voa/"),
        ('OutputData = "a"; OutputPath = "/vob/x";', "OutputPath: '/vob/x' is no place of your VO"),
        ('OutputData = "a"; OutputPath = "/voab/x";', "OutputPath: '/voab/x' is no place of your VO"),
        ('OutputData = "a"; OutputPath = "my files";', "OutputPath: 'my files' has the component 'my files'"),
        ('OutputData = "my file";', "OutputData: 'my file' has the component 'my file'"),
        ('OutputData = "LFN:/voa/50%.root";', "OutputData: 'LFN:/voa/50%.root' has the component"),
        ('OutputData = "a"; OutputSE = {"ALPHA-DISK", "VOB-DISK"};', "OutputSE: 'VOB-DISK' is no storage element"),
        ('OutputData = "a"; OutputSE = "NO-DOOR";', "there are ALPHA-DISK"),
        ('OutputData = "a"; OutputSE = %s; Parameters = {"ALPHA-DISK", "X"};', "OutputSE: 'X' is no storage element"),
    ],
)
def test_output_data_without_a_place_are_refused(text: str, told: str) -> None:
    assert told in (fault(text, config()) or "")


def test_output_data_need_a_catalogue_and_storage() -> None:
    text = 'OutputData = "a";'
    assert "your VO has its files in the catalogue static" in (
        fault(text, config(InputData={"Catalog": "static"})) or ""
    )
    assert "your VO has no file catalogue" in (fault(text, config(InputData={"Catalog": None})) or "")
    assert "no storage element serves your VO" in (fault(text, config(storage={"NO-DOOR": {}})) or "")


def test_whoever_has_no_home_names_a_directory() -> None:
    assert "your name makes no home" in (fault('OutputData = "a";', config(), owner="a/b") or "")
    assert fault('OutputData = "a"; OutputPath = "/voa/x";', config(), owner="a/b") is None


def test_outputs_of_workflows_are_bound_to_places() -> None:
    outputs: list[Any] = [{"Source": "o", "Path": "/vob/x", "SE": []}]
    workflow: dict[str, Any] = {"Bundle": "ab" * 32, "Fragment": None, "Outputs": outputs}
    made = described({"Workflow": workflow, "OutputData": ["o"]}, ALICE, Limits())
    found = refused(Candidate(0, made), config(), vo="voa", owner="alice")
    assert "'/vob/x' is no place of your VO" in str(found and found.detail)


async def test_nobody_is_asked_for_files_that_the_installation_cannot_take(application: Application) -> None:
    body = ['Executable = "a"; OutputData = "b";']
    answer = await application.client.post("/api/jobs/jdl", json=body, headers=application.login())
    assert answer.status_code == 400
    assert answer.json()["detail"].startswith("Job 0: OutputData: cannot be")


def test_which_files_are_meant() -> None:
    items = ("LFN:/voa/x", "a.root", "./b.root", "hist-*.json", "out/")
    for name in ("lfn:/voa/x", "a.root", "./a.root", "b.root", "hist-1.json", "out/c", "out/d/e"):
        assert is_covered(name, items), name
    for name in ("LFN:/voa/y", "c.root", "sub/a.root", "hist-1.root", "outer/c"):
        assert not is_covered(name, items), name
    assert missing(["LFN:/voa/x", "a.root", "b.root", "hist-2.json"], items) == "out/"
    assert missing(["LFN:/voa/x", "a.root", "b.root", "hist-2.json", "out/x"], items) is None


def test_how_files_are_called() -> None:
    assert directory_of(None, home="/voa/user/a/alice", job_id=12_345) == "/voa/user/a/alice/12/12345"
    assert directory_of("mc/2026/", home="/voa/user/a/alice", job_id=1) == "/voa/user/a/alice/mc/2026"
    assert directory_of("/voa/mc", home="/voa/user/a/alice", job_id=1) == "/voa/mc"
    assert lfn_of("./out/a.root", "/voa/mc") == "/voa/mc/out/a.root"
    assert lfn_of("LFN:/voa/b", "/voa/mc") == "/voa/b"
    assert lfn_of_workflow("outputs/a.txt", "/voa/mc", 7) == "/voa/mc/7_a.txt"
    assert lfn_of_workflow("outputs/dir/a.txt", "/voa/mc", 7) == "/voa/mc/7_dir/a.txt"


def test_what_is_said_of_outputs_survives_its_way_through_jdl() -> None:
    text = 'Executable = "a"; OutputMetadata = [ Run = 1200; Particle = "gamma"; Good = true; Scale = 1.5 ];'
    [candidate] = candidates(prepare([text], ALICE, Limits(), jobs_max=1))
    document = jdl.parse(jdl.render(candidate.document))
    assert document["OutputMetadata"] == {"Run": 1200, "Particle": "gamma", "Good": True, "Scale": 1.5}
