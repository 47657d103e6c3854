"""The label of a workflow, which DiracX computes as well, and the names of its jobs."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

import yaml

from weyl.cwl.models.manifest import TEXT_PATH

ALIASES_MAX = 1_000
NODES_MAX = 1_000_000
DEPTH_MAX = 64
CHARACTERS_MAX = 16 << 20
"""Characters of all scalars, as often as aliases repeat them."""
# A text may hold what JSON does not: dates, bytes, keys of several types, numbers of too many digits. And PyYAML fails
# in its own ways on tags that do not fit, such as `!!bool 1:30`, as the peer does.
_UNREADABLE = (
    yaml.YAMLError,
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)
JOB_NAME = "cwl-job"
NAME_LENGTH_MAX = 128


def workflow_label(text: str) -> str | None:
    """Return the id that DiracX gives a text, 64 hexadecimal digits; None where it would have none.

    It is sha256 of `json.dumps(document, sort_keys=True)`, the document read as YAML 1.1 by PyYAML. It is no identity:
    texts that mean different things in YAML 1.2 may have one label.
    """
    try:
        if not _is_small(text):
            return None
        document = yaml.load(text, yaml.CSafeLoader)
        written = json.dumps(document, sort_keys=True)
    except _UNREADABLE:
        return None
    return hashlib.sha256(written.encode()).hexdigest()


def _is_small(text: str) -> bool:
    """Tell whether a text stays small when its aliases are written out."""
    depth = aliases = 0
    for event in yaml.parse(text, yaml.CSafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.AliasEvent):
            aliases += 1
        if depth > DEPTH_MAX or aliases > ALIASES_MAX:
            return False
    if not aliases:
        return True
    nodes, characters = _expanded(yaml.compose(text, yaml.CSafeLoader), {}, 0)
    return nodes <= NODES_MAX and characters <= CHARACTERS_MAX


def _expanded(node: Any, known: dict[int, tuple[int, int]], depth: int) -> tuple[int, int]:
    """Return how many nodes and characters a node comes to; one that holds itself comes to too many."""
    if depth > 2 * DEPTH_MAX:
        return NODES_MAX + 1, 0
    if id(node) not in known:
        nodes, characters = 1, 0
        if isinstance(node, yaml.ScalarNode):
            characters = len(node.value)
        else:
            for child in _children(node):
                more, longer = _expanded(child, known, depth + 1)
                nodes, characters = min(nodes + more, NODES_MAX + 1), characters + longer
        known[id(node)] = nodes, characters
    return known[id(node)]


def _children(node: Any) -> list[Any]:
    if isinstance(node, yaml.MappingNode):
        return [each for pair in node.value for each in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def plain_name(label: str | None, name: str | None, entry: str = TEXT_PATH) -> str:
    """Return what jobs of a workflow are called: its label, else the last part of its id, else its file."""
    file = "" if entry == TEXT_PATH else PurePosixPath(entry).stem
    return _one_line(label) or _one_line(name) or _one_line(file) or JOB_NAME


def job_name(plain: str, inputs: Mapping[str, Any]) -> str:
    """Return what one job is called: the plain name, and its scalar inputs after it, cut to what a name may have."""
    told = ", ".join(f"{name}={_shown(value)}" for name, value in inputs.items() if _is_scalar(value))
    return (f"{plain} ({told})" if told else plain)[:NAME_LENGTH_MAX]


def _is_scalar(value: object) -> bool:
    return isinstance(value, str | int | float)


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return _one_line(str(value)[:NAME_LENGTH_MAX])


def _one_line(text: str | None) -> str:
    """Return a text with blanks where it has what would break a line or a terminal."""
    return "".join(character if character.isprintable() else " " for character in text or "").strip()
