"""Logging in, asking who one is, and logging out with `dirac` (flows 1 to 5 and 31)."""

import json
import re
import stat
import time

import pytest

from tests.compat.clients import People, Person
from tests.compat.installation import OUTSIDER
from weyl.demo.browser import walk_through_forms

pytestmark = pytest.mark.xdist_group("compat")


def dirac_login(person: Person, user: str, *arguments: str) -> tuple[int, str]:
    """Run `dirac login`, press the buttons in the browser as `user`; returns the exit code and all output."""
    with person.start("login", *arguments, PYTHONUNBUFFERED="1") as process:
        assert process.stdout is not None
        said = ""
        for line in process.stdout:
            said += line
            if match := re.search(r"https?://\S+user_code=\S+", said):
                walk_through_forms(match[0], {"login": user, "password": user})
                break
        out, err = process.communicate(timeout=60)
    return process.returncode, said + out + err


def test_a_login_ends_with_a_private_file_of_three_keys(people: People) -> None:
    person = people.stranger()
    code, output = dirac_login(person, "alice", "voa", "--group", "user")
    assert code == 0, output
    assert "Login successful!" in output
    assert stat.S_IMODE(person.credentials.stat().st_mode) == 0o600
    assert person.tokens.keys() == {"access_token", "refresh_token", "expires_on"}
    assert abs(person.tokens["expires_on"] - time.time() - 1185) <= 60


def test_without_a_group_one_gets_the_default_group(people: People) -> None:
    person = people.stranger()
    assert "DIRACX_CREDENTIALS_PATH" not in person.variables
    code, output = dirac_login(person, "alice", "vob")
    assert code == 0, output
    assert person.dirac_json("whoami")["dirac_group"] == "user"


@pytest.mark.parametrize("arguments", [(), ("nowhere",)])
def test_a_login_without_a_known_vo_is_refused_and_lists_the_vos(people: People, arguments: tuple[str, ...]) -> None:
    done = people.stranger().dirac("login", *arguments)
    assert done.returncode != 0
    assert "voa vob" in done.stderr


@pytest.mark.parametrize(
    ("user", "arguments"),
    [
        (OUTSIDER, ("voa", "--group", "user")),
        ("alice", ("voa", "--group", "user", "--property", "Operator")),
        ("nobody", ("voa", "--group", "user")),
    ],
    ids=["group without me", "property of nobody", "not registered"],
)
def test_a_login_for_more_than_one_has_fails_with_403(people: People, user: str, arguments: tuple[str, ...]) -> None:
    person = people.stranger()
    code, output = dirac_login(person, user, *arguments)
    assert code != 0
    assert "Login successful!" not in output
    assert "403" in output or "Forbidden" in output
    assert not person.credentials.exists()


def test_a_property_of_another_group_of_mine_comes_into_the_token(people: People) -> None:
    person = people.stranger()
    code, output = dirac_login(person, "alice", "voa", "--group", "user", "--property", "JobAdministrator")
    assert code == 0, output
    assert person.dirac_json("whoami")["properties"] == ["JobAdministrator", "NormalUser"]


def test_whoami_tells_who_one_is(admin: Person) -> None:
    who = admin.dirac_json("whoami")
    assert {"sub", "vo", "dirac_group", "policies", "properties", "preferred_username"} <= who.keys()
    assert (who["vo"], who["dirac_group"], who["preferred_username"]) == ("voa", "admin", "alice")
    assert sorted(who["properties"]) == ["JobAdministrator", "NormalUser", "ProxyManagement"]
    assert who["sub"].startswith("voa:")


def test_after_a_logout_the_file_is_gone_and_the_login_dead(people: People) -> None:
    person = people.newly_logged_in()
    tokens = person.tokens
    done = person.dirac("logout")
    assert done.returncode == 0
    assert "Logout successful!" in done.stdout
    assert not person.credentials.exists()
    form = {"grant_type": "refresh_token", "client_id": "myDIRACClientID", "refresh_token": tokens["refresh_token"]}
    answer = people.stranger().http.post("/api/auth/token", data=form)
    assert answer.status_code == 401
    assert "detail" in answer.json()
    hint = person.dirac("whoami")
    assert hint.returncode == 0
    assert "dirac login" in hint.stdout
    assert "sub" not in hint.stdout


def test_a_server_that_cannot_be_reached_gives_a_hint(people: People) -> None:
    done = people("alice").dirac("whoami", DIRACX_URL="http://127.0.0.1:1")
    assert done.returncode == 0
    assert "configure a valid DiracX server" in done.stdout
    with pytest.raises(json.JSONDecodeError):
        json.loads(done.stdout)
