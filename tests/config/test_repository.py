"""The repository, the store over it and the commands that write it, on a real git repository."""

import asyncio
import os
import shutil
from pathlib import Path

import pytest
from tests.config.conftest import ADA, GitServer

from weyl.config.administration import (
    change_repository,
    create_repository,
    empty_document,
    render,
    with_group,
    with_user,
    with_vo,
)
from weyl.config.drivers.git import FILE_NAME, GitRepository
from weyl.config.errors import (
    AlreadyConfigured,
    BadRepositoryUrl,
    ConfigNotLoaded,
    InvalidConfig,
    NotConfigured,
    RepositoryFailed,
    RevisionNotFound,
)
from weyl.config.path import find
from weyl.config.policy import ConfigReader
from weyl.config.service import ConfigStore


def store_of(repository: GitRepository, **options: float) -> ConfigStore:
    return ConfigStore(f"git+file://{repository.directory}", **options)


@pytest.mark.parametrize(
    "url",
    ["/srv/config", "file:///srv/config", "git+ssh://host/x", "git+http://h/x", "git+file:///x?revision=--upload-pack"],
)
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(BadRepositoryUrl):
        GitRepository(url)


async def test_a_repository_that_is_not_there_is_a_warning_and_503(tmp_path: Path) -> None:
    store = ConfigStore(f"git+file://{tmp_path}/none")
    await store.refresh()
    with pytest.raises(ConfigNotLoaded, match="does not exist"):
        store.current()
    assert store.warnings


async def test_a_password_in_the_url_is_not_told(tmp_path: Path) -> None:
    repository = GitRepository("git+https://user:hunter2@127.0.0.1:1/cs.git", mirror=tmp_path)
    with pytest.raises(RepositoryFailed) as caught:
        await repository.head()
    assert "127.0.0.1:1" in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("revision", ["nowhere", "--help", "a..b", "HEAD:x", ""])
async def test_unknown_and_dangerous_revisions_are_not_found(repository: GitRepository, revision: str) -> None:
    with pytest.raises(RevisionNotFound):
        await repository.read(revision)


async def test_the_newest_revision_is_served(repository: GitRepository) -> None:
    store = store_of(repository)
    await store.refresh()
    snapshot = store.current()
    assert snapshot.revision == await repository.head()
    assert set(snapshot.config.registry) == {"voa"}
    assert snapshot.modified.tzinfo is not None
    assert store.warnings == []


async def test_a_bad_revision_is_kept_out_while_the_last_good_one_serves(repository: GitRepository) -> None:
    store = store_of(repository)
    await store.refresh()
    good = store.current().revision
    await repository.write("DIRAC: {}\nRegistry: []\n", message="Break it", author=ADA)
    await store.refresh()
    assert store.current().revision == good
    (warning,) = store.warnings
    assert "line 2: Registry: must be a mapping" in warning
    await repository.write(render(empty_document()), message="Repair it", author=ADA)
    await store.refresh()
    assert store.current().config.registry == {}
    assert store.warnings == []
    assert store.current().revision != good


async def test_a_process_that_starts_at_a_bad_revision_looks_back_for_a_good_one(repository: GitRepository) -> None:
    good = await repository.head()
    await repository.write("nonsense: 1\n", message="Break it", author=ADA)
    store = store_of(repository)
    await store.refresh()
    assert store.current().revision == good
    assert store.warnings


async def test_a_process_that_starts_waits_for_a_slow_repository(
    repository: GitRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, is_open, program = tmp_path / "gate", tmp_path / "open", tmp_path / "bin" / "git"
    os.mkfifo(gate)
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\n[ -e {is_open} ] || cat {gate}\nexec {shutil.which("git")} "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    store, loop = store_of(repository), asyncio.get_running_loop()
    starting = asyncio.create_task(store.start())
    with await asyncio.to_thread(gate.open, "w"):
        clock = loop.time
        monkeypatch.setattr(loop, "time", lambda: clock() + 30)
        done, _ = await asyncio.wait([starting], timeout=0.1)
        is_open.touch()
    await starting
    assert not done
    assert store.current().config.registry.keys() == {"voa"}
    await store.stop()


async def test_a_revision_without_the_file_is_a_warning(repository: GitRepository) -> None:
    store = store_of(repository)
    await store.refresh()
    await repository._run("mv", FILE_NAME, "other.yml")
    await repository._run("-c", "user.name=a", "-c", "user.email=b", "commit", "-qm", "Move it away")
    await store.refresh()
    assert store.current().config.registry
    assert "has no file default.yml" in store.warnings[0]


async def test_another_branch_is_named_in_the_url(repository: GitRepository) -> None:
    await repository._run("branch", "next")
    await repository.write(render(empty_document()), message="Empty it", author=ADA)
    store = ConfigStore(f"git+file://{repository.directory}?revision=next")
    await store.refresh()
    assert set(store.current().config.registry) == {"voa"}


async def test_a_remote_repository_is_followed_and_outlived(repository: GitRepository, https_server: GitServer) -> None:
    url, root = https_server.url, https_server.root

    async def publish() -> None:
        await repository._run("clone", "--quiet", "--bare", ".", str(root / "next.git"))
        await repository._run("--git-dir", str(root / "next.git"), "update-server-info")
        shutil.rmtree(root / "cs.git", ignore_errors=True)
        (root / "next.git").rename(root / "cs.git")

    await publish()
    store = ConfigStore(f"git+{url}/cs.git")
    await store.refresh()
    assert store.current().revision == await repository.head()
    await repository.write(render(empty_document()), message="Empty it", author=ADA)
    await publish()
    await store.refresh()
    assert store.current().config.registry == {}
    shutil.rmtree(root / "cs.git")
    await store.refresh()
    assert store.current().config.registry == {}
    assert "The configuration repository https://127.0.0.1" in store.warnings[0]
    await store.stop()


async def test_history_and_diff_tell_who_changed_what(repository: GitRepository) -> None:
    store = store_of(repository)
    reader = ConfigReader("voa:x")
    newest, oldest = await store.history(reader, limit=10)
    assert (newest.message, newest.author) == ("Add voa", "Ada <ada@example.org>")
    assert "+  voa:" in await store.diff(reader, None, None)
    assert "-  voa:" in await store.diff(reader, newest.revision, oldest.revision)
    assert "+DIRAC:" in await repository.diff(None, oldest.revision)


async def test_changes_are_not_mixed_with_what_somebody_has_not_committed(repository: GitRepository) -> None:
    (repository.directory / FILE_NAME).write_text("half done")
    with pytest.raises(RepositoryFailed, match="commit them first"):
        await repository.write("DIRAC: {}\nRegistry: {}\n", message="x", author=ADA)


async def test_a_repository_is_not_made_twice(repository: GitRepository) -> None:
    with pytest.raises(AlreadyConfigured):
        await create_repository(f"git+file://{repository.directory}", author=ADA)


async def test_a_change_that_would_break_the_configuration_is_not_committed(repository: GitRepository) -> None:
    before = await repository.head()
    with pytest.raises(InvalidConfig):
        await change_repository(
            f"git+file://{repository.directory}", lambda _: {"DIRAC": 3}, message="Break it", author=ADA
        )
    assert await repository.head() == before


def test_users_join_the_default_group_or_those_named() -> None:
    document = with_vo(empty_document(), "voa", default_group="user", idp_url="https://i", idp_client_id="c")
    document = with_group(document, "voa", group="admin", properties=["JobAdministrator"])
    document = with_user(document, "voa", subject="1", preferred_username="alice")
    document = with_user(document, "voa", subject="2", preferred_username="bob", groups=["admin", "user"])
    groups = document["Registry"]["voa"]["Groups"]
    assert groups["user"]["Users"] == ["1", "2"]
    assert groups["admin"] == {"Properties": ["JobAdministrator"], "Users": ["2"]}
    with pytest.raises(AlreadyConfigured):
        with_user(document, "voa", subject="1", preferred_username="eve")
    with pytest.raises(NotConfigured, match="no group nobody"):
        with_user(document, "voa", subject="3", preferred_username="eve", groups=["nobody"])
    with pytest.raises(NotConfigured, match="no VO vob"):
        with_group(document, "vob", group="x", properties=[])
    with pytest.raises(AlreadyConfigured):
        with_vo(document, "voa", default_group="user", idp_url="x", idp_client_id="c")


def test_a_path_finds_names_that_hold_dots() -> None:
    document = {"Sites": {"LCG.CERN.ch": {"CEs": {"a": 1}}, "LCG": 2}}
    assert find(document, "Sites.LCG.CERN.ch.CEs.a") == 1
    assert find(document, "Sites/LCG") == 2
    assert find(document, "") == document
    with pytest.raises(NotConfigured, match="did you mean Sites"):
        find(document, "Site")
    with pytest.raises(NotConfigured, match="is a value"):
        find(document, "Sites.LCG.x")
