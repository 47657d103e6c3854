"""The git repository that holds the configuration, reached through the `git` program."""

import asyncio
import contextlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit, urlunsplit

from weyl.config.errors import BadRepositoryUrl, RepositoryFailed, RevisionNotFound

FILE_NAME = "default.yml"
DEFAULT_BRANCH = "master"
EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"

_REVISION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./-]*", re.ASCII)
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

    A local repository is read in place. A remote one is mirrored into `mirror`, and only `head` talks to its server.
    """

    def __init__(self, url: str, *, mirror: Path | None = None, timeout_s: float = 30) -> None:
        scheme, _, rest = url.partition("+")
        parts = urlsplit(rest)
        if scheme != "git" or parts.scheme not in ("file", "https"):
            raise BadRepositoryUrl(f"{url!r} is no repository: write git+file:///PATH or git+https://HOST/PATH")
        self.branch = parse_qs(parts.query).get("revision", [DEFAULT_BRANCH])[0]
        if not _REVISION.fullmatch(self.branch):
            raise BadRepositoryUrl(f"{self.branch!r} is no name of a branch")
        self.is_local = parts.scheme == "file"
        self._remote = urlunsplit((parts.scheme, parts.netloc, parts.path, "", ""))
        # What messages call it: the URL may hold a password.
        self._name = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
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

    async def history(self, limit: int, *, revision: str | None = None) -> list[Change]:
        """Return the newest `limit` commits that changed the configuration, newest first."""
        commit = await self._resolve(revision or self.branch)
        lines = await self._run("log", f"-{limit:d}", f"--format={_FIELDS}", commit, "--", FILE_NAME)
        return [_change(line) for line in lines.splitlines()]

    async def diff(self, old: str | None, new: str | None) -> str:
        """Return the difference between two revisions; by default what the newest commit changed."""
        newer = await self._resolve(new or self.branch)
        older = await (self._resolve(old) if old else self._parent(newer))
        return await self._run("diff", "--no-color", "--no-ext-diff", older, newer, "--", FILE_NAME)

    async def create(self) -> None:
        """Make an empty local repository with a working tree; one that is there already is left as it is."""
        self.directory.mkdir(parents=True, exist_ok=True)
        await self._run("init", "--quiet", f"--initial-branch={self.branch}")

    async def write(self, text: str, *, message: str, author: Author) -> str:
        """Commit `text` as the configuration of the branch that is checked out; returns the commit."""
        if not self.is_local or not (self.directory / ".git").exists():
            raise RepositoryFailed("Changes are committed in a local clone with a working tree: clone it, then push")
        if (await self._run("symbolic-ref", "--short", "HEAD")).strip() != self.branch:
            raise RepositoryFailed(f"{self.directory} has another branch than {self.branch} checked out")
        if await self._run("status", "--porcelain", "--", FILE_NAME):
            raise RepositoryFailed(
                f"{self.directory / FILE_NAME} has changes that are not committed; commit them first"
            )
        await asyncio.to_thread((self.directory / FILE_NAME).write_text, text)
        await self._run("add", "--", FILE_NAME)
        identity = {
            "GIT_AUTHOR_NAME": author.name,
            "GIT_AUTHOR_EMAIL": author.email,
            "GIT_COMMITTER_NAME": author.name,
            "GIT_COMMITTER_EMAIL": author.email,
        }
        await self._run("commit", "--quiet", "--no-gpg-sign", "-m", message, "--", FILE_NAME, environment=identity)
        return await self._resolve(self.branch)

    async def _fetch(self) -> None:
        if not (self.directory / "HEAD").exists():
            self.directory.mkdir(parents=True, exist_ok=True)
            await self._run("init", "--quiet", "--bare")
        await self._run("fetch", "--quiet", "--prune", "--force", self._remote, "+refs/heads/*:refs/heads/*")

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
            raise RevisionNotFound(f"The repository has no revision {revision}") from error

    async def _run(self, *arguments: str, environment: dict[str, str] | None = None) -> str:
        code, output, complaint = await self._execute(arguments, environment or {})
        if code != 0:
            reason = complaint.strip().splitlines()[-1:] or [f"git {arguments[0]} ended with {code}"]
            said = reason[0].replace(self._remote, self._name)
            raise RepositoryFailed(f"The configuration repository {self._name}: {said}")
        return output

    async def _execute(self, arguments: Sequence[str], environment: dict[str, str]) -> tuple[int, str, str]:
        quiet = {"GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C.UTF-8"}
        try:
            process = await asyncio.create_subprocess_exec(
                "git",
                *_OPTIONS,
                *arguments,
                cwd=self.directory,
                env={**_inherited(), **quiet, **environment},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
        except FileNotFoundError as error:
            if self.directory.exists():
                raise RepositoryFailed("The program git is not installed; the configuration needs it") from error
            raise RepositoryFailed(f"The configuration repository {self.directory} does not exist") from error
        try:
            async with asyncio.timeout(self._timeout_s):
                output, complaint = await process.communicate()
        except TimeoutError as error:
            raise RepositoryFailed(f"git {arguments[0]} of {self._name} took over {self._timeout_s:g} s") from error
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        return process.returncode or 0, output.decode(errors="replace"), complaint.decode(errors="replace")


def _inherited() -> dict[str, str]:
    """Return our environment without what a surrounding git command says of its own repository, such as in a hook."""
    return {
        name: value for name, value in os.environ.items() if not name.startswith(("GIT_DIR", "GIT_WORK", "GIT_IND"))
    }


def _change(line: str) -> Change:
    revision, at, author, message = line.split("\0", 3)
    return Change(revision, datetime.fromisoformat(at), author, message)
