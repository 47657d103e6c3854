"""`weyl config` and the commands that write a configuration repository."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.cli.conftest import Program


def test_the_dump_is_the_whole_document(weyl: Program) -> None:
    document = json.loads(weyl("config", "dump", "-o", "json").stdout)
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
    (newest, *_) = json.loads(administrator("config", "history", "-n", "1", "-o", "json").stdout)
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


def newest(administrator: Program) -> str:
    (shown,) = json.loads(administrator("config", "history", "-n", "1", "-o", "json").stdout)
    return str(shown["Revision"])


def editor(program: Program, name: str, *lines: str) -> str:
    """Make an editor that appends a line, another one each time it is called."""
    script = "#!/bin/sh\n" + "".join(
        f"[ -e done{number} ] || {{ touch done{number}; {line}; exit; }}\n" for number, line in enumerate(lines)
    )
    program.file(name, script)
    (program.directory / name).chmod(0o755)
    return str(program.directory / name)


def test_changing_is_for_administrators_of_the_configuration(weyl: Program) -> None:
    weyl.file("new.yml", "DIRAC: {}\nRegistry: {}\n")
    assert weyl("config", "apply", "new.yml", "-m", "x", "--yes").returncode == 5
    assert weyl("config", "revert", "HEAD", "--yes").returncode == 5
    assert weyl("config", "edit", "-m", "x", EDITOR="true").returncode == 5


def test_a_file_is_applied_after_a_look_at_it_and_taken_back(weyl_as: Callable[..., Program]) -> None:
    administrator = weyl_as("alice", group="cs")
    before = newest(administrator)
    text = json.loads(administrator("api", "GET", "/api/config/revisions/newest", "-o", "json").stdout)["Text"]
    administrator.file("new.yml", text + "\n# applied\n")
    words = ("config", "apply", "new.yml", "-m", "Say that it is applied")
    tried = administrator(*words, "--dry-run", "-o", "json")
    assert "+# applied" in json.loads(tried.stdout)["diff"]
    unasked = administrator(*words)
    assert (unasked.returncode, newest(administrator)) == (2, before)
    stale = administrator(*words, "--base", "0" * 40, "--yes")
    assert stale.returncode == 3
    assert administrator(*words, "--yes").returncode == 0
    (shown,) = json.loads(administrator("config", "history", "-n", "1", "-o", "json").stdout)
    assert (shown["Message"], shown["Author"]) == ("Say that it is applied", "alice <alice@voa>")
    late = administrator(*words, "--base", before, "--yes")
    assert late.returncode == 10
    assert "is no longer its newest revision" in late.stderr
    assert administrator("config", "revert", before, "--yes").returncode == 0
    (shown,) = json.loads(administrator("config", "history", "-n", "1", "-o", "json").stdout)
    assert shown["Message"].startswith(f"Revert to {before[:12]}")
    assert "Nothing was changed" in administrator("config", "revert", before, "--yes").stderr


def test_faults_of_a_file_are_told_by_line(weyl_as: Callable[..., Program]) -> None:
    administrator = weyl_as("alice", group="cs")
    administrator.file("bad.yml", "DIRAC: {}\nRegistri: {}\n")
    refused = administrator("config", "apply", "bad.yml", "-m", "x", "--yes")
    assert refused.returncode == 10
    assert "line 2: Registri: is not known here; did you mean Registry?" in refused.stderr


def test_what_is_edited_is_committed(weyl_as: Callable[..., Program]) -> None:
    administrator = weyl_as("alice", group="cs")
    with_line = editor(administrator, "editor", 'echo "# edited" >> "$1"')
    done = administrator("config", "edit", "-m", "Edit it", "--yes", EDITOR=with_line)
    assert done.returncode == 0, done.stderr
    assert "# edited" in administrator("config", "diff").stdout
    assert "Nothing was changed" in administrator("config", "edit", "-m", "x", EDITOR="true").stderr


def test_what_was_typed_is_never_lost(weyl_as: Callable[..., Program]) -> None:
    administrator = weyl_as("alice", group="cs")
    before = newest(administrator)
    wrong = editor(
        administrator, "editor", "printf 'DIRAC: {}\\nRegistri: {}\\n' > \"$1\"", 'echo "Registry: {}" > "$1"'
    )
    refused = administrator("config", "edit", "-m", "x", "--yes", EDITOR=wrong)
    assert refused.returncode == 10
    assert "line 2: Registri" in refused.stderr
    draft = refused.stderr.rpartition("--draft ")[2].strip()
    assert Path(draft).read_text() == "DIRAC: {}\nRegistri: {}\n"
    assert Path(draft).stat().st_mode & 0o077 == 0
    for broken in ("false", "/nowhere/editor"):
        ended = administrator("config", "edit", "--draft", draft, EDITOR=broken)
        assert (ended.returncode, draft in ended.stderr) == (2, True)
    unreachable = administrator("config", "edit", "--draft", draft, EDITOR="true", WEYL_URL="http://127.0.0.1:1")
    assert unreachable.returncode == 6
    assert Path(draft).exists()
    assert newest(administrator) == before
