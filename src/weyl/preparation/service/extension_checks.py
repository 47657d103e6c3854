"""Lets extensions look at jobs before they wait: each once for a whole batch, while no transaction is open."""

import asyncio
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from weyl.jobs.holds import Hold, HoldReason
from weyl.preparation.additions import Decision, Narrowed, PreparationCheck, PreparationContext, Preparing
from weyl.preparation.verdicts import Verdict, decided, held

CHECK_TIMEOUT_S = 60.0
HOLD_AFTER_FAILURE_S = 60

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Opinions:
    """What extensions say of a batch, by index: verdicts that end the checks, and sites that are left."""

    verdicts: dict[int, Verdict] = field(default_factory=dict)
    narrowed: dict[int, frozenset[str]] = field(default_factory=dict)


async def ask_extensions(
    checks: Mapping[str, PreparationCheck], asked: Mapping[int, Preparing], context: PreparationContext
) -> Opinions:
    """Ask one extension after the other; what one has refused or held is not shown to the next."""
    opinions = Opinions()
    for name, check in checks.items():
        left = [number for number in asked if number not in opinions.verdicts]
        if not left:
            break
        answers = await _answers(name, check, [asked[number] for number in left], context)
        for index, decision in answers.items():
            _note(opinions, left[index], decision)
    return opinions


def _note(opinions: Opinions, number: int, decision: Decision | Verdict) -> None:
    if isinstance(decision, Narrowed):
        known = opinions.narrowed.get(number)
        opinions.narrowed[number] = decision.sites if known is None else known & decision.sites
        return
    verdict = decision if isinstance(decision, Verdict) else decided(decision)
    if verdict is not None:
        opinions.verdicts[number] = verdict


async def _answers(
    name: str, check: PreparationCheck, asked: Sequence[Preparing], context: PreparationContext
) -> Mapping[int, Decision | Verdict]:
    try:
        answer = check(asked, context)
        if inspect.isawaitable(answer):
            async with asyncio.timeout(CHECK_TIMEOUT_S):
                answer = await answer
        lost = [index for index in answer if not 0 <= index < len(asked)]
        if not lost:
            return answer
        log.error("jobs.extension_check_failed", extension=name, indices_without_jobs=lost[:10])
    except Exception:
        # a fault of one extension holds jobs until it is mended; it neither fails them nor lets them through
        log.exception("jobs.extension_check_failed", extension=name)
    text = f"The check of the extension {name} does not work; the operators of this installation can see why"
    return dict.fromkeys(range(len(asked)), held(Hold(HoldReason.EXTENSION, text, after_s=HOLD_AFTER_FAILURE_S)))
