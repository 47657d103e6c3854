"""The example of an extension: the tutorial builds it to the letter, and it works in a running installation."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from tests.extensions.tutorial import ROOT, WEYL, block, files, install, path_of, run, write
from tests.infra.app import GROUPS, USERS, Installation, config_document

from weyl.auth.keys import KeySet
from weyl.auth.tokens import Identity, access_claims
from weyl.client import CredentialFile, TokenSet
from weyl.demo.seaweedfs import RunningStore
from weyl.kit.ids import uuid7
from weyl.server import listen

EXAMPLE = ROOT / "extensions" / "example_vo"
SETTINGS = (
    "database_url",
    "public_url",
    "config_url",
    "config_check_every_s",
    "keys",
    "state_key",
    "s3_endpoint",
    "s3_access_key",
    "s3_secret_key",
    "pilot_peppers",
)


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package that the tutorial builds, installed."""
    package, target = tmp_path_factory.mktemp("package"), tmp_path_factory.mktemp("target")
    for path, text in files():
        write(package, path, text)
    install(package, target)
    return target


def test_the_tutorial_builds_the_example_to_the_letter() -> None:
    built = dict(files())
    there = {
        str(path.relative_to(EXAMPLE)): path.read_text()
        for path in EXAMPLE.rglob("*")
        if path.is_file() and not {"__pycache__", ".pytest_cache"} & set(path.parts)
    }
    assert built == there


def test_the_first_step_is_found_already(tmp_path: Path) -> None:
    for path, text in files():
        write(tmp_path / "package", path, text)
        if path.endswith("extension.py"):
            break
    install(tmp_path / "package", tmp_path / "target")
    found = run([*WEYL, "extensions", "list", "-o", "json"], tmp_path / "target")
    assert [row["Extension"] for row in json.loads(found.stdout)] == ["example_vo"], found.stderr


def test_the_tests_of_the_package_pass(target: Path, tmp_path: Path) -> None:
    shutil.copytree(EXAMPLE / "tests", tmp_path / "tests")
    done = run([sys.executable, "-m", "pytest", "-q", "-n0", "-p", "no:cacheprovider", str(tmp_path / "tests")], target)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_package_is_listed_and_checked(target: Path, tmp_path: Path) -> None:
    [row] = json.loads(run([*WEYL, "extensions", "list", "-o", "json"], target).stdout)
    assert (row["Package"], row["Version"]) == ("example-vo", "1.0")
    for what in ("sections (1)", "job_attributes (1)", "payload_commands (1)", "migrations (1)", " commands (1)"):
        assert what in row["Adds"]
    write(tmp_path, "default.yml", "DIRAC: {}\nRegistry: {}\n" + block("yaml"))
    checked = run([*WEYL, "extensions", "check", "--config", str(tmp_path / "default.yml")], target)
    assert checked.returncode == 0, checked.stderr
    write(tmp_path, "default.yml", "DIRAC: {}\nRegistry: {}\nExtensions:\n  example_vo:\n    Campagns: []\n")
    checked = run([*WEYL, "extensions", "check", "--config", str(tmp_path / "default.yml")], target)
    assert checked.returncode == 1
    assert "line 5: Extensions.example_vo.Campagns: is not known here; did you mean Campaigns?" in checked.stderr


def test_without_the_package_nothing_is_there() -> None:
    alone = subprocess.run(
        [*WEYL, "extensions", "list", "-o", "json"], capture_output=True, text=True, check=False, timeout=60
    )
    assert json.loads(alone.stdout) == []


CASES = [
    ('"rss_get_site_status"', '"rss_get_sites"', "example_vo replaces rss_get_sites, which is no operation"),
    ('"nice": Nice', '"local": Nice', "driver local of computing elements is claimed by weyl and by example_vo"),
    ("from example_vo.tasks", "from example_vo.absent", "cannot be loaded: No module named 'example_vo.absent'"),
]


@pytest.mark.parametrize(
    ("words", "code", "case"),
    [(["serve", "--port", "0"], 2, 0), (["worker"], 2, 1), (["db", "migrate"], 2, 2), (["extensions", "check"], 1, 0)],
)
def test_what_cannot_work_stops_the_start(
    target: Path, tmp_path: Path, *, words: list[str], code: int, case: int
) -> None:
    old, new, sentence = CASES[case]
    broken = tmp_path / "target"
    shutil.copytree(target, broken)
    module = broken / "example_vo" / "extension.py"
    assert old in module.read_text()
    module.write_text(module.read_text().replace(old, new))
    told = run([*WEYL, *words], broken)
    assert told.returncode == code
    assert sentence in told.stderr
    assert "Traceback" not in told.stderr


@dataclass(frozen=True)
class Served:
    """A running server with the extension, and the program of a user."""

    environ: dict[str, str]
    target: Path
    installation: Installation
    home: Path
    keys: KeySet

    def weyl(self, *words: str, group: str = "user") -> subprocess.CompletedProcess[str]:
        """Run a command as alice."""
        credentials = self.home / f"{group}.json"
        properties = frozenset([*GROUPS[group], *(["CampaignManager"] if group == "admin" else [])])
        identity = Identity(f"voa:{USERS['alice']}", "voa", "alice", group, properties)
        now = int(time.time())
        token = self.keys.sign(access_claims(identity, token_id=uuid7(), now=now, lifetime_s=1200))
        CredentialFile(credentials).save(TokenSet(token, None, now + 1185))
        return run(
            [*WEYL, *words],
            self.target,
            WEYL_URL=self.environ["WEYL_PUBLIC_URL"],
            WEYL_CREDENTIALS_PATH=str(credentials),
        )

    def configure(self, message: str, **section: Any) -> None:
        """Commit the extension's section."""
        document: dict[str, Any] = config_document()
        # A list of its own: that of the suite is every document's.
        document["Registry"]["voa"]["Groups"]["admin"]["Properties"] = [*GROUPS["admin"], "CampaignManager"]
        self.installation.commit_config({**document, "Extensions": {"example_vo": section}}, message)


@pytest.fixture
async def served(database_url: str, object_store: RunningStore, target: Path, tmp_path: Path) -> AsyncIterator[Served]:
    """Migrate a database, and serve it in a process that sees the package."""
    listener = listen("127.0.0.1", 0)
    own = Installation.create(tmp_path / "installation")
    settings = own.settings(database_url, object_store, public_url=f"http://127.0.0.1:{listener.getsockname()[1]}")
    environ = {
        f"WEYL_{name.upper()}": str(value.get_secret_value() if isinstance(value, SecretStr) else value)
        for name in SETTINGS
        if (value := getattr(settings, name)) is not None
    }
    served = Served(environ, target, own, tmp_path, KeySet(own.keys, issuer=settings.issuer))
    served.configure("Campaigns", Campaigns=["MC25", "MC26"])
    before = run([*WEYL, "db", "check"], target, **environ)
    assert "The tables of example_vo are not up to date" in before.stderr
    for words in (["db", "migrate"], ["db", "check"]):
        done = run([*WEYL, *words], target, **environ)
        assert done.returncode == 0, done.stderr
    process = subprocess.Popen(
        [*WEYL, "serve", "--fd", str(listener.fileno())],
        env=os.environ | {"PYTHONPATH": path_of(target)} | environ,
        pass_fds=[listener.fileno()],
        stdout=subprocess.DEVNULL,
    )
    try:
        yield served
    finally:
        process.terminate()
        process.wait(30)
        listener.close()


async def test_the_extension_works_in_a_running_installation(served: Served, tmp_path: Path) -> None:
    write(tmp_path, "campaign.jdl", block("jdl"))
    submitted = served.weyl("jobs", "submit", str(tmp_path / "campaign.jdl"), "-o", "json")
    assert submitted.returncode == 0, submitted.stderr
    [job_id] = re.findall(r'"JobID": ?(\d+)', submitted.stdout)
    shown = served.weyl("jobs", "show", job_id, "--params", "-o", "json")
    assert '"MC26"' in shown.stdout, shown.stderr
    write(tmp_path, "unknown.jdl", block("jdl").replace("mc26", "MC99"))
    refused = served.weyl("jobs", "submit", str(tmp_path / "unknown.jdl"))
    assert "Campaign MC99 does not exist; there are: MC25, MC26" in refused.stderr

    assert "CampaignManager" in served.weyl("campaigns", "note", "MC26", "Half of it").stderr
    assert served.weyl("campaigns", "note", "MC26", "Half of it", group="admin").returncode == 0
    listed = served.weyl("campaigns", "list", "-o", "json")
    assert json.loads(listed.stdout) == [
        {"Campaign": "MC25", "Latest": ""},
        {"Campaign": "MC26", "Latest": "Half of it"},
    ]

    served.configure("Freeze", Campaigns=["MC26"], IsFrozen=True)
    frozen = _until_refused(served, str(tmp_path / "campaign.jdl"))
    assert "Campaigns are frozen: only holders of CampaignManager may submit now" in frozen
    assert served.weyl("jobs", "submit", str(tmp_path / "campaign.jdl"), group="admin").returncode == 0


def _until_refused(served: Served, jdl: str) -> str:
    """The server looks for a new revision several times a second; a run of the program takes longer."""
    for _ in range(20):
        answer = served.weyl("jobs", "submit", jdl)
        if answer.returncode:
            return answer.stderr
    return ""
