"""Pilots as jobs of a batch system that is commanded from outside: their files go one way, the orders another."""

import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from pydantic import Field

from weyl.pilots.compute_elements import places
from weyl.pilots.compute_elements.driver import (
    Capacity,
    CEState,
    CEStatus,
    Copy,
    DriverError,
    Output,
    PilotSpec,
    Submitted,
    job_name,
)
from weyl.remote.errors import OutcomeUnknown, RemoteError
from weyl.remote.reach import ReachOptions
from weyl.remote.transport import Finished, Transport

UPLOAD_BYTES_A_SECOND = 200_000
DOWNLOAD_BYTES_A_SECOND = 1_000_000


class PlaceOptions(ReachOptions):
    """What `DriverOptions` may say of where pilots have their directories; the base of the options of a driver."""

    directory: str = Field("weyl-pilots", min_length=1, pattern=r"^[^\x00\n]+$")
    """Where every pilot gets a directory: a path, below the user's home unless it begins with `/`. Nodes see it too."""
    scratch: str | None = Field(None, pattern=r"^[A-Za-z0-9_/.${}-]+$")
    """Where pilots work on their node instead, such as `$TMPDIR` or `/scratch/$USER`."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What a batch system took: its id for a pilot, or why not, or why that is not known, by name."""

    ids: Mapping[str, str] = field(default_factory=dict)
    refusals: Mapping[str, str] = field(default_factory=dict)
    doubts: Mapping[str, str] = field(default_factory=dict)


class Scheduler(Protocol):
    """What a batch system is asked; every method raises `RemoteError` if it cannot be asked."""

    identity: str
    """Shell that sets `identity` to the id of the job that it runs in."""

    async def submit(self, spec: PilotSpec, base: str, names: Sequence[str]) -> Taken:
        """Start a job for each name: `base/name/job.sh base/name`."""
        ...

    async def states(self, ids: Mapping[str, str]) -> dict[str, CEStatus]:
        """Return the states of those jobs, by name, that the batch system still knows."""
        ...

    async def cancel(self, ids: Mapping[str, str]) -> dict[str, str]:
        """End jobs; returns why not, by name, for those that do not end."""
        ...

    async def find(self, names: Collection[str]) -> dict[str, str]:
        """Return the ids of jobs of these names."""
        ...

    async def capacity(self) -> Capacity | None:
        """How full it is."""
        ...


@dataclass(frozen=True, slots=True)
class Trace:
    """What a pilot's directory says of it."""

    code: int | None
    is_cancelled: bool
    id: str | None


class FarSide:
    """A computing element of two halves: directories behind a transport, and a batch system.

    A handle is `name:id`. The directory of a pilot outlives the batch system's memory of it.
    """

    def __init__(self, transport: Transport, scheduler: Scheduler, options: PlaceOptions) -> None:
        self._transport = transport
        self._scheduler = scheduler
        self._options = options

    async def submit(self, spec: PilotSpec, copies: Sequence[Copy]) -> Submitted:
        """Lay out all copies in one go, then hand them to the batch system."""
        if not copies:
            return Submitted()
        indexes = {job_name(copy.stamp, spec.name): index for index, copy in enumerate(copies)}
        try:
            base, placed, refusals = await self._place(spec, copies)
        except OutcomeUnknown as error:  # nothing was handed to the batch system yet
            raise DriverError(str(error)) from error
        taken = await self._hand_over(spec, base, sorted(placed, key=indexes.__getitem__))
        reasons = {**dict.fromkeys(placed, "The batch system said nothing of it"), **refusals, **taken.refusals}
        return Submitted(
            handles={index: f"{name}:{taken.ids[name]}" for name, index in indexes.items() if name in taken.ids},
            failures={
                index: reasons.get(name, "It was not laid out")
                for name, index in indexes.items()
                if name not in taken.ids and name not in taken.doubts
            },
            doubtful={indexes[name]: reason for name, reason in taken.doubts.items()},
        )

    async def _hand_over(self, spec: PilotSpec, base: str, placed: Sequence[str]) -> Taken:
        """Have the batch system take what is laid out; the directories of what it refuses are removed."""
        if not placed:
            return Taken()
        try:
            taken = await self._scheduler.submit(spec, base, placed)
        except OutcomeUnknown as error:
            return Taken(doubts=dict.fromkeys(placed, str(error)))
        except RemoteError:
            await self._ask(places.REMOVE, placed)
            raise
        refused = [name for name in placed if name not in taken.ids and name not in taken.doubts]
        await self._ask(places.REMOVE, refused)
        return taken

    async def status(self, handles: Collection[str]) -> dict[str, CEStatus]:
        """Read what pilots wrote of their end, and ask the batch system about the others."""
        known = _parsed(handles)
        traces = await self._look([name for name, _ in known.values()])
        unsure = {name: id_ for name, id_ in known.values() if not _is_certain(traces.get(name))}
        said = await self._scheduler.states(unsure) if unsure else {}
        # Who has ended since the first look has written down how.
        if over := [name for name, word in said.items() if word.state.is_final and name in traces]:
            traces |= await self._look(over)
        return {
            handle: _status(*known[handle], traces, said)
            if handle in known
            else CEStatus(CEState.UNKNOWN, "no pilot of ours")
            for handle in handles
        }

    async def cancel(self, handles: Collection[str]) -> dict[str, str | None]:
        """Mark pilots as cancelled, so that their end is understood, and have the batch system end them."""
        known = _parsed(handles)
        names = [name for name, _ in known.values()]
        traces = await self._look(names)
        live = {
            handle: (name, id_)
            for handle, (name, id_) in known.items()
            if name not in traces or (traces[name].code is None and traces[name].id in (None, id_))
        }
        if not live:
            return dict.fromkeys(handles)
        await self._ask(places.MARK, [name for name, _ in live.values()])
        kept = await self._scheduler.cancel(dict(live.values()))
        return {handle: kept.get(known[handle][0]) if handle in live else None for handle in handles}

    async def output(self, handle: str) -> Output:
        """Fetch the ends of the pilot's files."""
        known = _parsed([handle]).get(handle)
        if known is None or not await self._is_there(*known):
            return Output()
        arguments = (self._options.directory, known[0], str(places.FILE_BYTES_MAX))
        finished = await self._transport.run(places.FETCH, *arguments, timeout_s=self._options.timeout)
        files = places.parse_files(_good(finished).out)
        code = files.get(places.EXIT_CODE, b"").decode(errors="replace").strip()
        return Output(
            files.get(places.STDOUT),
            files.get(places.STDERR),
            files.get(places.LOG) or None,
            int(code) if code.isdecimal() else None,
        )

    async def carry(
        self, handles: Collection[str], files: Sequence[str], *, bytes_max: int
    ) -> dict[str, dict[str, bytes | None]]:
        """Fetch files of pilots' work directories in one go."""
        known = _parsed(handles)
        lines = "".join(f"{name}\n" for name, _ in known.values()).encode()
        if not lines:
            return {}
        finished = await self._transport.run(
            places.CARRY,
            *(self._options.directory, str(bytes_max), *files),
            stdin=lines,
            timeout_s=self._options.timeout + len(known) * bytes_max / DOWNLOAD_BYTES_A_SECOND,
        )
        found = places.parse_carried(_good(finished).out)
        return {handle: found.get(name, {}) for handle, (name, _) in known.items()}

    async def cleanup(self, handles: Collection[str]) -> None:
        """Remove the directories of pilots that the batch system does not run any more."""
        known = _parsed(handles)
        traces = await self._look([name for name, _ in known.values()])
        there = {name: id_ for name, id_ in known.values() if name in traces and traces[name].id in (None, id_)}
        unsure = {name: id_ for name, id_ in there.items() if traces[name].code is None}
        said = await self._scheduler.states(unsure) if unsure else {}
        over = [name for name in there if name not in unsure or name not in said or said[name].state.is_final]
        await self._ask(places.REMOVE, over)

    async def find(self, names: Collection[str]) -> dict[str, str]:
        """Ask the batch system, which may not know the name of an ended job any more, and the directories."""
        if not names:
            return {}
        found = {name: trace.id for name, trace in (await self._look(names)).items() if trace.id}
        found |= await self._scheduler.find(names)
        return {name: f"{name}:{id_}" for name, id_ in found.items() if name in names}

    async def capacity(self) -> Capacity | None:
        """Ask the batch system."""
        return await self._scheduler.capacity()

    async def _place(self, spec: PilotSpec, copies: Sequence[Copy]) -> tuple[str, list[str], dict[str, str]]:
        job = places.job_program(spec, identity=self._scheduler.identity, scratch=self._options.scratch)
        content = places.archive(spec, copies, job=job)
        finished = await self._transport.run(
            places.PLACE,
            self._options.directory,
            secrets.token_hex(8),
            stdin=content,
            timeout_s=self._options.timeout + len(content) / UPLOAD_BYTES_A_SECOND,
        )
        base, placed, refusals = "", [], {}
        for line in _good(finished).lines:
            sign, _, rest = line.partition(" ")
            name, _, reason = rest.partition(" ")
            if sign == "=":
                base = rest
            elif sign == "+":
                placed.append(name)
            elif sign == "-":
                refusals[name] = reason
        return base, placed, refusals

    async def _look(self, names: Collection[str]) -> dict[str, Trace]:
        finished = await self._ask(places.LOOK, names)
        traces = {}
        for line in finished.lines if finished else ():
            words = line.split(" ", 3)
            if len(words) == 4:
                name, code, cancelled, id_ = words
                traces[name] = Trace(
                    int(code) if code.isdecimal() else None, cancelled == "yes", None if id_ == "-" else id_
                )
        return traces

    async def _is_there(self, name: str, id_: str) -> bool:
        trace = (await self._look([name])).get(name)
        return trace is not None and trace.id in (None, id_)

    async def _ask(self, script: str, names: Collection[str]) -> Finished | None:
        lines = "".join(f"{name}\n" for name in names).encode()
        if not lines:
            return None
        return _good(
            await self._transport.run(script, self._options.directory, stdin=lines, timeout_s=self._options.timeout)
        )


def _parsed(handles: Collection[str]) -> dict[str, tuple[str, str]]:
    """Take handles apart; what cannot be one of ours is left out."""
    parts = {handle: handle.partition(":") for handle in handles}
    return {
        handle: (name, id_)
        for handle, (name, _, id_) in parts.items()
        if places.is_name(name) and id_ and id_.isascii() and id_.isprintable() and " " not in id_
    }


def _is_certain(trace: Trace | None) -> bool:
    """Tell whether a directory says all there is to know of its pilot: the batch system may know why one failed."""
    return trace is not None and trace.code is not None and (trace.code == 0 or trace.is_cancelled)


def _status(name: str, id_: str, traces: Mapping[str, Trace], said: Mapping[str, CEStatus]) -> CEStatus:
    trace = traces.get(name)
    if trace is not None and trace.id not in (None, id_):
        return CEStatus(CEState.UNKNOWN, "another pilot has its directory")
    word = said.get(name)
    is_over = word is None or word.state.is_final or (trace is not None and trace.code is not None)
    if trace is not None and trace.is_cancelled and is_over:
        return CEStatus(CEState.DELETED, "cancelled", trace.code)
    if trace is not None and trace.code is not None:
        why = f", {word.detail}" if trace.code and word is not None and word.state is CEState.FAILED else ""
        return CEStatus(CEState.FAILED if trace.code else CEState.DONE, f"exit code {trace.code}{why}", trace.code)
    if word is None or (trace is None and word.state.is_final):  # cleared away, or never ours
        return CEStatus(CEState.UNKNOWN, "no such pilot here")
    return word


def _good(finished: Finished) -> Finished:
    if finished.code:
        raise DriverError(finished.complaint or f"The commands ended with {finished.code}")
    return finished
