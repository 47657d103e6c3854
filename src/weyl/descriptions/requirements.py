"""What a job needs: reads a job description as the requirements documents by which pilots are matched.

A description says it in one attribute, `Requirements`, as a document or as a list of alternatives of which any may
match, or in the attributes of JDL, which say part of the same.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from weyl.config.operations import Operations
from weyl.descriptions.description import Description
from weyl.descriptions.errors import BadAttribute
from weyl.task_queues import tags
from weyl.task_queues.errors import TagSyntaxError
from weyl.task_queues.platforms import need_of_platforms, parse_platform
from weyl.task_queues.validation import SITES_MAX

_ANYWHERE = {"any", "multiple"}
_PROCESSORS_TAG = re.compile(r"([1-9]\d{0,4})Processors", re.IGNORECASE)

ATTRIBUTES = (
    "BannedSites",
    "CPUTime",
    "GridCE",
    "JobType",
    "MaxNumberOfProcessors",
    "MaxRAM",
    "MinNumberOfProcessors",
    "MinRAM",
    "NumberOfProcessors",
    "Platform",
    "Priority",
    "Requirements",
    "Site",
    "Tags",
    "WholeNode",
)
"""Every attribute that decides where and in what order a job may start: equal ones mean the same class."""


@dataclass(frozen=True)
class Limits:
    """What a VO says about what its jobs ask for."""

    default_cpu_time_s: int = 86_400
    min_cpu_time_s: int = 100
    max_cpu_time_s: int = 500_000
    default_priority: int = 1
    min_priority: int = 0
    max_priority: int = 10
    input_data_max: int = 100
    job_types: tuple[str, ...] = ("User", "Test", "Hospital")
    db12_per_cpu_time: float = 1.0
    # Parts of a requirements document for what a job leaves out.
    defaults: Mapping[str, Any] = field(default_factory=dict)
    allow_invalid_sites: bool = True
    require_architecture: bool = False
    # Whether classes tell where the input data are.
    local_data_first: bool = True
    # Whether what is out of bounds, or stands for nothing, is refused; if not, it is moved to the nearest bound, as
    # DIRAC does, or left as it is.
    is_strict: bool = False

    @classmethod
    def of(cls, operations: Operations) -> "Limits":
        """Return what the configuration of a VO says."""
        wanted, matching = operations.job_description, operations.matching
        return cls(
            default_cpu_time_s=wanted.default_cpu_time,
            min_cpu_time_s=wanted.min_cpu_time,
            max_cpu_time_s=wanted.max_cpu_time,
            default_priority=wanted.default_priority,
            min_priority=wanted.min_priority,
            max_priority=wanted.max_priority,
            input_data_max=wanted.max_input_data,
            job_types=tuple(wanted.allowed_job_types),
            db12_per_cpu_time=matching.db12_per_cpu_time,
            defaults=matching.defaults,
            allow_invalid_sites=matching.allow_invalid_sites,
            require_architecture=matching.require_architecture,
            local_data_first=matching.local_data_first,
        )


@dataclass(frozen=True)
class Resolved:
    """The requirements of a job, defaults filled in, and what the user should be told about them."""

    alternatives: tuple[dict[str, Any], ...]
    pointers: tuple[str, ...]
    sites: tuple[str, ...] | None
    banned_sites: tuple[str, ...]
    job_type: str
    priority: int
    warnings: tuple[str, ...] = ()

    def wire(self) -> dict[str, Any]:
        """Return the form of the API: one document, or the list of alternatives."""
        several = len(self.alternatives) > 1
        return {
            "requirements": list(self.alternatives) if several else self.alternatives[0],
            "sites": self.sites,
            "banned_sites": self.banned_sites,
        }


def resolve(description: Description, limits: Limits) -> Resolved:
    """Return the requirements of a job; raises `BadAttribute` for what cannot be meant."""
    authored = description.requirements
    if authored is None:
        alternatives, pointers = [_from_attributes(description, limits)], [""]
    else:
        alternatives = [_with_defaults(each, limits.defaults) for each in authored]
        pointers = [
            f"/requirements/{index}" if len(authored) > 1 else "/requirements" for index in range(len(authored))
        ]
    sites, banned, warnings = _sites(description)
    return Resolved(
        tuple(alternatives),
        tuple(pointers),
        sites,
        banned,
        job_type=description.job_type or "User",
        priority=priority(description.priority, limits),
        warnings=(*warnings, *_unspecific(alternatives)),
    )


def _with_defaults(authored: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    requirements: dict[str, Any] = deepcopy(dict(defaults))
    _merge(requirements, authored)
    return requirements


def names_architecture(requirements: Mapping[str, Any]) -> bool:
    """Tell whether a requirements document says for which architecture the job was built."""
    cpu = requirements.get("cpu")
    return bool(isinstance(cpu, dict) and cpu.get("architecture")) or "arch:" in str(requirements.get("tags") or "")


def _unspecific(alternatives: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if not all(map(names_architecture, alternatives)):
        yield "No architecture is asked for: the job may run on any, such as x86_64 or aarch64"


def _from_attributes(description: Description, limits: Limits) -> dict[str, Any]:
    words, expression = _tags(description)
    requirements: dict[str, Any] = deepcopy(dict(limits.defaults))
    platform = need_of_platforms(_platforms(description))
    expression = tags.conjunction([expression, tags.parse(platform.tags)])
    cpu = _cpu(description, words)
    if platform.architecture:
        cpu["architecture"] = platform.architecture
    _merge(requirements, {"cpu": cpu, "cpu_work_db12": cpu_work(description.cpu_time_s, limits)})
    if "GPU" in words and "gpu" not in limits.defaults:
        requirements["gpu"] = {"vendor": "nvidia", "arch": "sm_50", "count": {"min": 1, "max": 1}}
    if default_tags := requirements.get("tags"):
        expression = tags.conjunction([tags.parse(str(default_tags)), expression])
    requirements["tags"] = str(expression)
    requirements.setdefault("system", {"name": "Linux"})
    return requirements


def cpu_work(asked_s: int | None, limits: Limits) -> int:
    """Return the CPU work in DB12 core-seconds: DIRAC compares CPUTime with seconds left times power."""
    return max(1, math.ceil(cpu_time_s(asked_s, limits) * limits.db12_per_cpu_time))


def cpu_time_s(asked_s: int | None, limits: Limits) -> int:
    """Return CPUTime in seconds as it was asked for, or the VO's default, within the VO's bounds.

    Raises `BadAttribute` for what is outside them if the limits are strict.
    """
    least, most = limits.min_cpu_time_s, limits.max_cpu_time_s
    if asked_s is None:
        return _clamped(limits.default_cpu_time_s, least, most)
    if limits.is_strict and not least <= asked_s <= most:
        raise BadAttribute("CPUTime", f"must be between {least} and {most} seconds in your VO, not {asked_s}")
    return _clamped(asked_s, least, most)


def priority(asked: int | None, limits: Limits) -> int:
    """Return Priority as it was asked for, or the VO's default, within the VO's bounds.

    Raises `BadAttribute` for what is outside them if the limits are strict.
    """
    least, most = limits.min_priority, limits.max_priority
    if asked is None:
        return _clamped(limits.default_priority, least, most)
    if limits.is_strict and not least <= asked <= most:
        raise BadAttribute("Priority", f"must be between {least} and {most} in your VO, not {asked}")
    return _clamped(asked, least, most)


def site_column(sites: Sequence[str]) -> str:
    """Return what a job that names these sites shows as its site before it has one."""
    named = _named_sites(sites, "Site")
    return "ANY" if not named else named[0] if len(named) == 1 else "Multiple"


def _cpu(description: Description, words: frozenset[str]) -> dict[str, Any]:
    cpu: dict[str, Any] = {}
    cores = _cores(description, words)
    if description.whole_node or "WholeNode" in words:
        cpu["whole_node"] = True
        cores = cores or {"min": 1, "max": None}
    if cores is not None:
        cpu["num_cores"] = cores
    request, limit = description.ram_mb_min, description.ram_mb_max
    if request is not None and limit is not None and limit < request:
        raise BadAttribute("MaxRAM", f"{limit} is less than MinRAM, {request}")
    ram = {
        name: {"overhead": amount, "per_core": 0}
        for name, amount in (("request", request), ("limit", limit))
        if amount is not None
    }
    if ram:
        cpu["ram_mb"] = ram
    return cpu


def _cores(description: Description, words: frozenset[str]) -> dict[str, int | None] | None:
    exact, least, most = description.cores, description.cores_min, description.cores_max
    if exact is not None:
        return {"min": exact, "max": exact}
    if least is not None and most is not None and most < least:
        raise BadAttribute("MaxNumberOfProcessors", f"{most} is less than MinNumberOfProcessors, {least}")
    if least is not None or most is not None:
        return {"min": least or 1, "max": most}
    counts = [int(match[1]) for word in words if (match := _PROCESSORS_TAG.fullmatch(word))]
    return {"min": max(counts), "max": max(counts)} if counts else None


def _tags(description: Description) -> tuple[frozenset[str], tags.Expression]:
    """Return the tags that have a field of their own, and the rest, with the computing elements, as an expression."""
    words: set[str] = set()
    parts: list[tags.Expression] = []
    for name in description.tags:
        if name in ("WholeNode", "MultiProcessor", "GPU") or _PROCESSORS_TAG.fullmatch(name):
            words.add(name)
            continue
        if not tags.is_atom(name):
            raise BadAttribute("Tags", f"{name!r} is no tag: use letters, digits and _ . : / -")
        try:
            parts.append(tags.parse_authored(name))
        except TagSyntaxError as error:
            raise BadAttribute("Tags", str(error.detail)) from error
    if len(parts) > tags.ATOMS_MAX:
        raise BadAttribute("Tags", f"at most {tags.ATOMS_MAX} tags, not {len(parts)}")
    elements = description.elements
    for element in elements:
        if not tags.is_atom(f"ce:{element}"):
            raise BadAttribute("GridCE", f"{element!r} is no name of a computing element")
    if elements and not any(element.lower() == "any" for element in elements):
        parts.append(tags.disjunction([tags.Expression("atom", name=f"ce:{element}") for element in elements]))
    return frozenset(words), tags.conjunction(parts)


def _platforms(description: Description) -> list[str]:
    for name in description.platforms:
        if parse_platform(name) is None and not tags.is_atom(f"platform:{name}"):
            raise BadAttribute("Platform", f"{name!r} is no name of a platform")
    return list(description.platforms)


def _sites(description: Description) -> tuple[tuple[str, ...] | None, tuple[str, ...], tuple[str, ...]]:
    wanted = _named_sites(description.sites, "Site")
    banned = _named_sites(description.banned_sites, "BannedSites")
    if not wanted:
        return None, tuple(sorted(banned)), ()
    if not banned:
        return tuple(sorted(wanted)), (), ()
    refused = sorted(set(wanted) & set(banned))
    warnings = [f"{site} is both in Site and in BannedSites: it will not be used" for site in refused]
    return tuple(sorted(set(wanted) - set(banned))), (), tuple(warnings)


def _named_sites(sites: Sequence[str], attribute: str) -> list[str]:
    names = list(dict.fromkeys(sites))
    if len(names) > SITES_MAX:
        raise BadAttribute(attribute, f"at most {SITES_MAX} sites, not {len(names)}")
    return [] if any(name.lower() in _ANYWHERE for name in names) else names


def _clamped(value: int, least: int, most: int) -> int:
    return max(least, min(value, most))


def _merge(into: dict[str, Any], authored: Mapping[str, Any]) -> None:
    """Lay what the job says over the defaults; `num_cores` and `architecture` belong together and are taken whole."""
    for name, value in authored.items():
        if isinstance(value, dict) and isinstance(into.get(name), dict) and name not in ("num_cores", "architecture"):
            _merge(into[name], value)
        else:
            into[name] = value
