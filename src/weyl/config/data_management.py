"""How a VO manages its files: what they may be called, who may do what with them, and how long the trash is kept."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from weyl.config.lfns import HOME_DEFAULT, PATTERN_DEFAULT, STORED_MARK, directory_fault_of, home_of, overlap
from weyl.config.section import Number, OpenSection


def _root(path: str) -> str:
    if (fault := directory_fault_of(path)) is not None:
        raise ValueError(f"is no root of files: it {fault}")
    return path


def _separate(roots: list[str]) -> list[str]:
    for number, root in enumerate(roots):
        if (pair := overlap([root], roots[number + 1 :])) is not None:
            raise ValueError(f"{pair[1]} and {pair[0]} overlap: one lies below the other")
    return roots


def _home(template: str) -> str:
    try:
        home = home_of(template, vo="vo", user="user")
    except (KeyError, IndexError, ValueError, AttributeError) as error:
        raise ValueError("may have {vo}, {initial} and {user} in braces, and nothing else") from error
    if home is None:
        raise ValueError("is no directory")
    if "{user}" not in template:
        raise ValueError("must have {user} in it: each user has a home of their own")
    return template


def _letters(pattern: str) -> str:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ValueError(f"is no regular expression: {error}") from error
    if refused := [text for text in ("", "/", "a/b", STORED_MARK) if compiled.fullmatch(text)]:
        raise ValueError(f"must not match {refused[0]!r}: it is about one component of a name")
    return pattern


class DataManagementOptions(OpenSection):
    """Names, permissions and the trash of a VO's files; keys without a meaning for weyl are kept as they are."""

    roots: Annotated[
        list[Annotated[str, AfterValidator(_root)]] | None,
        Field(min_length=1, max_length=100),
        AfterValidator(lambda roots: roots if roots is None else _separate(roots)),
    ] = None
    user_home: Annotated[str, Field(max_length=1_000), AfterValidator(_home)] = HOME_DEFAULT
    lfn_pattern: Annotated[str, Field(max_length=256), AfterValidator(_letters)] = PATTERN_DEFAULT
    permissions: Literal["directory", "posix", "open"] = "directory"
    # Where jobs store output data after the storage elements of their site, in order.
    output_ses: Annotated[list[str], Field(max_length=100)] = Field(default_factory=list)
    trash_days: Number = Field(default=7, ge=0, le=36_500)
    query_budget: Number = Field(default=2, gt=0, le=60)

    def roots_of(self, vo: str) -> tuple[str, ...]:
        """Return the directories below which all files of the VO lie."""
        return tuple(self.roots) if self.roots is not None else (f"/{vo}",)

    def home_of(self, vo: str, user: str) -> str | None:
        """Return the home of a user; None if the name of the user cannot be part of a path."""
        return home_of(self.user_home, vo=vo, user=user)
