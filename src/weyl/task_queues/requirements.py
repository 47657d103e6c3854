"""Requirement classes: everything that decides whether and in what order a job may start, as one hashed document."""

import bisect
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NotRequired, Required, TypedDict, Unpack

from weyl.task_queues import architectures, tags
from weyl.task_queues.errors import InvalidRequirements, Problem
from weyl.task_queues.validation import AVOID_MAX, CPU_WORK_MAX, SITES_MAX, problems_of, problems_of_words

CLASS_VERSION = 1
USER_PRIORITY_MAX = 10
RAM_STEP_MB = 64
SCRATCH_STEP_MB = 512
WORK_STEPS_PER_DOUBLING = 16

# ceil(2^(k/16)): sixteen steps a doubling, so that rounding up adds at most 4.4 %; a step is its own rounding.
_WORK_STEPS = sorted(
    {
        math.ceil(2 ** (step / WORK_STEPS_PER_DOUBLING))
        for step in range(CPU_WORK_MAX.bit_length() * WORK_STEPS_PER_DOUBLING + 1)
    }
)


class ClassContext(TypedDict, total=False):
    """What belongs to a class beside its requirements."""

    vo: Required[str]
    group: Required[str]
    owner: Required[str]
    job_type: Required[str]
    user_priority: NotRequired[int]
    sites: NotRequired[Sequence[str] | None]
    banned_sites: NotRequired[Sequence[str] | None]
    avoid: NotRequired[Mapping[str, Sequence[str]] | None]
    # Until when hosts are avoided, as a Unix time; for as long as the class lives if it is not said.
    avoid_hosts_until: NotRequired[int | None]
    # The sites that have all input data on disk.
    local_data: NotRequired[Sequence[str]]


@dataclass(frozen=True, slots=True)
class RequirementClass:
    """An immutable class: two jobs with equal hashes are interchangeable for the matcher."""

    hash: bytes
    document: dict[str, Any]

    @property
    def canonical(self) -> bytes:
        """Return the bytes that were hashed."""
        return canonical_form(self.document)


def make_class(requirements: Mapping[str, Any], *, at: str = "", **context: Unpack[ClassContext]) -> RequirementClass:
    """Make the class of one resolved requirements document; raises `InvalidRequirements` with every problem.

    `at` points to the document in what the user wrote, for the pointers of the problems; a document that nobody wrote
    as one, because it says what attributes of JDL say, has no such place, and may have tags that no person may write.
    """
    found = problems_of(requirements)
    if at and not any(each.pointer == "/tags" for each in found):
        found += problems_of_words(requirements)
    problems = [
        *(Problem(f"{at}{each.pointer}", each.detail, each.suggestion) for each in found),
        *_problems_of_context(context),
    ]
    if problems:
        raise InvalidRequirements(problems)
    resolved, features = _resolve(requirements)
    sites, banned = context.get("sites"), set(context.get("banned_sites") or ())
    document: dict[str, Any] = {
        "v": CLASS_VERSION,
        "requirements": resolved,
        "vo": context["vo"],
        "group": context["group"],
        "owner": context["owner"],
        "job_type": context["job_type"],
        "user_priority": context.get("user_priority", 1),
    }
    if features:
        document["features"] = sorted(features)
        document["feature_tables"] = architectures.TABLES_VERSION
    if sites is not None:
        document["sites"] = sorted(set(sites) - banned)
    elif banned:
        document["banned_sites"] = sorted(banned)
    if local_data := context.get("local_data"):
        document["local_data"] = sorted(set(local_data))
    avoided: dict[str, Any] = {
        name: sorted(set(entries)) for name, entries in (context.get("avoid") or {}).items() if entries
    }
    if "hosts" in avoided and (until := context.get("avoid_hosts_until")) is not None:
        avoided["until"] = until
    if avoided:
        document["avoid"] = avoided
    return RequirementClass(hashlib.sha256(canonical_form(document)).digest(), document)


def canonical_form(document: Mapping[str, Any]) -> bytes:
    """Return the one spelling of a document: keys sorted, no blanks, UTF-8."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def quantised_wall_time(seconds: int) -> int:
    """Round a wall time up: to 300 s up to an hour, 900 s up to twelve, an hour above."""
    step = 300 if seconds <= 3_600 else 900 if seconds <= 43_200 else 3_600
    return _up(seconds, step)


def quantised_work(work_db12: int) -> int:
    """Round CPU work up to one of sixteen steps a doubling."""
    return _WORK_STEPS[bisect.bisect_left(_WORK_STEPS, work_db12)]


def _up(value: int, step: int) -> int:
    return -(-value // step) * step


def _problems_of_context(context: ClassContext) -> list[Problem]:
    found = []
    priority = context.get("user_priority", 1)
    if isinstance(priority, bool) or not isinstance(priority, int) or not 0 <= priority <= USER_PRIORITY_MAX:
        found.append(Problem("/user_priority", f"must be an integer from 0 to {USER_PRIORITY_MAX}"))
    for name, entries in (("sites", context.get("sites")), ("banned_sites", context.get("banned_sites"))):
        if entries is not None and len(entries) > SITES_MAX:
            found.append(Problem(f"/{name}", f"names at most {SITES_MAX} sites, this one names {len(entries)}"))
    for name, entries in (context.get("avoid") or {}).items():
        if name not in ("hosts", "sites"):
            found.append(Problem(f"/avoid/{name}", "is not a known field"))
        elif len(entries) > AVOID_MAX:
            found.append(Problem(f"/avoid/{name}", f"has at most {AVOID_MAX} entries"))
    return found


def _resolve(requirements: Mapping[str, Any]) -> tuple[dict[str, Any], frozenset[str]]:
    """Apply the hard defaults and round up; what is left out of the result is not checked by the matcher."""
    cpu = requirements.get("cpu") or {}
    resolved: dict[str, Any] = {
        "system": {"name": (requirements.get("system") or {}).get("name") or "Linux"},
        "cpu": {"num_cores": _cores(cpu.get("num_cores")), "whole_node": bool(cpu.get("whole_node"))},
        "tags": str(tags.parse(requirements.get("tags") or "")),
    }
    if requirements.get("cpu_work_db12") is not None:
        resolved["cpu_work_db12"] = quantised_work(requirements["cpu_work_db12"])
    if requirements.get("wall_time") is not None:
        resolved["wall_time"] = quantised_wall_time(requirements["wall_time"])
    ram = {name: _ram_terms(terms) for name, terms in (cpu.get("ram_mb") or {}).items() if terms}
    if ram:
        resolved["cpu"]["ram_mb"] = ram
    architecture = _without_empty(cpu.get("architecture") or {})
    if "required_features" in architecture:
        architecture["required_features"] = sorted(set(architecture["required_features"]))
    if architecture:
        resolved["cpu"]["architecture"] = architecture
    if requirements.get("gpu") is not None:
        resolved["gpu"] = _without_empty(requirements["gpu"])
    scratch = (requirements.get("io") or {}).get("scratch_mb")
    if scratch:
        resolved["io"] = {"scratch_mb": _up(scratch, SCRATCH_STEP_MB)}
    expanded = architectures.expand(
        architecture.get("name"),
        level=architecture.get("level"),
        profile=architecture.get("profile"),
        required=architecture.get("required_features", []),
    )
    return resolved, expanded.features


def _cores(block: Mapping[str, Any] | None) -> dict[str, int | None]:
    """No block means one core; a block without `max` has no upper bound."""
    if block is None:
        return {"min": 1, "max": 1}
    return {"min": block.get("min") or 1, "max": block.get("max")}


def _ram_terms(terms: Mapping[str, Any]) -> dict[str, int]:
    return {name: _up(terms.get(name) or 0, RAM_STEP_MB) for name in ("overhead", "per_core")}


def _without_empty(block: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in block.items() if value is not None and value != []}
