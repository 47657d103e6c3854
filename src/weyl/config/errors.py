"""What can be wrong with a configuration or the repository that holds it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from weyl.kit.errors import BadGateway, BadRequest, Conflict, Forbidden, NotFound, Unavailable


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault of a document: where it is and what is wrong; lines count from 1, 0 means all of it."""

    message: str
    path: str = ""
    line: int = 0

    def __str__(self) -> str:
        place = f"line {self.line}: " if self.line else ""
        return f"{place}{self.path}: {self.message}" if self.path else f"{place}{self.message}"


class InvalidConfig(BadRequest):
    """The document is not a configuration; `problems` has all of its faults."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(
            "\n".join(str(problem) for problem in problems),
            extra={"problems": [asdict(problem) for problem in problems]},
        )
        self.problems = tuple(problems)


class ConfigNotLoaded(Unavailable):
    """No valid revision of the configuration was ever read by this process."""


class RepositoryFailed(BadGateway):
    """The git repository of the configuration could not be read or written."""


class RepositoryReadOnly(RepositoryFailed):
    """The repository can be read and not written, by this server at least."""


class RevisionNotFound(NotFound):
    """The repository has no such revision."""


class RepositoryEmpty(RevisionNotFound):
    """The repository has no revision at all."""


class ConfigChanged(Conflict):
    """The configuration is no longer what a change was made of."""

    def __init__(self, base: str | None, newest: str) -> None:
        super().__init__(
            f"The configuration has changed: its newest revision is {newest}, and yours was made of "
            f"{base or 'nothing'}. Look at what has changed since then, and make your change again on top of it",
            extra={"newest": newest},
        )


class AlreadyConfigured(Conflict):
    """What was to be added is in the configuration already."""


class NotConfigured(NotFound):
    """What was to be changed is not in the configuration."""


class NoConfigAdministrator(Forbidden):
    """Only administrators of the configuration may read how it changed, and change it."""


class NoMessage(BadRequest):
    """A change needs a message that says why it is made."""


class BadRepositoryUrl(BadRequest):
    """The URL does not name a git repository."""
