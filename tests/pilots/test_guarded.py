"""Whatever a driver does, what is asked of it ends in bounded time, and its faults are sentences."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence

import pytest

from weyl.pilots.compute_elements.driver import (
    Capacity,
    CEState,
    CEStatus,
    ComputeElementDriver,
    Copy,
    DriverError,
    Output,
    PilotSpec,
    Submitted,
)
from weyl.pilots.service.guarded import GuardedElement
from weyl.remote.errors import OutcomeUnknown, RemoteError

COPIES = [Copy("a" * 32), Copy("b" * 32), Copy("c" * 32)]
SPEC = PilotSpec(executable="true")


class OddElement:
    """A computing element, of an extension perhaps, that answers in its own way: no system behaves so on demand."""

    def __init__(self, behave: Callable[[], Awaitable[None]]) -> None:
        self._behave = behave

    async def submit(self, spec: PilotSpec, copies: Sequence[Copy]) -> Submitted:
        await self._behave()
        return Submitted({0: "handle"}, {1: "full"})

    async def status(self, handles: Collection[str]) -> dict[str, CEStatus]:
        await self._behave()
        return {"a": CEStatus(CEState.RUNNING), "never asked": CEStatus(CEState.DONE)}

    async def cancel(self, handles: Collection[str]) -> dict[str, str | None]:
        await self._behave()
        return {"a": None}

    async def output(self, handle: str) -> Output:
        await self._behave()
        return Output()

    async def cleanup(self, handles: Collection[str]) -> None:
        await self._behave()

    async def find(self, names: Collection[str]) -> dict[str, str]:
        await self._behave()
        return {"weyl-a": "handle", "never asked": "other"}

    async def capacity(self) -> Capacity | None:
        await self._behave()
        return None


async def hang() -> None:
    """Never answer."""
    await asyncio.Event().wait()


async def stumble() -> None:
    """Meet an answer that nobody thought of."""
    raise KeyError("jobs")


async def refuse() -> None:
    """Say no."""
    raise DriverError("closed on Sundays")


async def answer() -> None:
    """Go on."""


def guarded(behave: Callable[[], Awaitable[None]]) -> ComputeElementDriver:
    return GuardedElement(OddElement(behave), "ce of here", question_s=0.05, submission_s=0.05)


QUESTIONS: dict[str, Callable[[ComputeElementDriver], Awaitable[object]]] = {
    "status": lambda element: element.status(["a"]),
    "cancel": lambda element: element.cancel(["a"]),
    "output": lambda element: element.output("a"),
    "cleanup": lambda element: element.cleanup(["a"]),
    "find": lambda element: element.find(["weyl-a"]),
    "capacity": lambda element: element.capacity(),
}


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize(("behave", "word"), [(hang, "within 0.05 s"), (stumble, "KeyError"), (refuse, "Sundays")])
async def test_a_question_ends_with_an_answer_or_a_sentence(
    question: str, behave: Callable[[], Awaitable[None]], word: str
) -> None:
    with pytest.raises(RemoteError, match=word):
        await QUESTIONS[question](guarded(behave))
    await QUESTIONS[question](guarded(answer))


@pytest.mark.parametrize("behave", [hang, stumble])
async def test_a_submission_without_an_end_leaves_all_pilots_in_doubt(behave: Callable[[], Awaitable[None]]) -> None:
    sent = await guarded(behave).submit(SPEC, COPIES)
    assert (sent.handles, sent.failures, sorted(sent.doubtful)) == ({}, {}, [0, 1, 2])


async def test_a_refused_submission_is_a_refusal() -> None:
    with pytest.raises(RemoteError) as caught:
        await guarded(refuse).submit(SPEC, COPIES)
    assert not isinstance(caught.value, OutcomeUnknown)


async def test_what_is_not_spoken_of_is_in_doubt_or_unknown_and_the_rest_is_not_asked_for() -> None:
    element = guarded(answer)
    sent = await element.submit(SPEC, COPIES)
    assert (sent.handles, sent.failures, list(sent.doubtful)) == ({0: "handle"}, {1: "full"}, [2])
    states = await element.status(["a", "b"])
    assert {handle: status.state for handle, status in states.items()} == {"a": CEState.RUNNING, "b": CEState.UNKNOWN}
    kept = await element.cancel(["a", "b"])
    assert kept["a"] is None
    assert kept["b"]
    assert await element.find(["weyl-a", "weyl-b"]) == {"weyl-a": "handle"}
