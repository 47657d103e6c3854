"""The git repository that holds the configuration, reached through the `git` program."""

import asyncio
import contextlib
import fcntl
import os
import re
import subprocess
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit, urlunsplit

from weyl.config.errors import (
    BadRepositoryUrl,
    ConfigChanged,
    RepositoryEmpty,
    RepositoryFailed,
    RepositoryReadOnly,
    RevisionNotFound,
)

FILE_NAME = "default.yml"
DEFAULT_BRANCH = "master"
EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"

_REVISION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./-]*", re.ASCII)
_USERINFO = re.compile(r"//[^/@\s]*@")
_FIELDS = "%H%x00%cI%x00%an <%ae>%x00%s"
# Whoever may write the repository must not reach more than the repository: no hooks, no other transports.
_OPTIONS = (
    *("-c", "safe.directory=*"),
    *("-c", "core.hooksPath=/dev/null"),
    *("-c", "protocol.allow=never"),
    *("-c", "protocol.https.allow=always"),
    *("-c", "protocol.file.allow=always"),
    *("-c", "core.quotePath=false"),
)


@dataclass(frozen=True, slots=True)
class Change:
    """One commit of the configuration."""

    revision: str
    at: datetime
    author: str
    message: str


@dataclass(frozen=True, slots=True)
class Author:
    """Under whose name a change is committed."""

    name: str
    email: str


class GitRepository:
    """One branch of a repository named by a `git+file://` or `git+https://` URL, with `?revision=` for another branch.

    A local repository is read in place. A remote one is mirrored into `mirror`; only `head` and `commit` talk to its
    server.
    """

    def __init__(self, url: str, *, mirror: Path | None = None, timeout_s: float = 30) -> None:
        scheme, _, rest = url.partition("+")
        parts = urlsplit(rest)
        if scheme != "git" or parts.scheme not in ("file", "https"):
            shown = without_secrets(url)
            raise BadRepositoryUrl(f"{shown!r} is no repository: write git+file:///PATH or git+https://HOST/PATH")
        self.branch = parse_qs(parts.query).get("revision", [DEFAULT_BRANCH])[0]
        if not _REVISION.fullmatch(self.branch):
            raise BadRepositoryUrl(f"{self.branch!r} is no name of a branch")
        self.is_local = parts.scheme == "file"
        # The URL may hold a password: neither messages nor the list of processes may show it.
        self._name = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
        self._login, self._secrets = _login(parts)
        self._timeout_s = timeout_s
        if self.is_local:
            self.directory = Path(unquote(parts.path))
        elif mirror is None:
            raise BadRepositoryUrl("A remote repository needs a directory for its mirror")
        else:
            self.directory = mirror

    async def head(self) -> str:
        """Return the newest commit of the branch; a remote repository is fetched for it."""
        if not self.is_local:
            await self._fetch()
        return await self._resolve(self.branch)

    async def read(self, revision: str) -> tuple[Change, str]:
        """Return a commit and the text of the configuration in it."""
        commit = await self._resolve(revision)
        line = await self._run("log", "-1", f"--format={_FIELDS}", commit)
        try:
            text = await self._run("show", f"{commit}:{FILE_NAME}")
        except RepositoryFailed as error:
            raise RevisionNotFound(f"Revision {commit[:12]} has no file {FILE_NAME}") from error
        return _change(line.rstrip("\n")), text

    async def history(self, limit: int, *, before: str | None = None) -> list[Change]:
        """Return the newest `limit` commits that changed the configuration, newest first, or those before one."""
        commit = await self._resolve(before or self.branch)
        first = ("--skip=1",) if before else ()
        lines = await self._run("log", f"-{limit:d}", *first, f"--format={_FIELDS}", commit, "--", FILE_NAME)
        return [_change(line) for line in lines.splitlines()]

    async def diff(self, old: str | None, new: str | None) -> str:
        """Return the difference between two revisions; by default what the newest commit changed."""
        newer = await self._resolve(new or self.branch)
        older = await (self._resolve(old) if old else self._parent(newer))
        return await self._run("diff", "--no-color", "--no-ext-diff", older, newer, "--", FILE_NAME)

    async def diff_with(self, text: str, *, base: str) -> str:
        """Return the difference that committing `text` on top of `base` would make."""
        async with self._staged(text, base, is_trial=True) as environment:
            arguments = ("diff", "--cached", "--no-color", "--no-ext-diff", base, "--", FILE_NAME)
            return await self._run(*arguments, environment=environment)

    async def create(self) -> None:
        """Make an empty local repository with a working tree; one that is there already is left as it is."""
        self.directory.mkdir(parents=True, exist_ok=True)
        await self._run("init", "--quiet", f"--initial-branch={self.branch}")

    async def write(self, text: str, *, message: str, author: Author) -> str:
        """Commit `text` on top of whatever is the newest; returns the commit."""
        try:
            base = await self.head()
        except RepositoryEmpty:
            base = None
        return await self.commit(text, base=base, message=message, author=author)

    async def commit(self, text: str, *, base: str | None, message: str, author: Author) -> str:
        """Commit `text` on top of `base` and make that the newest; raises `ConfigChanged` if another was quicker.

        The branch moves from `base` in one step or not at all: of two that write at once, one wins.
        """
        commit = await self._make_commit(text, base=base, message=message, author=author)
        if self.is_local:
            await self._advance(commit, base)
        else:
            await self._push(commit, base)
        return commit

    async def _make_commit(self, text: str, *, base: str | None, message: str, author: Author) -> str:
        """Write a commit that no branch has yet."""
        identity = {
            f"GIT_{role}_{part}": value
            for role in ("AUTHOR", "COMMITTER")
            for part, value in (("NAME", author.name), ("EMAIL", author.email))
        }
        try:
            async with self._staged(text, base) as environment:
                tree = (await self._run("write-tree", environment=environment)).strip()
            parents = ("-p", base) if base else ()
            return (await self._run("commit-tree", tree, *parents, stdin=message, environment=identity)).strip()
        except RepositoryFailed as error:
            raise self._read_only(error) from error

    @contextlib.asynccontextmanager
    async def _staged(self, text: str, base: str | None, *, is_trial: bool = False) -> AsyncIterator[dict[str, str]]:
        """Put `text` over the files of `base` in an index of its own; a trial leaves no trace in the repository."""
        with tempfile.TemporaryDirectory(prefix="weyl-index-") as directory:
            environment = {"GIT_INDEX_FILE": f"{directory}/index"}
            if is_trial:
                objects = await self._run("rev-parse", "--path-format=absolute", "--git-path", "objects")
                await asyncio.to_thread(os.mkdir, f"{directory}/objects")
                environment |= {
                    "GIT_OBJECT_DIRECTORY": f"{directory}/objects",
                    "GIT_ALTERNATE_OBJECT_DIRECTORIES": objects.strip(),
                }
            blob = await self._run("hash-object", "-w", "--stdin", stdin=text, environment=environment)
            if base:
                await self._run("read-tree", base, environment=environment)
            entry = f"100644,{blob.strip()},{FILE_NAME}"
            await self._run("update-index", "--add", "--cacheinfo", entry, environment=environment)
            yield environment

    async def _advance(self, commit: str, base: str | None) -> None:
        """Move the branch of a local repository, and the files of its working tree if it has one."""
        if not (self.directory / ".git").exists():
            await self._move_branch(commit, base)
            return
        async with self._locked_tree():
            is_checked_out = (await self._run("symbolic-ref", "--short", "HEAD")).strip() == self.branch
            if is_checked_out and await self._run("status", "--porcelain", "--", FILE_NAME):
                raise RepositoryFailed(
                    f"{self.directory / FILE_NAME} has changes that are not committed; commit them first, or take "
                    f"them back with git restore --staged --worktree {FILE_NAME}"
                )
            await self._move_branch(commit, base)
            if is_checked_out:
                await self._run("read-tree", "-m", "-u", *([base] if base else []), commit)

    async def _move_branch(self, commit: str, base: str | None) -> None:
        try:
            await self._run("update-ref", f"refs/heads/{self.branch}", commit, base or "")
        except RepositoryFailed as error:
            await self._must_be_newest(base)
            raise self._read_only(error) from error

    @contextlib.asynccontextmanager
    async def _locked_tree(self) -> AsyncIterator[None]:
        """Let one at a time change the working tree; the lock ends with the process."""
        git_directory = (await self._run("rev-parse", "--absolute-git-dir")).strip()
        try:
            descriptor = os.open(f"{git_directory}/weyl.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise self._read_only(RepositoryFailed(str(error))) from error
        try:
            await asyncio.to_thread(fcntl.flock, descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    async def _push(self, commit: str, base: str | None) -> None:
        """Move the branch on the server; its own check decides who was first."""
        branch = f"refs/heads/{self.branch}"
        lease = f"--force-with-lease={branch}:{base or ''}"
        try:
            await self._run("push", "--quiet", "--no-verify", lease, self._name, f"{commit}:{branch}")
        except RepositoryFailed as error:
            # The answer may have been lost on its way, too.
            if await self._newest() != commit:
                await self._must_be_newest(base)
                raise self._read_only(error) from error

    async def _must_be_newest(self, base: str | None) -> None:
        newest = await self._newest()
        if newest is not None and newest != base:
            raise ConfigChanged(base, newest)

    async def _newest(self) -> str | None:
        with contextlib.suppress(RepositoryEmpty):
            return await self.head()
        return None

    def _read_only(self, error: RepositoryFailed) -> RepositoryReadOnly:
        return RepositoryReadOnly(
            f"{error.detail}. Nothing was changed: the repository takes no changes from this server. Commit where it "
            "is kept, or let the account of this server write it"
        )

    async def _fetch(self) -> None:
        if not (self.directory / "HEAD").exists():
            self.directory.mkdir(parents=True, exist_ok=True)
            await self._run("init", "--quiet", "--bare")
        await self._run("fetch", "--quiet", "--prune", "--force", self._name, "+refs/heads/*:refs/heads/*")

    async def _parent(self, commit: str) -> str:
        try:
            return await self._resolve(f"{commit}^")
        except RevisionNotFound:
            return EMPTY_TREE

    async def _resolve(self, revision: str) -> str:
        if not _REVISION.fullmatch(revision.removesuffix("^")):
            raise RevisionNotFound(f"{revision!r} is no name of a revision")
        try:
            return (await self._run("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")).strip()
        except RepositoryFailed as error:
            if not self.directory.exists():
                raise
            if not (await self._run("rev-list", "--all", "--max-count=1")).strip():
                raise RepositoryEmpty(
                    f"The configuration repository {self._name} is empty: commit a {FILE_NAME} on the branch "
                    f"{self.branch}, or make a repository with weyl internal generate-cs"
                ) from error
            raise RevisionNotFound(f"The repository has no revision {revision}") from error

    async def _run(self, *arguments: str, environment: Mapping[str, str] | None = None, stdin: str = "") -> str:
        code, output, complaint = await self._execute(arguments, environment or {}, stdin)
        if code != 0:
            raise RepositoryFailed(f"The configuration repository {self._name}: {self._reason(complaint, arguments)}")
        return output

    def _reason(self, complaint: str, arguments: Sequence[str]) -> str:
        """Return what git says, in one line and without what is secret."""
        lines = complaint.strip().splitlines()
        refused = [line for line in lines if "rejected]" in line]
        reason = (refused or lines)[-1:] or [f"git {arguments[0]} failed"]
        return without_secrets(reason[0].strip(), self._secrets)

    async def _execute(
        self, arguments: Sequence[str], environment: Mapping[str, str], stdin: str
    ) -> tuple[int, str, str]:
        quiet = {"GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C.UTF-8"}
        # Not by asyncio: uvloop forks for it, and a fork copies the page tables of a server with a large index and
        # takes every page that is written afterwards once more. What this takes does not hang on what the server holds.
        try:
            process = subprocess.Popen(  # noqa: ASYNC220
                ["git", *_OPTIONS, *arguments],
                cwd=self.directory,
                env={**_inherited(), **quiet, **self._login, **environment},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        except FileNotFoundError as error:
            if self.directory.exists():
                raise RepositoryFailed("The program git is not installed; the configuration needs it") from error
            raise RepositoryFailed(f"The configuration repository {self.directory} does not exist") from error
        with process:
            try:
                output, complaint = await asyncio.to_thread(process.communicate, stdin.encode(), self._timeout_s)
            except subprocess.TimeoutExpired as error:
                reason = f"git {arguments[0]} of {self._name} took over {self._timeout_s:g} s"
                raise RepositoryFailed(reason) from error
            finally:
                process.kill()
        return process.returncode, output.decode(errors="replace"), complaint.decode(errors="replace")


def without_secrets(text: str, secrets: Sequence[str] = ()) -> str:
    """Return a text without the name and password that a URL in it may carry, nor any of `secrets`."""
    for secret in secrets:
        text = text.replace(secret, "…")
    return _USERINFO.sub("//", text)


def _login(parts: SplitResult) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return what git needs to log in as the URL says, for its host alone, and what of it is secret.

    It travels in the environment of the process, which nobody else can read, as its arguments are for everybody.
    """
    userinfo, at, host = parts.netloc.rpartition("@")
    if not at:
        return {}, ()
    name, _, password = (unquote(part) for part in userinfo.partition(":"))
    helper = '!f() { printf \'username=%s\\npassword=%s\\n\' "$WEYL_GIT_NAME" "$WEYL_GIT_PASSWORD"; }; f'
    settings = {
        "GIT_CONFIG_COUNT": "2",
        "GIT_CONFIG_KEY_0": "credential.helper",
        "GIT_CONFIG_VALUE_0": "",
        "GIT_CONFIG_KEY_1": f"credential.{parts.scheme}://{host}.helper",
        "GIT_CONFIG_VALUE_1": helper,
    }
    secrets = (password,) if password else (name,)
    return {**settings, "WEYL_GIT_NAME": name, "WEYL_GIT_PASSWORD": password}, secrets


def _inherited() -> dict[str, str]:
    """Return our environment without what a surrounding git command says of its own repository, such as in a hook."""
    return {
        name: value for name, value in os.environ.items() if not name.startswith(("GIT_DIR", "GIT_WORK", "GIT_IND"))
    }


def _change(line: str) -> Change:
    revision, at, author, message = line.split("\0", 3)
    return Change(revision, datetime.fromisoformat(at), author, message)
