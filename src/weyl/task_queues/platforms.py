"""Legacy platform strings such as `x86_64_v3-el9`: what they ask of a processor and an operating system."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from weyl.task_queues import architectures, tags

ANY = "any"
_X86_LEVEL = re.compile(r"x86_64_v([1-4])")
_ARM_STEP = re.compile(r"armv([89])\.(\d)_a")
_X86_NAMES = {"nehalem": 2, "westmere": 2, "sandybridge": 2, "ivybridge": 2, "haswell": 3, "broadwell": 3, "skylake": 3}
_X86_NAMES |= {"skylake_avx512": 4, "cannonlake": 4}
_ARM_STEPS = len(architectures.ARM_STEP_FEATURES)


@dataclass(frozen=True, slots=True)
class Platform:
    """One platform string, read; `system` None stands for `any`."""

    name: str
    features: frozenset[str]
    system: str | None


@dataclass(frozen=True, slots=True)
class PlatformNeed:
    """What a list of acceptable platforms comes to: an architecture block and a tag expression, either may be empty."""

    architecture: dict[str, object]
    tags: str


def parse_platform(text: str) -> Platform | None:
    """Read one platform string; None if it follows no known form."""
    cpu, _, rest = text.partition("-")
    system, _, extensions = rest.partition(".")
    if not system or not tags.is_atom(f"os:{system}"):
        return None
    found = _cpu(cpu)
    if found is None:
        return None
    name, features = found
    if extensions:
        features |= architectures.features_of_flags(extensions.split("+"))
    return Platform(name, features, None if system.lower() == ANY else system)


def need_of_platforms(platforms: Iterable[str]) -> PlatformNeed:
    """Turn the platforms that a job accepts into requirements; falls back to exact `platform:` tags."""
    wanted = sorted(set(platforms))
    if not wanted or any(text.lower() == ANY for text in wanted):
        return PlatformNeed({}, "")
    parsed = [parse_platform(text) for text in wanted]
    readable = [platform for platform in parsed if platform is not None]
    if len(readable) == len(parsed):
        need = _minimum(readable)
        if need is not None:
            return need
    spelled = [tags.Expression("atom", name=f"platform:{text}") for text in wanted if tags.is_atom(f"platform:{text}")]
    return PlatformNeed({}, str(tags.disjunction(spelled)))


def platforms_offered(own: str | None, compatibility: Mapping[str, Iterable[str]]) -> frozenset[str]:
    """Name the platforms that a node of platform `own` can run: itself, and what the configuration says."""
    if own is None:
        return frozenset()
    return frozenset([own, *compatibility.get(own, ())])


def own_platform(architecture: str, features: frozenset[str], system: str | None) -> str:
    """Name the platform of a node from its processor and operating system, as the legacy strings do."""
    end = system or ANY
    if architecture == "x86_64":
        return f"x86_64_v{architectures.x86_level(features)}-{end}"
    if architecture == "aarch64":
        return f"{architectures.arm_profile(features).replace('-', '_')}-{end}"
    return f"{architecture}-{end}"


def _cpu(text: str) -> tuple[str, frozenset[str]] | None:
    if text in ("x86_64", "aarch64"):
        return text, frozenset()
    if text == "core2":
        return "x86_64", frozenset(["ssse3"])
    if text in _X86_NAMES:
        return "x86_64", architectures.features_of_level(f"x86-64-v{_X86_NAMES[text]}")
    if level := _X86_LEVEL.fullmatch(text):
        return "x86_64", architectures.features_of_level(f"x86-64-v{level[1]}")
    if step := _ARM_STEP.fullmatch(text):
        return "aarch64", architectures.features_of_profile(f"armv{step[1]}.{step[2]}-a")
    return None


def _minimum(platforms: list[Platform]) -> PlatformNeed | None:
    """A list can be a minimum only if it is of one family, upward closed, and the same for every named system."""
    name = platforms[0].name
    if any(platform.name != name for platform in platforms):
        return None
    listed: dict[str | None, set[frozenset[str]]] = {}
    for platform in platforms:
        listed.setdefault(platform.system, set()).add(platform.features)
    least = {}
    for system, sets in listed.items():
        lowest = min(sets, key=len)
        if not _is_upward_closed(name, lowest, sets):
            return None
        least[system] = lowest
    if None in least:
        # `any` stands for every system: the named ones add nothing as long as they ask for no less
        if any(not least[None] <= features for features in least.values()):
            return None
        return PlatformNeed(_block(name, least[None]), "")
    if len(set(least.values())) != 1:
        return None
    systems = sorted(f"os:{system}" for system in least if system is not None)
    return PlatformNeed(_block(name, next(iter(least.values()))), " | ".join(systems))


def _is_upward_closed(name: str, lowest: frozenset[str], sets: set[frozenset[str]]) -> bool:
    """Everything above the lowest must be acceptable too; a single platform is taken as "this or better"."""
    if any(not lowest <= other for other in sets):
        return False
    return len(sets) == 1 or all(step in sets for step in _steps(name) if lowest < step)


def _steps(name: str) -> list[frozenset[str]]:
    if name == "x86_64":
        return [architectures.features_of_level(f"x86-64-v{level}") for level in range(1, 5)]
    return [architectures.features_of_profile(f"armv8.{step}-a") for step in range(_ARM_STEPS)]


def _block(name: str, features: frozenset[str]) -> dict[str, object]:
    for level in range(1, 5):
        if name == "x86_64" and features == architectures.features_of_level(f"x86-64-v{level}"):
            return {"name": name, "level": f"x86-64-v{level}"} if level > 1 else {"name": name}
    for step in range(_ARM_STEPS):
        if name == "aarch64" and features == architectures.features_of_profile(f"armv8.{step}-a"):
            return {"name": name, "profile": f"armv8.{step}-a"}
    return {"name": name, "required_features": sorted(features)} if features else {"name": name}
