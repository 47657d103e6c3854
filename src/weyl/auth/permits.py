"""What a policy hands out: the proof, for services and queries, that the user may."""

from dataclasses import dataclass


@dataclass(frozen=True)
class TokenScope:
    """Whose refresh tokens a user may list and revoke: those of one subject, or of everybody in the VO (`None`)."""

    vo: str
    subject: str | None
