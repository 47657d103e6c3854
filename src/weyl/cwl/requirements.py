"""From the requirements of a document's tools to the requirements document of a job that runs it as a whole."""

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from weyl.cwl.problems import Problem, problem
from weyl.task_queues import tags
from weyl.task_queues.errors import TagSyntaxError

ENGINE_RAM_MB = 128
"""Added where RAM is asked for: the engine counts in the job's control group."""
HOSTFEAT = "hostfeat:cwl"
OUTBOUND = "network:outbound"
_DISK_MB = 1_024
_RAM_MB, _RAM_MB_OF_1_0 = 256, 1_024
_GPU_ARCH = "sm_50"
_CAPABILITY = re.compile(r"(\d{1,2})\.(\d)")

Value = Any
"""What a requirement says: a number, a text, or `{"expression": k}`."""
Tool = Mapping[str, Any]
Pick = Callable[[Value], Any]
"""Returns what a value comes to in one job."""


class NoRequirement(Exception):
    """A requirement cannot be used as it is; the problem says which, and why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


@dataclass(frozen=True)
class Origin:
    """What in a document asks for something: the word there, and where it stands."""

    word: str
    tool: str
    place: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Derived:
    """What the tools of a document come to, and what asks for each part of it, by pointer into `requirements`."""

    requirements: dict[str, Any]
    origins: dict[str, Origin]
    cores_min: int = 1
    """What the tools need at least; of RAM without what is added for the engine."""
    ram_mb: int = 0


@dataclass(frozen=True)
class Site:
    """What a VO says that matters here."""

    software: Mapping[str, str] = field(default_factory=dict)
    wrapper_margin_s: int = 300


def derived(tools: Sequence[Tool], pick: Pick, site: Site, *, version: str | None) -> Derived:
    """Return what tools that run as one job ask for; raises `NoRequirement`."""
    made = Derived({}, {})
    if any(tool.get("resources") for tool in tools):
        _add_resources(made, tools, pick, version)
    _add_time(made, tools, pick, site)
    _add_gpu(made, tools, pick)
    atoms = [HOSTFEAT]
    for tool in tools:
        if _is_true(pick(tool.get("network"))):
            atoms.append(OUTBOUND)
            made.origins.setdefault(f"/tags/{OUTBOUND}", _origin(tool, "NetworkAccess", "networkAccess"))
        for expression, name in _software(tool, site):
            atoms.append(expression)
            for atom in tags.atoms(tags.parse(expression)):
                made.origins.setdefault(f"/tags/{atom}", _origin(tool, f"SoftwareRequirement {name}", "software"))
    made.requirements["tags"] = str(tags.conjunction([tags.parse(atom) for atom in atoms]))
    return made


def _add_resources(made: Derived, tools: Sequence[Tool], pick: Pick, version: str | None) -> None:
    """Cores and RAM are the largest of all tools, scratch is the largest tmpdir and all outdirs: these stay."""
    needs = [_Need.of(tool, pick, version) for tool in tools]
    cores = max(needs, key=lambda need: need.cores[0])
    made.cores_min = cores.cores[0]
    most = max(need.cores[1] for need in needs)
    ram = max(needs, key=lambda need: need.ram_mb)
    made.ram_mb = ram.ram_mb
    memory: dict[str, Any] = {"request": {"overhead": ram.ram_mb + ENGINE_RAM_MB, "per_core": 0}}
    if any(need.ram_limit_mb is not None for need in needs):
        limit = max(need.limit_mb() for need in needs)
        memory["limit"] = {"overhead": limit + ENGINE_RAM_MB, "per_core": 0}
    tmp = max(needs, key=lambda need: need.tmp_mb)
    made.requirements["cpu"] = {"num_cores": {"min": cores.cores[0], "max": most}, "ram_mb": memory}
    made.requirements["io"] = {"scratch_mb": tmp.tmp_mb + sum(need.out_mb for need in needs)}
    made.origins |= {
        "/cpu/num_cores": _origin(cores.tool, "coresMin", "coresMin"),
        "/cpu/ram_mb": _origin(ram.tool, "ramMin", "ramMin"),
        "/io/scratch_mb": _origin(tmp.tool, "tmpdirMin and outdirMin", "tmpdirMin"),
    }


@dataclass(frozen=True)
class _Need:
    """What one tool asks for, CWL's defaults filled in."""

    tool: Tool
    cores: tuple[int, int]
    ram_mb: int
    ram_limit_mb: int | None
    tmp_mb: int
    out_mb: int

    @classmethod
    def of(cls, tool: Tool, pick: Pick, version: str | None) -> "_Need":
        said = tool.get("resources") or {}

        def number(name: str) -> int | None:
            value = None if said.get(name) is None else pick(said[name])
            # A step that `when` may leave out may lack the inputs that its requirements read.
            is_unasked = said.get(name) is None or (value is None and tool.get("when"))
            return None if is_unasked else _number(value, tool, name)

        def pair(name: str, default: int) -> tuple[int, int]:
            least, most = number(f"{name}Min"), number(f"{name}Max")
            if least is not None and most is not None and most < least:
                raise NoRequirement(_clash(tool, name, least, most))
            low = most if least is None else least
            return (default, default) if low is None else (low, low if most is None else most)

        ram = pair("ram", _RAM_MB_OF_1_0 if version == "v1.0" else _RAM_MB)
        limit = None if number("ramMax") is None else ram[1]
        low, high = pair("cores", 1)
        cores = max(low, 1), max(high, 1)
        return cls(tool, cores, ram[0], limit, pair("tmpdir", _DISK_MB)[0], pair("outdir", _DISK_MB)[0])

    def limit_mb(self) -> int:
        """Return how much RAM may be used: where nothing is said, as much as the matcher would allow."""
        return self.ram_limit_mb or max(self.ram_mb * 3 // 2, self.ram_mb + 512)


def _add_time(made: Derived, tools: Sequence[Tool], pick: Pick, site: Site) -> None:
    """Ask for wall time only if every tool has a limit: that of the longest path."""
    limits: dict[str, int] = {}
    for tool in tools:
        told = tool.get("time_limit")
        limit = None if told is None else _number(pick(told), tool, "timelimit")
        if not limit or tool.get("scatter"):
            return
        limits[tool["id"]] = limit
    ends: dict[str, int] = {}
    for tool in _in_order(tools):
        before = [ends[name] for name in tool.get("after") or () if name in ends]
        ends[tool["id"]] = limits[tool["id"]] + max(before, default=0)
    if ends:
        made.requirements["wall_time"] = max(ends.values()) + site.wrapper_margin_s
        longest = max(tools, key=lambda tool: limits[tool["id"]])
        made.origins["/wall_time"] = _origin(longest, "ToolTimeLimit", "timelimit")


def _in_order(tools: Sequence[Tool]) -> Iterator[Tool]:
    """Yield tools after those whose outputs they read; an id stands for all tools below it."""
    waiting, known = list(tools), {tool["id"] for tool in tools}
    done: set[str] = set()
    while waiting:
        ready = [tool for tool in waiting if set(tool.get("after") or ()) & known <= done] or waiting
        yield from ready
        done |= {tool["id"] for tool in ready}
        waiting = [tool for tool in waiting if tool["id"] not in done]


def _add_gpu(made: Derived, tools: Sequence[Tool], pick: Pick) -> None:
    users = [tool for tool in tools if tool.get("cuda")]
    if not users:
        return
    least, most, arch, runtime = 0, 0, 0, ()  # type: int, int, int, tuple[int, ...]
    for tool in users:
        said = tool["cuda"]
        told = [said.get(name) for name in ("cudaDeviceCountMin", "cudaDeviceCountMax")]
        low, high = (None if each is None else _number(pick(each), tool, "cudaDeviceCountMin") for each in told)
        least, most = max(least, low or high or 1), max(most, high or low or 1)
        arch = max(arch, _capability(pick(said.get("cudaComputeCapability")), tool))
        runtime = max(runtime, _dotted(pick(said.get("cudaVersionMin")), tool))
    gpu = {"vendor": "nvidia", "arch": f"sm_{arch}" if arch else _GPU_ARCH, "count": {"min": least, "max": most}}
    if runtime:
        gpu["min_runtime_version"] = ".".join(map(str, runtime))
    made.requirements["gpu"] = gpu
    made.origins["/gpu"] = _origin(users[0], "cwltool:CUDARequirement", "CUDARequirement")


def _capability(value: Any, tool: Tool) -> int:
    """Return `8.0` as 80; of a list the lowest."""
    if value is None:
        return 0
    found = [_CAPABILITY.fullmatch(str(each)) for each in (value if isinstance(value, list) else [value])]
    numbers = [int(match[1]) * 10 + int(match[2]) for match in found if match]
    if not numbers or len(numbers) < len(found):
        raise NoRequirement(
            _bad(tool, "cudaComputeCapability", f"cudaComputeCapability must be such as 8.0, not {value!r}")
        )
    return min(numbers)


def _dotted(value: Any, tool: Tool) -> tuple[int, ...]:
    if value is None:
        return ()
    if not re.fullmatch(r"\d{1,6}(\.\d{1,6}){0,3}", str(value)):
        raise NoRequirement(_bad(tool, "cudaVersionMin", f"cudaVersionMin must be such as 12.0, not {value!r}"))
    return tuple(map(int, str(value).split(".")))


def _software(tool: Tool, site: Site) -> Iterator[tuple[str, str]]:
    """Yield the expression of tags and the name of each package of which the VO says where it is."""
    for package in (tool.get("software") or {}).get("packages") or ():
        found = expression_of(package, site)
        if found is not None:
            try:
                tags.parse(found)
            except TagSyntaxError as error:
                told = (
                    f"{package['package']}: your VO's configuration has no tags for it that can be read: {error.detail}"
                )
                raise NoRequirement(problem("requirements", told).at(_place(tool, "software"))) from None
            yield found, package["package"]


def expression_of(package: Mapping[str, Any], site: Site) -> str | None:
    """Return the expression of tags that stands for a package, by its name or one of its URIs."""
    names = [package["package"], *(package.get("specs") or ())]
    return next((site.software[name] for name in names if name in site.software), None)


def refusals(tools: Sequence[Tool], site: Site) -> Iterator[Problem]:
    """Yield what of tools no job can have: containers and MPI that are required, and packages that nobody knows."""
    for tool in tools:
        docker, mpi, software = tool.get("docker"), tool.get("mpi"), tool.get("software")
        if docker and docker.get("level") != "hint":
            told = f"{_name(tool)} requires a container: no node has them yet; as a hint DockerRequirement is passed by"
            yield problem("unsupported-requirement", told).at(_place(tool, "docker"))
        if mpi and mpi.get("level") != "hint":
            told = f"{_name(tool)} requires MPI, which no site offers"
            yield problem("unsupported-requirement", told).at(_place(tool, "MPIRequirement"))
        for package in (software or {}).get("packages") or ():
            if expression_of(package, site) is None:
                told = f"{_name(tool)} needs the package {package['package']}: your VO does not say where it is"
                found = problem("unknown-package", told).at(_place(tool, "software"))
                yield replace(found, severity="warning") if (software or {}).get("level") == "hint" else found


def _number(value: Any, tool: Tool, word: str) -> int:
    """Return a number rounded up; raises `NoRequirement`."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise NoRequirement(_bad(tool, word, f"{word} of {_name(tool)} must be a number, not {value!r}"))
    if not 0 <= value < 2**31 or math.isnan(value):
        raise NoRequirement(_bad(tool, word, f"{word} of {_name(tool)} must be between 0 and {2**31 - 1}, not {value}"))
    return math.ceil(value)


def _is_true(value: Any) -> bool:
    return value is True or (isinstance(value, str) and value.lower() == "true")


def _bad(tool: Tool, word: str, detail: str) -> Problem:
    return problem("bad-expression", detail).at(_place(tool, word))


def _clash(tool: Tool, name: str, least: int, most: int) -> Problem:
    told = f"{name}Max of {_name(tool)}, {most}, is less than {name}Min, {least}"
    return problem("contradiction", told).at(_place(tool, f"{name}Max"))


def _origin(tool: Tool, word: str, key: str) -> Origin:
    return Origin(word, _name(tool), _place(tool, key))


def _name(tool: Tool) -> str:
    return str(tool.get("name") or tool.get("file") or "the document")


def _place(tool: Tool, word: str) -> Mapping[str, Any]:
    places = tool.get("places") or {}
    found: Mapping[str, Any] = places.get(word) or {"file": tool.get("file")}
    return found
