"""Permits on pilots, as the policy grants them and services and queries demand them; each says how far it reaches."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PilotWriter:
    """May write pilots: of any VO, of one VO, or one pilot only."""

    vo: str | None = None
    stamp: str | None = None


@dataclass(frozen=True, slots=True)
class PilotScope:
    """May read pilots: those of one VO, or all if `vo` is None."""

    vo: str | None


@dataclass(frozen=True, slots=True)
class PilotAdministrator:
    """May make and revoke secrets, for one VO or for all if `vo` is None."""

    subject: str
    vo: str | None


@dataclass(frozen=True, slots=True)
class PilotItself:
    """A pilot that writes about itself."""

    stamp: str
    vo: str
