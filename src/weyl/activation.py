"""Puts extensions together: finds what cannot work, and merges what all of them say into one."""

import re
from collections.abc import Iterator, Sequence

from fastapi import APIRouter

from weyl.extension import Extension, ExtensionConflict, guard
from weyl.kit import points
from weyl.kit.operations import rewired

MERGED = "weyl and its extensions"
_NAME = re.compile(r"[a-z][a-z0-9_]*")


def activate(extensions: Sequence[Extension]) -> Extension:
    """Return all extensions as one; raises `ExtensionConflict` with everything that cannot work."""
    if found := problems(extensions):
        raise ExtensionConflict("\n".join(found))
    return _whole(extensions)


def problems(extensions: Sequence[Extension]) -> list[str]:
    """Return a sentence for each thing that keeps these extensions from working together."""
    if found := [problem for each in extensions for problem in points.misshapen(each)]:
        return found
    return [*_name_problems(extensions), *dict.fromkeys(points.problems(extensions, _whole(extensions)))]


def routers_of(extension: Extension) -> list[APIRouter]:
    """Return the routers of merged extensions, with what some of them replace and forbid in those of others."""
    guards = {name: [guard(name, policy)] for name, policy in extension.policies.items()}
    return rewired(extension.routers, endpoints=extension.replaces, guards=guards)


def _whole(extensions: Sequence[Extension]) -> Extension:
    return Extension(name=MERGED, **points.merged(Extension, extensions))


def _name_problems(extensions: Sequence[Extension]) -> Iterator[str]:
    names = [each.name for each in extensions]
    for name in dict.fromkeys(names):
        if names.count(name) > 1:
            yield f"Two extensions are called {name}; the name of each must be its own"
        if not _NAME.fullmatch(name):
            yield f"{name!r} is not a name for an extension; use lower case letters, digits and _, such as example_vo"
