"""From YAML text to a configuration, and from a fault in it to the line where it is."""

import types
from collections.abc import Mapping
from typing import Annotated, Any, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from weyl.config.errors import InvalidConfig, Problem
from weyl.config.models import DEFAULTS, Config
from weyl.config.references import Misfit, misfits
from weyl.kit.likeness import most_like

Location = tuple[int | str, ...]
NODES_MAX = 500_000
"""How many values a document may have once its aliases are spelled out."""
DEPTH_MAX = 50
"""How deeply sections may be nested, aliases spelled out: what is read must be written as JSON, too."""
NUMBER_LENGTH_MAX = 100
PROBLEMS_MAX = 100
"""How many faults are told at once: to find the line of one takes a walk through the document."""

# What JSON can say. The other tags of YAML (binary, set, omap, pairs, and those that make objects) are refused.
_TAGS = {
    f"tag:yaml.org,2002:{name}"
    for name in ("bool", "float", "int", "map", "merge", "null", "seq", "str", "timestamp", "value")
}
_NUMBERS = {"tag:yaml.org,2002:float", "tag:yaml.org,2002:int"}

# Pydantic's own words are for programmers; these are for whoever edits the document.
_MESSAGES = {
    "missing": "is missing",
    "string_type": "must be text; write it in quotes if it looks like a number",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "list_type": "must be a list",
    "set_type": "must be a list",
    "frozen_set_type": "must be a list",
    "dict_type": "must be a mapping",
    "model_type": "must be a mapping",
    "model_attributes_type": "must be a mapping",
}


def parse_config(text: str, model: type[Config] = Config) -> Config:
    """Read a configuration; raises `InvalidConfig` with every fault, its line and its path.

    `model` is `Config` with the sections of the extensions that are active.
    """
    root = _compose(text)
    _inspect(root)
    document = _construct(root)
    if not isinstance(document, dict):
        raise InvalidConfig([Problem("The configuration must be a mapping with the sections DIRAC and Registry")])
    try:
        config = model.model_validate(document, by_name=False)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=True)
        problems = [_problem(details, root, model) for details in found[:PROBLEMS_MAX]]
        raise _invalid(problems, left_out=len(found) - len(problems)) from error
    wrong = list(misfits(config))
    if wrong:
        problems = [_misfit_problem(each, root) for each in wrong[:PROBLEMS_MAX]]
        raise _invalid(problems, left_out=len(wrong) - len(problems))
    return config


def as_written(text: str) -> Any:
    """Return what a document says, without defaults and also where it is no configuration; None if it is not YAML."""
    try:
        root = _compose(text)
        _inspect(root)
        return _construct(root)
    except InvalidConfig:
        return None


def nearest(name: str, known: Mapping[str, object]) -> str | None:
    """Return the known name that the writer of `name` most likely meant."""
    by_lower = {candidate.lower(): candidate for candidate in known}
    matches = most_like(name.lower(), by_lower)
    return by_lower[matches[0]] if matches else None


def _compose(text: str) -> yaml.Node:
    try:
        node = yaml.compose(text, Loader=yaml.CSafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 0
        raise InvalidConfig([Problem(f"This is not YAML: {error.problem or error.context}", line=line)]) from error
    except yaml.YAMLError as error:
        raise InvalidConfig([Problem(f"This is not YAML: {error}")]) from error
    except UnicodeEncodeError as error:  # half of a character
        line = text.count("\n", 0, error.start) + 1
        raise InvalidConfig([Problem("This is not YAML: it is not all text", line=line)]) from error
    if node is None:
        raise InvalidConfig([Problem("The configuration is empty")])
    return node


def _construct(root: yaml.Node) -> Any:
    constructor = yaml.constructor.SafeConstructor()
    try:
        return constructor.construct_document(root)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        raise InvalidConfig([Problem(f"This is not YAML: {error.problem}", line=line)]) from error
    except (ValueError, TypeError) as error:  # an impossible date, a list as a key
        raise InvalidConfig([Problem(f"This is not YAML: {error}")]) from error
    except (LookupError, AttributeError) as error:  # how PyYAML fails at `!!bool maybe`, `!!int ""`, `!!timestamp x`
        raise InvalidConfig(
            [Problem("This is not YAML: a value does not fit the tag that is written before it")]
        ) from error


def _invalid(problems: list[Problem], *, left_out: int = 0) -> InvalidConfig:
    more = [Problem(f"There are {left_out} more faults")] if left_out > 0 else []
    return InvalidConfig([*problems, *more])


class _Inspection:
    """Looks at every node once: keys given twice, nodes that contain themselves, aliases that multiply, odd tags."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self._seen: dict[int, tuple[int, int]] = {}
        self._open: set[int] = set()

    def visit(self, node: yaml.Node, path: Location) -> tuple[int, int]:
        """Return how many nodes this one stands for, once its aliases are spelled out, and how deep they are nested."""
        if id(node) in self._seen:
            return self._seen[id(node)]
        if id(node) in self._open:
            self._add("refers to itself", path, node)
            return 1, 1
        if len(path) > DEPTH_MAX:
            return 1, DEPTH_MAX
        self._open.add(id(node))
        self._check_tag(node, path)
        inner: list[tuple[int, int]] = []
        if isinstance(node, yaml.SequenceNode):
            inner = [self.visit(item, (*path, index)) for index, item in enumerate(node.value)]
        elif isinstance(node, yaml.MappingNode):
            self._check_keys(node, path)
            inner = [self.visit(value, (*path, _key_text(key))) for key, value in node.value]
        self._open.discard(id(node))
        size, depth = 1 + sum(size for size, _ in inner), 1 + max((depth for _, depth in inner), default=0)
        self._seen[id(node)] = size, depth
        return size, depth

    def _check_tag(self, node: yaml.Node, path: Location) -> None:
        if node.tag not in _TAGS:
            self._add(f"has the tag {node.tag[:80]}, which is not used here", path, node)
        elif node.tag in _NUMBERS and len(node.value) > NUMBER_LENGTH_MAX:
            self._add(
                f"is too long a number; write it in quotes if it is text (it has {len(node.value)} digits)", path, node
            )

    def _check_keys(self, node: yaml.MappingNode, path: Location) -> None:
        lines: dict[str, int] = {}
        for key, _ in node.value:
            name = _key_text(key)
            self._check_tag(key, (*path, name))
            if not isinstance(key, yaml.ScalarNode):
                self._add("is not a name; keys are plain text", (*path, name), key)
            elif name in lines and key.tag != "tag:yaml.org,2002:merge":
                self._add(f"is given twice, first in line {lines[name]}", (*path, name), key)
            lines.setdefault(name, key.start_mark.line + 1)

    def _add(self, message: str, path: Location, node: yaml.Node) -> None:
        self.problems.append(Problem(message, path_text(path), node.start_mark.line + 1))


def _key_text(key: yaml.Node) -> str:
    return key.value if isinstance(key, yaml.ScalarNode) else "[…]"


def _inspect(root: yaml.Node) -> None:
    inspection = _Inspection()
    size, depth = inspection.visit(root, ())
    if size > NODES_MAX:
        inspection.problems.append(Problem(f"The document has more than {NODES_MAX:,} values, aliases spelled out"))
    if depth > DEPTH_MAX:
        inspection.problems.append(Problem(f"The document is nested more than {DEPTH_MAX} deep, aliases spelled out"))
    if problems := inspection.problems:
        raise _invalid(problems[:PROBLEMS_MAX], left_out=len(problems) - PROBLEMS_MAX)


def _problem(details: ErrorDetails, root: yaml.Node, model: type[Config]) -> Problem:
    location = tuple(part for part in details["loc"] if part != "[key]")
    kind = details["type"]
    message = _MESSAGES.get(kind, details["msg"][:1].lower() + details["msg"][1:])
    if kind == "extra_forbidden":
        known = known_keys(location[:-1], model)
        guess = nearest(str(location[-1]), known)
        message = f"is not known here; did you mean {guess}?" if guess else _listing(known)
    return Problem(message, path_text(location), line_of(root, location))


def _misfit_problem(misfit: Misfit, root: yaml.Node) -> Problem:
    beside = f" (see line {line_of(root, misfit.first)})" if misfit.first else ""
    return Problem(f"{misfit.message}{beside}", path_text(misfit.at), line_of(root, misfit.at))


def _listing(known: Mapping[str, object]) -> str:
    return f"is not known here; known are {', '.join(sorted(known))}" if known else "is not known here"


def path_text(location: Location) -> str:
    """Return a path as people write it: `Registry.voa.Groups.user`."""
    return ".".join(str(part) for part in location)


def line_of(root: yaml.Node, location: Location) -> int:
    """Return the line of the deepest part of `location` that the document has, counted from 1.

    What a VO does not say itself comes from `Operations.Defaults`, so that is where a fault inherited from it is.
    """
    line, depth = _descend(root, location)
    if location[:1] == ("Operations",) and depth < len(location):
        inherited = _descend(root, ("Operations", DEFAULTS, *location[2:]))
        if inherited[1] > depth:
            return inherited[0]
    return line


def _descend(node: yaml.Node, location: Location) -> tuple[int, int]:
    line = node.start_mark.line + 1
    for depth, part in enumerate(location):
        child = _child(node, part)
        if child is None:
            return line, depth
        line, node = child
    return line, len(location)


def _child(node: yaml.Node, part: int | str) -> tuple[int, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if str(key.value) == str(part):
                return key.start_mark.line + 1, value
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        item = node.value[part]
        return item.start_mark.line + 1, item
    return None


def known_keys(location: Location, model: type[BaseModel] = Config) -> dict[str, object]:
    """Return the keys that the section at `location` may have, with the type of each; none if it is not a section."""
    current: object = model
    for part in location:
        current = _step(current, part)
    current = _plain(current)
    if isinstance(current, type) and issubclass(current, BaseModel):
        return {info.alias or name: info.annotation for name, info in current.model_fields.items()}
    return {}


def _step(annotation: object, part: int | str) -> object:
    plain = _plain(annotation)
    if isinstance(plain, type) and issubclass(plain, BaseModel):
        by_alias = {info.alias or name: info.annotation for name, info in plain.model_fields.items()}
        return by_alias.get(str(part))
    if get_origin(plain) in (dict, list, frozenset):
        return get_args(plain)[-1]
    return None


def _plain(annotation: object) -> object:
    """Strip `Annotated` and `| None`."""
    if get_origin(annotation) is Annotated:
        return _plain(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        real = [choice for choice in get_args(annotation) if choice is not type(None)]
        return _plain(real[0])
    return annotation
