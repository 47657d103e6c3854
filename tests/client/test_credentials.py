"""The login on disk: its form, its mode, and its lock."""

import json
import stat
import threading
from dataclasses import replace

import pytest

from weyl.client.credentials import CredentialFile, TokenSet, claims_of
from weyl.client.environment import credentials_path, load_dotenv, server_url, variable
from weyl.client.errors import UsageFault

TOKENS = TokenSet("access", "refresh", 1234567890)


def test_the_file_has_the_form_that_the_peer_reads_and_is_private(tmp_path) -> None:
    file = CredentialFile(tmp_path / "deep" / "credentials.json")
    file.save(TOKENS)
    assert json.loads(file.path.read_text()) == {
        "access_token": "access",
        "refresh_token": "refresh",
        "expires_on": 1234567890,
    }
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert file.load() == TOKENS


def test_the_key_of_a_refresh_under_way_is_kept_and_goes_with_it(tmp_path) -> None:
    file = CredentialFile(tmp_path / "c.json")
    file.save(replace(TOKENS, refresh_key="k"))
    assert file.load() == replace(TOKENS, refresh_key="k")
    file.save(TOKENS)
    assert "refresh_key" not in file.path.read_text()


def test_a_shorter_login_leaves_nothing_of_the_longer_one(tmp_path) -> None:
    file = CredentialFile(tmp_path / "c.json")
    file.save(TokenSet("a" * 1000, "b" * 1000, 1))
    file.save(TOKENS)
    assert file.load() == TOKENS


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"nonsense", b'{"access_token": 1}', b"\xff\xfe"])
def test_a_file_that_is_not_a_login_is_no_login(tmp_path, content: bytes) -> None:
    path = tmp_path / "c.json"
    path.write_bytes(content)
    assert CredentialFile(path).load() is None


def test_no_file_is_no_login_and_cannot_be_locked(tmp_path) -> None:
    file = CredentialFile(tmp_path / "c.json")
    assert file.load() is None
    assert not file.delete()
    with pytest.raises(FileNotFoundError):
        file.try_lock()


def test_only_one_at_a_time_holds_the_lock(tmp_path) -> None:
    file = CredentialFile(tmp_path / "c.json")
    file.save(TOKENS)
    lock = file.try_lock()
    assert lock is not None
    assert file.try_lock() is None
    lock.save(TokenSet("new", "refresh", 2))
    lock.release()
    again = file.try_lock()
    assert again is not None
    assert again.load() == TokenSet("new", "refresh", 2)
    again.release()


def test_a_login_waits_for_a_refresh_under_way(tmp_path) -> None:
    file = CredentialFile(tmp_path / "c.json")
    file.save(TOKENS)
    lock = file.try_lock()
    assert lock is not None
    writer = threading.Thread(target=file.save, args=(TokenSet("login", "r", 3),))
    writer.start()
    lock.save(TokenSet("refreshed", "r", 2))
    lock.release()
    writer.join(10)
    assert file.load() == TokenSet("login", "r", 3)


def test_fifteen_seconds_are_taken_off() -> None:
    assert TokenSet.from_answer({"access_token": "a", "expires_in": 1200, "refresh_token": "r"}, 1000.9) == TokenSet(
        "a", "r", 2185
    )


@pytest.mark.parametrize("token", ["", "a.b", "a.!.c", "a.W10.c"])
def test_claims_of_nonsense_are_empty(token: str) -> None:
    assert claims_of(token) == {}


def test_variables_fall_back_to_those_of_the_peer() -> None:
    assert variable("URL", {"DIRACX_URL": "https://x"}) == "https://x"
    assert variable("URL", {"DIRACX_URL": "https://x", "WEYL_URL": "https://y"}) == "https://y"
    assert variable("URL", {"WEYL_URL": ""}) is None


def test_a_missing_address_says_which_variable_and_where_to_get_it() -> None:
    with pytest.raises(UsageFault) as fault:
        server_url({})
    assert "WEYL_URL" in fault.value.hint
    with pytest.raises(UsageFault):
        server_url({"WEYL_URL": "weyl.test"})
    assert server_url({"WEYL_URL": "https://weyl.test/"}) == "https://weyl.test"


def test_each_profile_has_its_file(tmp_path) -> None:
    environ = {"XDG_CACHE_HOME": str(tmp_path)}
    assert credentials_path(None, environ) == tmp_path / "weyl" / "credentials.json"
    assert credentials_path("work", environ) == tmp_path / "weyl" / "credentials-work.json"
    shared = environ | {"DIRACX_CREDENTIALS_PATH": str(tmp_path / "peer.json")}
    assert credentials_path(None, shared) == tmp_path / "peer.json"
    with pytest.raises(UsageFault):
        credentials_path("../x", environ)


def test_a_dotenv_file_fills_in_what_is_not_set(tmp_path) -> None:
    path = tmp_path / ".env"
    path.write_text("# comment\nexport WEYL_URL='https://from.file'\nOTHER=1\nnonsense\n")
    environ = {"WEYL_DOTENV": str(path), "OTHER": "2"}
    load_dotenv(environ)
    assert environ["WEYL_URL"] == "https://from.file"
    assert environ["OTHER"] == "2"
    with pytest.raises(UsageFault):
        load_dotenv({"WEYL_DOTENV": str(tmp_path / "absent")})
