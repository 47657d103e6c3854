"""Secrets for computing elements: read from files, anew each time, and never if everybody could read them."""

from pathlib import Path

import pytest

from weyl.remote.credential_files import credentials_of
from weyl.remote.credentials import Capability, CredentialKind
from weyl.remote.errors import RemoteError

TOKEN, KEY, PASSWORD = CredentialKind.BEARER_TOKEN, CredentialKind.SSH_KEY, CredentialKind.PASSWORD


def write(path: Path, content: str, mode: int = 0o600) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(content)
    path.chmod(mode)


async def test_the_first_kind_that_is_there_is_used(tmp_path: Path) -> None:
    write(tmp_path / "ours" / "password", "hush\n")
    found = await credentials_of(tmp_path, "ours").get("ssh://node", (KEY, PASSWORD))
    assert found is not None
    assert (found.kind, found.text) == (PASSWORD, "hush")
    assert "hush" not in repr(found)
    assert await credentials_of(tmp_path, "ours").get("ssh://node", (KEY,)) is None


async def test_a_token_for_the_scope_goes_before_one_for_all(tmp_path: Path) -> None:
    write(tmp_path / "ours" / "token", "all")
    write(tmp_path / "ours" / "token.compute.cancel", "cancel")
    provider = credentials_of(tmp_path, "ours")
    for capability, expected in ((Capability.CANCEL, "cancel"), (Capability.READ, "all")):
        found = await provider.get("https://ce", (TOKEN,), {capability})
        assert found is not None
        assert found.text == expected


async def test_a_renewed_secret_is_seen_at_once(tmp_path: Path) -> None:
    provider = credentials_of(tmp_path, "ours")
    for content in ("old", "new"):
        write(tmp_path / "ours" / "token", content)
        found = await provider.get("https://ce", (TOKEN,))
        assert found is not None
        assert found.text == content


@pytest.mark.parametrize(("content", "mode"), [("hush", 0o644), ("hush", 0o602), ("", 0o600), ("x" * 1_048_577, 0o600)])
async def test_what_is_open_to_all_or_no_secret_is_refused(tmp_path: Path, content: str, mode: int) -> None:
    write(tmp_path / "ours" / "token", content, mode)
    with pytest.raises(RemoteError, match="token"):
        await credentials_of(tmp_path, "ours").get("https://ce", (TOKEN,))


async def test_a_name_without_its_directory_is_told(tmp_path: Path) -> None:
    with pytest.raises(RemoteError, match="theirs"):
        await credentials_of(tmp_path, "theirs").get("https://ce", (TOKEN,))


async def test_without_a_name_there_are_none(tmp_path: Path) -> None:
    assert await credentials_of(tmp_path, None).get("https://ce", (TOKEN,)) is None


@pytest.mark.parametrize("name", ["..", ".", "../other", "a/b"])
def test_a_name_never_leads_elsewhere(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="no name"):
        credentials_of(tmp_path, name)


def test_a_name_needs_the_setting() -> None:
    with pytest.raises(ValueError, match="WEYL_CREDENTIALS_DIRECTORY"):
        credentials_of(None, "ours")
