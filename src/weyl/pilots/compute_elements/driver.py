"""What every computing element driver does: pilots go in, states and outputs come out, and nothing is remembered."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol, runtime_checkable

from weyl.kit.services import Key
from weyl.remote.credentials import CredentialProvider, NoCredentials
from weyl.remote.errors import RemoteError

JOB_NAME_PREFIX = "weyl"
STAMP_VARIABLE = "WEYL_PILOT_STAMP"
PLACE_VARIABLE = "WEYL_PLACE"
"""Names the directory that files are carried from, where pilots work elsewhere on their node."""


class CEState(StrEnum):
    """The pilot status that a computing element's own word stands for; the values are the wire words."""

    WAITING = "Waiting"
    RUNNING = "Running"
    DONE = "Done"
    FAILED = "Failed"
    DELETED = "Deleted"
    ABORTED = "Aborted"
    UNKNOWN = "Unknown"

    @property
    def is_final(self) -> bool:
        """Whether the computing element will never run this pilot again."""
        return self in FINAL_STATES


FINAL_STATES = frozenset({CEState.DONE, CEState.FAILED, CEState.DELETED, CEState.ABORTED})


@dataclass(frozen=True)
class PilotSpec:
    """What all copies of one submission share.

    The copies start in a directory of their own that holds `inputs` and the copy's secrets under their names.
    """

    executable: str
    """Absolute path on the node, a program of the node's PATH, or the name of one of `inputs` with a leading `./`."""
    arguments: tuple[str, ...] = ()
    inputs: Mapping[str, bytes] = field(default_factory=dict)
    outputs: tuple[str, ...] = ()
    cores: int = 1
    memory_mb: int | None = None
    wall_s: int | None = None
    queue: str | None = None
    gpus: int = 0
    scratch_mb: int | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    container: str | None = None
    stdout: str = "stdout.txt"
    stderr: str = "stderr.txt"
    name: str = JOB_NAME_PREFIX
    """Start of every copy's job name on the computing element; the stamp is the rest of it."""


@dataclass(frozen=True)
class Copy:
    """One pilot of a submission."""

    stamp: str
    environment: Mapping[str, str] = field(default_factory=dict)
    """Identifiers only. The driver itself adds the stamp as WEYL_PILOT_STAMP."""
    secrets: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    """File name -> content; written with mode 0600 beside the inputs, never put in environment or arguments."""


@dataclass(frozen=True)
class Submitted:
    """What became of each copy, by its index in the submission: a handle, or the reason why there is none."""

    handles: Mapping[int, str] = field(default_factory=dict)
    failures: Mapping[int, str] = field(default_factory=dict)
    doubtful: Mapping[int, str] = field(default_factory=dict)
    """Copies that may have been taken, and why that is not known: they are looked for by name after a minute."""


@dataclass(frozen=True)
class CEStatus:
    """The state of one pilot as its computing element sees it; `detail` is the element's own word or reason."""

    state: CEState
    detail: str = ""
    exit_code: int | None = None
    """What the program that ran the pilot on its node wrote down when it had ended; None: nobody saw that."""


@dataclass(frozen=True)
class Output:
    """What a pilot left behind; whatever the computing element cannot give is None."""

    stdout: bytes | None = None
    stderr: bytes | None = None
    log: bytes | None = None
    exit_code: int | None = None


@dataclass(frozen=True)
class Capacity:
    """How full a computing element is; `free` is None where only a limit of the queue could tell."""

    waiting: int
    running: int
    free: int | None = None


@dataclass(frozen=True)
class DriverContext:
    """What a driver is made from: one configured computing element and a directory that outlives the worker."""

    site: str
    ce: str
    directory: Path
    endpoint: str | None = None
    options: Mapping[str, object] = field(default_factory=dict)
    """`DriverOptions` of the configuration; each driver validates them with a model of its own."""
    credentials: CredentialProvider = field(default_factory=NoCredentials)


class ComputeElementDriver(Protocol):
    """Door to one computing element.

    A driver keeps no state of its own: handles, throttling and credentials belong to the caller, and a driver made
    anew after a crash answers for every handle that an earlier one gave out. It raises `DriverError` of its own accord,
    and lets pass what `weyl.remote` raises, which is a `RemoteError` too.
    """

    async def submit(self, spec: PilotSpec, copies: Sequence[Copy]) -> Submitted:
        """Start the copies in bulk; partial success is normal and only a total refusal may raise `RemoteError`."""
        ...

    async def status(self, handles: Collection[str]) -> dict[str, CEStatus]:
        """Answer for every handle asked for; one that the computing element does not know is `Unknown`."""
        ...

    async def cancel(self, handles: Collection[str]) -> dict[str, str | None]:
        """End pilots; None means that it is gone, and already gone counts as that; text is the reason why not."""
        ...

    async def output(self, handle: str) -> Output:
        """Return what there is so far, also while the pilot runs."""
        ...

    async def cleanup(self, handles: Collection[str]) -> None:
        """Remove what pilots left on the computing element; may be asked again, and skips those that still run."""
        ...

    async def find(self, names: Collection[str]) -> dict[str, str]:
        """Map job names to handles, for pilots whose submission was never recorded; unknown names are left out."""
        ...

    async def capacity(self) -> Capacity | None:
        """How full the computing element is, or None where it cannot say."""
        ...


@runtime_checkable
class Carrier(Protocol):
    """What a driver can that fetches files of pilots, as queues in push mode need it."""

    async def carry(
        self, handles: Collection[str], files: Sequence[str], *, bytes_max: int
    ) -> dict[str, dict[str, bytes | None]]:
        """Return what pilots wrote into files beside their inputs, by handle and name, also while they run.

        What is not there is left out; None stands for a file that is larger than the limit.
        """
        ...


class DriverFactory(Protocol):
    """Makes the driver of one computing element; this is what an extension registers under the driver's name."""

    def __call__(self, context: DriverContext) -> ComputeElementDriver: ...


class DriverError(RemoteError):
    """The computing element refused, or cannot do what it is asked; the text is for the administrator of the site."""


def job_name(stamp: str, prefix: str = JOB_NAME_PREFIX) -> str:
    """Name of a pilot on its computing element: all that is needed to find it after a crash."""
    return f"{prefix}-{stamp}"


DRIVERS: Key[Mapping[str, DriverFactory]] = Key("the drivers of computing elements")
