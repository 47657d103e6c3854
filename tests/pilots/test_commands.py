"""Payload commands: what an extension may bring, how its files travel, and the jobs that are given them."""

import hashlib
import io
import sys
import tarfile
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.infra.app import Application, Installation, config_document, running_application
from tests.matcher.conftest import (
    OFFER,
    Submit,
    submit,  # noqa: F401  a fixture
)
from tests.matcher.factories import a_class

from weyl.activation import problems
from weyl.builtin import BUILTIN
from weyl.config.errors import InvalidConfig
from weyl.config.models import with_sections
from weyl.config.source import parse_config
from weyl.demo.seaweedfs import RunningStore
from weyl.extension import Extension
from weyl.pilots.commands import BYTES_MAX, PayloadCommand, packed_files
from weyl.pilots.service.commands import COMMANDS

PILOT = "p" * 32
MATCH = "/api/matcher/match"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A package with files for payload commands; returns its name."""
    folder = tmp_path / "sources" / "toycommands" / "files"
    (folder / "deep" / "__pycache__").mkdir(parents=True)
    (folder.parent / "__init__.py").touch()
    (folder / "report.py").write_text("print('report')\n")
    (folder / "deep" / "table.txt").write_text("1\n")
    (folder / "deep" / "__pycache__" / "x.pyc").write_bytes(b"x")
    (folder.parent / "empty").mkdir()
    (folder.parent / "large").mkdir()
    monkeypatch.syspath_prepend(tmp_path / "sources")
    monkeypatch.delitem(sys.modules, "toycommands", raising=False)
    return "toycommands"


def a_command(package: str = "toycommands", **changes: Any) -> PayloadCommand:
    values = {"archive": f"{package}:files", "command": ("python3", "{archive}/report.py"), **changes}
    return PayloadCommand(**values)


# -- what an extension may bring ---------------------------------------------------------------------------------------


def test_the_files_of_a_command_are_one_archive_with_the_same_bytes_each_time(package: str) -> None:
    packed = packed_files(a_command(package))
    assert packed == packed_files(a_command(package, command=("sh",)))
    assert packed.sha256 == hashlib.sha256(packed.content).hexdigest()
    with tarfile.open(fileobj=io.BytesIO(packed.content)) as archive:
        assert archive.getnames() == ["deep/table.txt", "report.py"]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"stage": "middle"}, "has the stage 'middle'; there are pre and post"),
        ({"stage": "pre", "always": True}, "has always=True, which only commands of the stage post can have"),
        ({"command": ()}, "needs a command of one or more words, each of them text"),
        ({"command": "python3 x"}, "needs a command of one or more words, each of them text"),
        ({"command": ("a\0b",)}, "needs a command of one or more words, each of them text"),
        ({"command": ("a",) * 101}, "has 101 words; 100 are allowed"),
        ({"archive": "toycommands"}, "has the archive 'toycommands', which is not a package and a folder in it"),
        ({"archive": "toycommands:../x"}, "has the archive 'toycommands:../x', which is not a package"),
        ({"archive": "toycommands:empty"}, "has the archive toycommands:empty, but there are no files"),
        ({"archive": "toycommands:none"}, "has the archive toycommands:none, but there are no files"),
        ({"archive": "nopackage:files"}, "has the archive nopackage:files, but there are no files"),
        ({"archive": "toycommands:large"}, f"has {BYTES_MAX + 1} bytes in its archive; {BYTES_MAX} are allowed"),
    ],
)
def test_a_command_that_cannot_work_stops_the_start(
    package: str, tmp_path: Path, changes: dict[str, Any], problem: str
) -> None:
    if changes.get("archive") == "toycommands:large":
        (tmp_path / "sources" / package / "large" / "x").write_bytes(b"x" * (BYTES_MAX + 1))
    toy = Extension(name="toy", payload_commands={"report": a_command(package, **changes)})
    [found] = problems([BUILTIN, toy])
    assert found.startswith(f"toy: the payload command report {problem}")


def test_names_are_plain_and_belong_to_one_extension(package: str) -> None:
    odd = Extension(name="toy", payload_commands={"a b": a_command(package)})
    assert "has a name that no configuration can have" in problems([BUILTIN, odd])[0]
    wrong = Extension(name="toy", payload_commands={"report": "report.py"})  # type: ignore[dict-item]
    assert "must be a weyl.pilots.commands.PayloadCommand" in problems([BUILTIN, wrong])[0]
    two = [Extension(name=name, payload_commands={"report": a_command(package)}) for name in ("one", "two")]
    assert problems([BUILTIN, *two]) == [
        "The payload command report is claimed by one and by two; only one of them can be active"
    ]


CONFIG = """DIRAC: {}
Registry: {voa: {IdP: {URL: x, ClientID: y}, DefaultGroup: user}}
Operations:
  voa:
    CWL:
      PerJobType:
        User:
          Commands: [report, reprot]
"""


def test_an_unknown_name_in_the_configuration_is_told_with_its_line() -> None:
    with pytest.raises(InvalidConfig) as told:
        parse_config(CONFIG, with_sections({}, {"report": None}))
    [problem] = told.value.problems
    assert (problem.line, problem.path) == (8, "Operations.voa.CWL.PerJobType.User.Commands.1")
    assert problem.message == "is not a payload command of an installed extension; did you mean report?"
    # where nobody knows what is installed elsewhere
    assert parse_config(CONFIG).operations["voa"].cwl.per_job_type["User"].commands == ["report", "reprot"]


# -- the jobs that are given them --------------------------------------------------------------------------------------


@pytest.fixture
async def served(
    installation: Installation, database_url: str, object_store: RunningStore, package: str, tmp_path: Path
) -> AsyncIterator[Application]:
    """An application whose VO voa runs commands around its user jobs."""
    document: Any = config_document()
    document["Operations"] = {"voa": {"CWL": {"PerJobType": {"User": {"Commands": ["report", "first"]}}}}}
    own = replace(installation, directory=tmp_path / "installation")
    own.commit_config(document, "Commands")
    commands = {"first": a_command(package, stage="pre"), "report": a_command(package, always=True)}
    toy = Extension(name="toy", payload_commands=commands)
    async with running_application(own, database_url, object_store, extensions=[BUILTIN, toy]) as application:
        yield application


async def _matched(served: Application, *, vo: str = "voa", request_id: str | None = None) -> dict[str, Any]:
    await served.seen()
    body = {"offer": OFFER, **({"request_id": request_id} if request_id else {})}
    answer = await served.client.post(MATCH, headers=served.pilot(PILOT, vo=vo), json=body)
    assert answer.status_code == 200, answer.text
    [job] = answer.json()["jobs"]
    return dict(job["work"])


async def test_a_matched_job_names_its_commands_in_the_order_of_the_configuration(
    served: Application,
    submit: Submit,  # noqa: F811
) -> None:
    await submit(1)
    question = "0" * 32
    work = await _matched(served, request_id=question)
    packed = packed_files(a_command())
    archive = {"sha256": packed.sha256, "size": len(packed.content)}
    words = ["python3", "{archive}/report.py"]
    assert work["commands"] == [
        {"name": "report", "stage": "post", "always": True, "command": words, "archive": archive},
        {"name": "first", "stage": "pre", "always": False, "command": words, "archive": archive},
    ]
    # a repeated question, whose answer got lost, is answered alike
    assert await _matched(served, request_id=question) == work


async def test_jobs_of_other_vos_have_none(
    served: Application,
    submit: Submit,  # noqa: F811
) -> None:
    await submit(1, a_class(vo="vob"))
    assert "commands" not in await _matched(served, vo="vob")


async def test_jobs_of_other_types_have_none(served: Application) -> None:
    commands = served.services[COMMANDS]
    assert [len(commands.of("voa", kind)) for kind in ("User", "Test", "user")] == [2, 0, 0]


async def test_only_pilots_fetch_the_files_and_only_those_that_there_are(served: Application) -> None:
    client, pilot = served.client, served.pilot(PILOT)
    packed = packed_files(a_command())
    path = f"/api/pilots/commands/{packed.sha256}"
    assert (await client.get(path)).status_code == 401
    for headers in (served.login(), served.login(group="pilot"), served.payload(1, stamp=PILOT)):
        assert (await client.get(path, headers=headers)).status_code in (401, 403)
    assert (await client.get(f"/api/pilots/commands/{'0' * 64}", headers=pilot)).status_code == 404
    answer = await client.get(path, headers=pilot)
    async with httpx2.AsyncClient() as store:
        assert (await store.get(answer.json()["url"])).content == packed.content
    # neither kind of archive is handed out as the other
    assert (await client.get(f"/api/pilots/engines/{packed.sha256}", headers=pilot)).status_code == 404
