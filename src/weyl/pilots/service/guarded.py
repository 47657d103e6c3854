"""A driver as the services see it: whatever it does, it ends in bounded time, and its faults are sentences."""

import asyncio
from collections.abc import Collection, Coroutine, Sequence
from typing import Any, TypeVar

import structlog

from weyl.pilots.compute_elements.driver import (
    Capacity,
    Carrier,
    CEState,
    CEStatus,
    ComputeElementDriver,
    Copy,
    DriverError,
    Output,
    PilotSpec,
    Submitted,
)
from weyl.remote.errors import OutcomeUnknown

log = structlog.get_logger(__name__)

T = TypeVar("T")

# Drivers have shorter times of their own; these are for those that do not keep them.
QUESTION_S = 300.0
SUBMISSION_S = 900.0
SILENCE = "The computing element said nothing of it"
# What a driver raises that met an answer which nobody thought of.
SURPRISES = (ValueError, LookupError, TypeError, AttributeError, AssertionError)


class GuardedElement:
    """A computing element whose driver may hang, or stumble over an answer."""

    def __init__(
        self,
        driver: ComputeElementDriver,
        name: str,
        *,
        question_s: float = QUESTION_S,
        submission_s: float = SUBMISSION_S,
    ) -> None:
        self._driver = driver
        self._name = name
        self._question_s = question_s
        self._submission_s = submission_s

    async def submit(self, spec: PilotSpec, copies: Sequence[Copy]) -> Submitted:
        """Send pilots; when it is not seen what became of them, they are in doubt."""
        try:
            sent = await self._bounded(self._driver.submit(spec, copies), self._submission_s)
        except OutcomeUnknown as error:
            return Submitted(doubtful=dict.fromkeys(range(len(copies)), str(error)))
        told = {*sent.handles, *sent.failures, *sent.doubtful}
        silent = dict.fromkeys(set(range(len(copies))) - told, SILENCE)
        return Submitted(sent.handles, sent.failures, {**sent.doubtful, **silent})

    async def status(self, handles: Collection[str]) -> dict[str, CEStatus]:
        """Ask for states; a handle of which nothing is said is unknown, and what was not asked for is dropped."""
        said = await self._bounded(self._driver.status(handles), self._question_s)
        return {handle: said.get(handle, CEStatus(CEState.UNKNOWN, SILENCE)) for handle in handles}

    async def cancel(self, handles: Collection[str]) -> dict[str, str | None]:
        """End pilots."""
        said = await self._bounded(self._driver.cancel(handles), self._question_s)
        return {handle: said.get(handle, SILENCE) for handle in handles}

    async def output(self, handle: str) -> Output:
        """Fetch what there is."""
        return await self._bounded(self._driver.output(handle), self._question_s)

    @property
    def can_carry(self) -> bool:
        """Whether files of pilots can be fetched, as push mode needs it."""
        return isinstance(self._driver, Carrier)

    async def carry(
        self, handles: Collection[str], files: Sequence[str], *, bytes_max: int
    ) -> dict[str, dict[str, bytes | None]]:
        """Fetch files of pilots; raises `DriverError` where the driver cannot."""
        if not isinstance(self._driver, Carrier):
            raise DriverError(f"The driver of {self._name} cannot carry files back, which push mode needs")
        found = await self._bounded(self._driver.carry(handles, files, bytes_max=bytes_max), self._submission_s)
        return {handle: found.get(handle, {}) for handle in handles}

    async def cleanup(self, handles: Collection[str]) -> None:
        """Remove what pilots left."""
        await self._bounded(self._driver.cleanup(handles), self._question_s)

    async def find(self, names: Collection[str]) -> dict[str, str]:
        """Look for pilots by name."""
        found = await self._bounded(self._driver.find(names), self._question_s)
        return {name: handle for name, handle in found.items() if name in names}

    async def capacity(self) -> Capacity | None:
        """Ask how full it is."""
        return await self._bounded(self._driver.capacity(), self._question_s)

    async def _bounded(self, work: Coroutine[Any, Any, T], seconds: float) -> T:
        try:
            async with asyncio.timeout(seconds):
                return await work
        except TimeoutError as error:
            raise OutcomeUnknown(f"{self._name} did not answer within {seconds:g} s") from error
        except SURPRISES as error:
            log.exception("pilots.driver_stumbled", ce=self._name)
            raise OutcomeUnknown(f"The driver of {self._name} stumbled: {type(error).__name__}: {error}") from error
