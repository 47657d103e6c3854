"""Two who write the same repository at once, repositories that take no changes, and passwords that nobody is shown."""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.config.conftest import ADA, GitServer

from weyl.config.administration import change_repository, with_vo
from weyl.config.drivers.git import FILE_NAME, GitRepository
from weyl.config.errors import (
    BadRepositoryUrl,
    ConfigChanged,
    InvalidConfig,
    RepositoryEmpty,
    RepositoryFailed,
    RepositoryReadOnly,
)
from weyl.config.policy import ConfigWriter
from weyl.config.revisions import ChangeOrder
from weyl.config.service import ConfigStore

PASSWORD = "hunter2-%/@"
QUOTED = "hunter2-%25%2F%40"
WRITER = ConfigWriter("voa:ada", name="ada", email="ada@voa", vo="voa", group="cs")
SMALL = "DIRAC: {}\nRegistry: {}\n"


def git(directory: Path, *arguments: str) -> str:
    """Run git as whoever keeps the repository would."""
    command = ["git", "-c", "user.name=x", "-c", "user.email=x@y", *arguments]
    return subprocess.run(command, cwd=directory, check=True, capture_output=True, text=True).stdout


def objects(directory: Path) -> str:
    """Return a list of everything in a repository, reached by a branch or not."""
    return git(directory, "cat-file", "--batch-check", "--batch-all-objects")


@pytest.fixture
async def bare(repository: GitRepository, tmp_path: Path) -> GitRepository:
    """A repository without a working tree."""
    git(tmp_path, "clone", "--quiet", "--bare", str(repository.directory), "bare.git")
    return GitRepository(f"git+file://{tmp_path}/bare.git")


@pytest.fixture
async def remote(repository: GitRepository, https_server: GitServer, tmp_path: Path) -> AsyncIterator[str]:
    """The URL of a repository behind HTTPS that its user may write."""
    git(tmp_path, "clone", "--quiet", "--bare", str(repository.directory), str(https_server.root / "cs.git"))
    https_server.writers["weyl"] = PASSWORD
    return f"git+https://weyl:{QUOTED}@{https_server.url.removeprefix('https://')}/cs.git"


async def race(*stores: ConfigStore) -> tuple[list[str], list[BaseException]]:
    """Let each change the configuration at once; returns the new revisions and the refusals."""
    base = (await stores[0].revision(WRITER, None)).revision
    orders = [
        ChangeOrder(base=base, document=f"{SMALL}# {number}\n", message=f"Change {number}")
        for number, _ in enumerate(stores)
    ]
    outcomes = await asyncio.gather(
        *(store.change(WRITER, order) for store, order in zip(stores, orders, strict=True)), return_exceptions=True
    )
    made = [each.revision or "" for each in outcomes if not isinstance(each, BaseException)]
    return made, [each for each in outcomes if isinstance(each, BaseException)]


async def test_of_two_servers_that_write_a_bare_repository_one_wins(bare: GitRepository) -> None:
    url = f"git+file://{bare.directory}"
    made, refused = await race(*(ConfigStore(url) for _ in range(4)))
    assert len(made) == 1
    assert [type(each) for each in refused] == [ConfigChanged] * 3
    assert await bare.head() == made[0]
    assert git(bare.directory, "rev-list", "--count", "master").strip() == "3"


async def test_of_two_servers_that_write_a_working_tree_one_wins_and_its_files_follow(
    repository: GitRepository,
) -> None:
    url = f"git+file://{repository.directory}"
    made, refused = await race(*(ConfigStore(url) for _ in range(4)))
    assert len(made) == 1
    assert [type(each) for each in refused] == [ConfigChanged] * 3
    assert git(repository.directory, "status", "--porcelain") == ""
    assert (repository.directory / FILE_NAME).read_text() == (await repository.read(made[0]))[1]


async def test_of_two_servers_that_push_one_wins(remote: str, https_server: GitServer, tmp_path: Path) -> None:
    stores = [ConfigStore(remote, mirror=tmp_path / f"mirror{number}") for number in range(3)]
    made, refused = await race(*stores)
    assert (len(made), [type(each) for each in refused]) == (1, [ConfigChanged] * 2)
    head = git(https_server.root / "cs.git", "rev-parse", "master").strip()
    assert head == made[0]
    assert git(https_server.root / "cs.git", "log", "-1", "--format=%an <%ae>").strip() == "ada <ada@voa>"


async def test_other_files_of_the_repository_stay(bare: GitRepository, repository: GitRepository) -> None:
    (repository.directory / "README").write_text("Ours\n")
    git(repository.directory, "add", "README")
    git(repository.directory, "commit", "-qm", "Say what this is")
    head = await repository.head()
    revision = await repository.commit(SMALL, base=head, message="Empty it", author=ADA)
    assert git(repository.directory, "show", f"{revision}:README") == "Ours\n"
    assert git(repository.directory, "show", "--name-only", "--format=", revision).split() == [FILE_NAME]


async def test_what_is_refused_leaves_nothing_behind(bare: GitRepository, remote: str, https_server: GitServer) -> None:
    store = ConfigStore(f"git+file://{bare.directory}")
    await store.refresh()
    base = store.current().revision
    before = objects(bare.directory)
    with pytest.raises(InvalidConfig):
        await store.change(WRITER, ChangeOrder(base=base, document="DIRAC: 3\n", message="Break it"))
    with pytest.raises(ConfigChanged):
        await store.change(WRITER, ChangeOrder(base="0" * 40, document=SMALL, message="Late"))
    tried = await store.change(WRITER, ChangeOrder(base=base, document=SMALL, dry_run=True))
    assert "-  voa:" in tried.diff
    assert tried.revision is None
    assert objects(bare.directory) == before
    hook = https_server.root / "cs.git" / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\necho 'policy says no' >&2\nexit 1\n")
    hook.chmod(0o755)
    before, pushing = objects(https_server.root / "cs.git"), ConfigStore(remote, mirror=https_server.root / "mirror")
    await pushing.refresh()
    with pytest.raises(RepositoryReadOnly, match="pre-receive hook declined"):
        await pushing.change(WRITER, ChangeOrder(base=base, document=SMALL, message="x"))
    assert objects(https_server.root / "cs.git") == before
    assert (await pushing.revision(WRITER, None)).revision == base


async def test_a_server_that_takes_no_changes_is_named(
    repository: GitRepository, https_server: GitServer, tmp_path: Path
) -> None:
    git(tmp_path, "clone", "--quiet", "--bare", str(repository.directory), str(https_server.root / "cs.git"))
    git(https_server.root / "cs.git", "update-server-info")
    store = ConfigStore(f"git+{https_server.url}/cs.git", mirror=tmp_path / "mirror")
    await store.refresh()
    base = store.current().revision
    with pytest.raises(RepositoryReadOnly, match="takes no changes from this server"):
        await store.change(WRITER, ChangeOrder(base=base, document=SMALL, message="x"))


async def test_an_empty_repository_says_so(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet", "--bare", "empty.git")
    store = ConfigStore(f"git+file://{tmp_path}/empty.git")
    await store.refresh()
    assert "is empty: commit a default.yml on the branch master" in store.warnings[0]
    with pytest.raises(RepositoryEmpty):
        await store.history(WRITER, limit=1)


async def test_a_bare_repository_takes_its_first_commit_and_commands(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet", "--bare", "cs.git")
    repository = GitRepository(f"git+file://{tmp_path}/cs.git")
    await repository.write(SMALL, message="Start", author=ADA)
    await change_repository(
        f"git+file://{tmp_path}/cs.git",
        lambda document: with_vo(document, "voa", default_group="user", idp_url="https://i", idp_client_id="c"),
        message="Add voa",
        author=ADA,
    )
    assert [each.message for each in await repository.history(5)] == ["Add voa", "Start"]


async def test_a_working_tree_that_somebody_edits_is_left_alone(repository: GitRepository) -> None:
    head = await repository.head()
    (repository.directory / FILE_NAME).write_text("half done")
    with pytest.raises(RepositoryFailed, match="not committed"):
        await repository.commit(SMALL, base=head, message="x", author=ADA)
    assert await repository.head() == head
    assert (repository.directory / FILE_NAME).read_text() == "half done"


@pytest.mark.parametrize("url", ["git+ssh://weyl:hunter2@host/x", "git+http://weyl:hunter2@h/x"])
def test_a_bad_url_is_told_without_its_password(url: str) -> None:
    with pytest.raises(BadRepositoryUrl) as caught:
        GitRepository(url)
    assert "hunter2" not in str(caught.value)


async def test_a_password_is_given_to_its_host_only_and_never_shown(
    remote: str, https_server: GitServer, tmp_path: Path
) -> None:
    repository = GitRepository(remote, mirror=tmp_path / "mirror")
    await repository.head()
    assert "hunter2" not in repository._name
    https_server.writers["weyl"] = "changed"
    with pytest.raises(RepositoryFailed) as caught:
        await repository.head()
    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in "".join(path.read_text() for path in (tmp_path / "mirror").glob("*") if path.is_file())
