"""Commands that say whether elements may be used: ban, allow, drain, undrain, and what was said: why, history."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, cast

import typer

from weyl.client.command import session_of
from weyl.client.errors import UsageFault
from weyl.client.results import Document, Ids, Result, Rows
from weyl.client.times import parse_span
from weyl.config.status import StatusWord
from weyl.resource_status import calls
from weyl.resource_status.models import Changes, DrainOrder, Kind, Place, StatusOrder, Why

BANNED_FOR = timedelta(days=7)
NEVER = "never"
HISTORY_COLUMNS = ("at", "action", "source", "status", "reason", "vo", "changed_by", "expires_at", "until")

Names = Annotated[list[str], typer.Argument(metavar="NAME", help="Names of elements.")]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; everybody who looks is told.")]
Until = Annotated[
    str | None, typer.Option("--until", metavar="TIME", help="When it ends, as 2026-12-24T18:00Z; `never` for good.")
]
For = Annotated[str | None, typer.Option("--for", metavar="SPAN", help="How long it lasts, as 8h or 2d.")]
Access = Annotated[
    list[str] | None,
    typer.Option("--access", metavar="A", help="read, write, check or remove; may be repeated. All, if left out."),
]
AllVos = Annotated[bool, typer.Option("--all-vos", help="For every VO, not only your own.")]


@dataclass(frozen=True, slots=True)
class Commands:
    """The commands for one kind of element."""

    kind: Kind
    thing: str

    def add(self, group: typer.Typer, name: str) -> None:
        """Register them under `weyl NAME`."""
        texts = {
            "ban": (f"Bans {self.thing}s: nothing is started there.", 'NAME --reason "power cut" --for 8h'),
            "allow": ("Takes bans back.", "NAME"),
            "drain": (f"Lets {self.thing}s run empty.", "NAME --reason downtime --until 2026-12-24T18:00Z"),
            "undrain": ("Takes drains back.", "NAME"),
            "why": (f"Shows everything that is said of a {self.thing}, what decides first.", "NAME"),
            "history": (f"Shows what was said of a {self.thing} and taken back.", "NAME --since 30d"),
        }
        for word, (sentence, example) in texts.items():
            group.command(word, help=f"{sentence}\n\nExample: weyl {name} {word} {example}")(getattr(self, word))

    def ban(
        self,
        context: typer.Context,
        names: Names,
        *,
        reason: Reason,
        until: Until = None,
        duration: For = None,
        access: Access = None,
        all_vos: AllVos = False,
        force: Annotated[bool, typer.Option("--force", help="Beats what VOs say themselves; with --all-vos.")] = False,
    ) -> Result:
        """Ban elements, for a week unless something else is said."""
        session = session_of(context)
        expires_at = _end(until, duration, default=BANNED_FOR)
        orders = [
            StatusOrder(**place, status=StatusWord.BANNED, reason=reason, expires_at=expires_at, force=force)
            for place in self._places(names, access, all_vos)
        ]
        session.confirm(f"ban {self.thing}s", len(names))
        ends = "for good" if expires_at is None else f"until {expires_at:%Y-%m-%d %H:%M} UTC"
        return self._told(session.client.send(calls.set_statuses(orders)), f"Banned {ends}")

    def allow(self, context: typer.Context, names: Names, *, access: Access = None, all_vos: AllVos = False) -> Result:
        """Take bans back."""
        places = [Place(**place) for place in self._places(names, access, all_vos)]
        return self._told(session_of(context).client.send(calls.release_statuses(places)), "No longer banned")

    def drain(
        self,
        context: typer.Context,
        names: Names,
        *,
        reason: Reason,
        until: Until = None,
        duration: For = None,
        access: Access = None,
        all_vos: AllVos = False,
    ) -> Result:
        """Let elements run empty, by a time or from now on."""
        end = _end(until, duration, default=None)
        places = self._places(names, access, all_vos)
        orders = [DrainOrder(**place, reason=reason, until=end) for place in places]
        told = (
            "Nothing new is started" if end is None else f"Nothing is started that ends after {end:%Y-%m-%d %H:%M} UTC"
        )
        return self._told(session_of(context).client.send(calls.drain(orders)), told)

    def undrain(
        self, context: typer.Context, names: Names, *, access: Access = None, all_vos: AllVos = False
    ) -> Result:
        """Take drains back."""
        places = [Place(**place) for place in self._places(names, access, all_vos)]
        return self._told(session_of(context).client.send(calls.release_drains(places)), "No longer draining")

    def why(
        self,
        context: typer.Context,
        name: Annotated[str, typer.Argument(metavar="NAME", help="Name of an element.")],
        *,
        access: Annotated[str | None, typer.Option("--access", metavar="A", help="Which access, for storage.")] = None,
    ) -> Result:
        """Show what is said of an element."""
        chosen = access or ("read" if self.kind is Kind.STORAGE else "all")
        told = session_of(context).client.send(calls.why(self.kind, name, chosen))
        return Document(told.model_dump(mode="json"), text="\n".join(_why_lines(told)))

    def history(
        self,
        context: typer.Context,
        name: Annotated[str, typer.Argument(metavar="NAME", help="Name of an element.")],
        *,
        since: Annotated[str, typer.Option("--since", metavar="SPAN", help="How far back, as 30d.")] = "30d",
    ) -> Result:
        """Show what was said of an element."""
        begin = datetime.now(UTC) - parse_span(since)
        rows = session_of(context).client.send(calls.history(self.kind, name, begin))
        return Rows(
            [row.model_dump(mode="json") for row in rows], columns=HISTORY_COLUMNS, id_column="at", unit="changes"
        )

    def _places(self, names: Sequence[str], access: Sequence[str] | None, all_vos: bool) -> list[dict[str, Any]]:
        if access and self.kind is not Kind.STORAGE:
            raise UsageFault("--access is for storage elements.", hint="Leave it out.")
        kinds = access or (["read", "write", "check", "remove"] if self.kind is Kind.STORAGE else ["all"])
        whose = {"vo": "all"} if all_vos else {}
        return [{"kind": self.kind, "name": name, "access": each, **whose} for name in names for each in kinds]

    def _told(self, changes: Changes, sentence: str) -> Result:
        names = list(dict.fromkeys(place.name for place in changes.success))
        failed = {place.name: place.reason for place in changes.failed}
        return Ids(
            cast("list[Any]", names),
            f"{sentence}: {', '.join(names)}." if names else "Nothing was changed.",
            failed=failed,
            id_column="Name",
            document=changes.model_dump(mode="json"),
        )


def _end(until: str | None, duration: str | None, *, default: timedelta | None) -> datetime | None:
    """Return when something ends that was given a time, or a length; none if it does not end."""
    if until is not None and duration is not None:
        raise UsageFault("--until and --for say the same.", hint="Give one of them.")
    now = datetime.now(UTC)
    if until == NEVER:
        return None
    if until is not None:
        try:
            moment = datetime.fromisoformat(until)
        except ValueError as error:
            raise UsageFault(f"{until!r} is not a time.", hint="Write it as 2026-12-24T18:00Z.") from error
        return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    span = default if duration is None else parse_span(duration)
    return None if span is None else now + span


def _why_lines(told: Why) -> list[str]:
    access = "" if told.access == "all" else f" ({told.access})"
    reason = f": {told.reason}" if told.reason else ""
    lines = [f"{told.name}{access} is {told.status}{reason}. Decided by {told.decided_by}."]
    if told.draining:
        until = "" if told.drain_until is None else f" until {told.drain_until:%Y-%m-%d %H:%M} UTC"
        lines.append(f"It is draining{until}.")
    for claim in told.claims:
        ends = "" if claim.expires_at is None else f", until {claim.expires_at:%Y-%m-%d %H:%M} UTC"
        whose = "every VO" if claim.vo == "all" else claim.vo
        what = claim.status or "draining"
        by = f" by {claim.author}" if claim.author else ""
        lines.append(f"  {what} for {whose}{by} since {claim.set_at:%Y-%m-%d %H:%M} UTC{ends}: {claim.reason}")
    return lines
