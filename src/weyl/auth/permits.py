"""What a policy hands out: the proof, for services and queries, that the user may."""

from dataclasses import dataclass


@dataclass(frozen=True)
class TokenScope:
    """Whose logins, by token or browser, a user may list and end: one subject's, or everybody's in the VO (`None`)."""

    vo: str
    subject: str | None
