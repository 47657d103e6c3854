"""`weyl config` and the commands that write a configuration repository."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.cli.conftest import Program


def test_the_dump_is_the_whole_document(weyl: Program) -> None:
    document = json.loads(weyl("config", "dump").stdout)
    assert document["Registry"]["voa"]["Users"]["alice-sub"]["PreferedUsername"] == "alice"
    assert document["Operations"]["voa"]["JobDescription"]["DefaultCPUTime"] == 86400


def test_one_part_is_shown_by_its_path(weyl: Program) -> None:
    part = weyl("config", "show", "Resources.Sites.LCG.Alpha.org.CEs.ce.alpha.org.Driver")
    assert json.loads(part.stdout) == "local"
    wrong = weyl("config", "show", "Registri")
    assert wrong.returncode == 2
    assert "did you mean Registry" in wrong.stderr


def test_who_is_not_logged_in_gets_exit_4(weyl_as: Callable[..., Program]) -> None:
    for words in (["dump"], ["show", "DIRAC"], ["history"], ["diff"]):
        assert weyl_as(None)("config", *words).returncode == 4


def test_history_is_for_administrators_of_the_configuration(weyl: Program, weyl_as: Callable[..., Program]) -> None:
    assert weyl("config", "history").returncode == 5
    assert weyl("config", "diff").returncode == 5
    administrator = weyl_as("alice", group="cs")
    (newest, *_) = json.loads(administrator("config", "history", "-n", "1").stdout)
    assert set(newest) == {"Revision", "Time", "Author", "Message"}
    assert "default.yml" in administrator("config", "diff").stdout


def test_a_file_is_checked_without_a_server(weyl_as: Callable[..., Program]) -> None:
    nobody = weyl_as(None)
    nobody.file("good.yml", "DIRAC: {}\nRegistry: {}\n")
    nobody.file("bad.yml", "DIRAC: {}\nRegistri: {}\n")
    assert nobody("config", "validate", "good.yml", WEYL_URL="").returncode == 0
    bad = nobody("config", "validate", "bad.yml", WEYL_URL="")
    assert bad.returncode == 2
    assert "line 2: Registri: is not known here; did you mean Registry?" in bad.stderr
    assert nobody("config", "validate", "none.yml", WEYL_URL="").returncode == 2


def test_a_repository_is_made_and_filled(weyl_as: Callable[..., Program], tmp_path: Path) -> None:
    nobody, url = weyl_as(None), f"git+file://{tmp_path}/cs"
    for words in (
        ["generate-cs", url],
        ["add-vo", url, "--vo", "voa", "--idp-url", "https://idp.example.org", "--idp-client-id", "weyl"],
        ["add-group", url, "--vo", "voa", "--group", "admin", "--properties", "JobAdministrator"],
        ["add-user", url, "--vo", "voa", "--sub", "1f2", "--preferred-username", "alice", "--groups", "admin"],
    ):
        result = nobody("internal", *words, "--author", "Ada <ada@example.org>", WEYL_URL="")
        assert result.returncode == 0, result.stderr
    again = nobody("internal", "add-vo", url, "--vo", "voa", "--idp-url", "x", "--idp-client-id", "y", WEYL_URL="")
    assert again.returncode == 2
    assert "configured already" in again.stderr
    log = subprocess.run(
        ["git", "log", "--format=%an: %s"], cwd=tmp_path / "cs", capture_output=True, text=True, check=True
    )
    assert log.stdout.splitlines() == [
        "Ada: Add alice to voa",
        "Ada: Add the group admin to voa",
        "Ada: Add the VO voa",
        "Ada: Start the configuration",
    ]
    assert nobody("config", "validate", str(tmp_path / "cs/default.yml"), WEYL_URL="").returncode == 0
