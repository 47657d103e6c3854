"""The rules that a requirements document must keep; every violation is reported, not only the first."""

import difflib
import re
from collections.abc import Mapping
from typing import Any

from weyl.task_queues import architectures, tags
from weyl.task_queues.errors import Problem, TagSyntaxError

CPU_WORK_MAX = 10**12
WALL_TIME_MAX = 31_536_000
COUNT_MAX = 65_535
RAM_MB_MAX = 2**31
SITES_MAX = 1_000
AVOID_MAX = 8
OPPORTUNISTIC = "gpu:opportunistic-cpu-ok"

_FIELDS: dict[str, tuple[str, ...]] = {
    "": ("system", "cpu_work_db12", "wall_time", "cpu", "gpu", "io", "tags"),
    "/system": ("name",),
    "/cpu": ("num_cores", "whole_node", "ram_mb", "architecture"),
    "/cpu/num_cores": ("min", "max"),
    "/cpu/ram_mb": ("request", "limit"),
    "/cpu/ram_mb/request": ("overhead", "per_core"),
    "/cpu/ram_mb/limit": ("overhead", "per_core"),
    "/cpu/architecture": ("name", "level", "profile", "required_features"),
    "/gpu": ("vendor", "arch", "vram_mb_per_gpu", "min_runtime_version", "count"),
    "/gpu/count": ("min", "max"),
    "/io": ("scratch_mb",),
}
_INTEGERS: dict[str, tuple[int, int]] = {
    "/cpu_work_db12": (1, CPU_WORK_MAX),
    "/wall_time": (1, WALL_TIME_MAX),
    "/cpu/num_cores/min": (1, COUNT_MAX),
    "/cpu/num_cores/max": (1, COUNT_MAX),
    "/cpu/ram_mb/request/overhead": (0, RAM_MB_MAX),
    "/cpu/ram_mb/request/per_core": (0, RAM_MB_MAX),
    "/cpu/ram_mb/limit/overhead": (0, RAM_MB_MAX),
    "/cpu/ram_mb/limit/per_core": (0, RAM_MB_MAX),
    "/gpu/vram_mb_per_gpu": (1, RAM_MB_MAX),
    "/gpu/count/min": (0, COUNT_MAX),
    "/gpu/count/max": (0, COUNT_MAX),
    "/io/scratch_mb": (0, RAM_MB_MAX),
}
_TEXTS: dict[str, re.Pattern[str]] = {
    "/system/name": re.compile(r".{1,64}"),
    "/cpu/architecture/name": re.compile(r"[A-Za-z0-9_]{1,32}"),
    "/cpu/architecture/level": re.compile(r"x86-64-v\d"),
    "/cpu/architecture/profile": re.compile(r"armv\d{1,2}\.\d{1,2}-a"),
    "/gpu/vendor": re.compile(r"[a-z0-9_-]{1,32}"),
    "/gpu/arch": re.compile(r"[a-z]{1,8}_[0-9a-z]{1,8}"),
    "/gpu/min_runtime_version": re.compile(r"\d{1,6}(\.\d{1,6}){0,3}"),
}


def problems_of(document: Mapping[str, Any]) -> list[Problem]:
    """List every rule that a resolved requirements document breaks; pointers are relative to the document."""
    found: list[Problem] = []
    _check_shape("", document, found)
    if found:
        return found
    if document.get("cpu_work_db12") is None and document.get("wall_time") is None:
        found.append(Problem("", "either cpu_work_db12 or wall_time must be given"))
    expression = _check_tags(document, found)
    cpu = document.get("cpu") or {}
    _check_order(cpu.get("num_cores") or {}, "/cpu/num_cores", found)
    _check_ram(cpu.get("ram_mb") or {}, found)
    _check_architecture(cpu.get("architecture") or {}, expression, found)
    if document.get("gpu") is not None:
        _check_gpu(document["gpu"], expression, found)
    return found


def problems_of_words(document: Mapping[str, Any]) -> list[Problem]:
    """List what a person must not write as tags, though the matcher could read it: long ones, reserved prefixes."""
    try:
        tags.parse_authored(str(document.get("tags") or ""))
    except TagSyntaxError as error:
        return [Problem("/tags", str(error.detail), error.suggestion)]
    return []


def _check_shape(pointer: str, value: Any, found: list[Problem]) -> None:
    if value is None:
        return
    if pointer in _FIELDS:
        if not isinstance(value, Mapping):
            found.append(Problem(pointer, "must be an object"))
            return
        for name, inner in value.items():
            if name not in _FIELDS[pointer]:
                near = difflib.get_close_matches(str(name), _FIELDS[pointer], n=1)
                found.append(Problem(f"{pointer}/{name}", "is not a known field", near[0] if near else None))
            else:
                _check_shape(f"{pointer}/{name}", inner, found)
    else:
        _check_value(pointer, value, found)


def _check_value(pointer: str, value: Any, found: list[Problem]) -> None:
    if pointer in _INTEGERS:
        low, high = _INTEGERS[pointer]
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            found.append(Problem(pointer, f"must be an integer from {low} to {high}"))
    elif pointer in _TEXTS:
        if not isinstance(value, str) or not _TEXTS[pointer].fullmatch(value):
            found.append(Problem(pointer, f"must be a text of the form {_TEXTS[pointer].pattern}"))
    elif pointer == "/cpu/whole_node":
        if not isinstance(value, bool):
            found.append(Problem(pointer, "must be true or false"))
    elif pointer == "/tags":
        if not isinstance(value, str):
            found.append(Problem(pointer, "must be a tag expression"))
    elif not isinstance(value, list | tuple) or not all(isinstance(entry, str) for entry in value):
        found.append(Problem(pointer, "must be a list of texts"))


def _check_tags(document: Mapping[str, Any], found: list[Problem]) -> tags.Expression:
    try:
        expression = tags.parse(document.get("tags") or "")
    except TagSyntaxError as error:
        found.append(Problem("/tags", str(error.detail), error.suggestion))
        return tags.ALWAYS
    if not tags.is_possible(expression):
        found.append(Problem("/tags", "no pilot can ever satisfy it: it asks for a tag that it also excludes"))
    return expression


def _check_order(bounds: Mapping[str, Any], pointer: str, found: list[Problem]) -> None:
    low, high = bounds.get("min"), bounds.get("max")
    if low is not None and high is not None and low > high:
        found.append(Problem(pointer, f"min {low} is above max {high}"))


def _check_ram(ram: Mapping[str, Any], found: list[Problem]) -> None:
    request, limit = ram.get("request") or {}, ram.get("limit") or {}
    if not request or not limit:
        return
    found.extend(
        Problem(f"/cpu/ram_mb/limit/{term}", f"is below the request of {request.get(term) or 0} MB")
        for term in ("overhead", "per_core")
        if (limit.get(term) or 0) < (request.get(term) or 0)
    )


def _check_architecture(block: Mapping[str, Any], expression: tags.Expression, found: list[Problem]) -> None:
    at = "/cpu/architecture"
    name, level, profile = block.get("name"), block.get("level"), block.get("profile")
    features = block.get("required_features") or []
    if name is not None and any(atom.startswith("arch:") for atom in tags.atoms(expression)):
        found.append(Problem(f"{at}/name", "give either an architecture or an arch: tag, not both"))
    if level is not None and name != "x86_64":
        found.append(Problem(f"{at}/level", "is for x86_64 only"))
    if profile is not None and name != "aarch64":
        found.append(Problem(f"{at}/profile", "is for aarch64 only"))
    if level is not None and features:
        found.append(Problem(f"{at}/required_features", "give either a level or features, not both"))
    if features and name is None:
        found.append(Problem(f"{at}/required_features", "need the name of the architecture"))
    if name in architectures.KNOWN_FEATURES:
        known = architectures.KNOWN_FEATURES[name]
        found.extend(
            Problem(
                f"{at}/required_features/{index}",
                f"{feature!r} is not a known feature of {name}",
                architectures.nearest_feature(name, feature),
            )
            for index, feature in enumerate(features)
            if feature not in known
        )


def _check_gpu(block: Mapping[str, Any], expression: tags.Expression, found: list[Problem]) -> None:
    count = block.get("count") or {}
    if count.get("min") is None or count.get("max") is None:
        found.append(Problem("/gpu/count", "a gpu block needs count with min and max"))
        return
    _check_order(count, "/gpu/count", found)
    if count["max"] > 0:
        found.extend(
            Problem(f"/gpu/{name}", "is required in a gpu block")
            for name in ("vendor", "arch")
            if block.get(name) is None
        )
    if count["min"] == 0 and not tags.requires(expression, OPPORTUNISTIC):
        found.append(Problem("/gpu/count/min", f"0 is allowed only if the tags require {OPPORTUNISTIC}"))
