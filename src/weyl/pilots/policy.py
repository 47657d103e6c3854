"""Who may register, change, read and equip pilots."""

from collections.abc import Collection

from weyl.config.models import Config
from weyl.config.operations import Operations
from weyl.kit.http import User
from weyl.pilots.errors import PilotForbidden
from weyl.pilots.permits import PilotAdministrator, PilotItself, PilotScope, PilotWriter


def may_write(user: User, config: Config, *, stamps: Collection[str]) -> PilotWriter:
    """Admit administrators to all pilots, old pilots to one of their VO at a time, and new ones to themselves.

    An old pilot's token names no pilot, so it reaches every one of its VO; an installation without such pilots turns
    them off with `Pilots.AllowLegacyTokens`.
    """
    if user.kind == "pilot" and user.pilot_stamp is not None:
        if any(stamp != user.pilot_stamp for stamp in stamps):
            raise PilotForbidden("A pilot may write about itself only")
        return PilotWriter(vo=user.vo, stamp=user.pilot_stamp)
    if user.kind == "user" and user.has("ServiceAdministrator"):
        return PilotWriter()
    if user.kind == "user" and user.has("GenericPilot"):
        if not config.operations.get(user.vo, Operations()).pilots.allow_legacy_tokens:
            raise PilotForbidden(f"{user.vo} accepts pilots with tokens of their own only")
        if len(stamps) > 1:
            raise PilotForbidden("A pilot may write about one pilot at a time")
        return PilotWriter(vo=user.vo)
    raise PilotForbidden("Pilots are written by pilots and by holders of ServiceAdministrator")


def may_register(user: User, config: Config, *, stamp: str, vo: str) -> PilotWriter:
    """Admit whoever may write this pilot, in the VO that it is to belong to."""
    writer = may_write(user, config, stamps=[stamp])
    if writer.vo is not None and writer.vo != vo:
        raise PilotForbidden(f"Your token is of {writer.vo}: it cannot register a pilot of another VO")
    return writer


def may_read(user: User) -> PilotScope:
    """Admit every person who is not a pilot, to the pilots of their VO; administrators to all."""
    if user.kind != "user" or user.has("GenericPilot"):
        raise PilotForbidden("Pilots do not read about pilots")
    return PilotScope(None if user.has("ServiceAdministrator") else user.vo)


def may_administrate(user: User, *, vo: str | None) -> PilotAdministrator:
    """Admit administrators of services for any VO, operators for their own."""
    if user.kind == "user" and user.has("ServiceAdministrator"):
        return PilotAdministrator(user.subject, vo)
    if user.kind == "user" and user.has("Operator") and vo in (None, user.vo):
        return PilotAdministrator(user.subject, user.vo)
    raise PilotForbidden("Pilot secrets are for holders of ServiceAdministrator, and of Operator in their own VO")


def is_itself(user: User) -> PilotItself:
    """Admit a pilot to what is its own."""
    if user.kind != "pilot" or user.pilot_stamp is None:
        raise PilotForbidden("This is for pilots with tokens of their own")
    return PilotItself(user.pilot_stamp, user.vo)
