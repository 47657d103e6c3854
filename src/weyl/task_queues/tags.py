"""Tag expressions: read once into a normal form, then evaluated against the tags that a pilot offers."""

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from weyl.task_queues.errors import TagSyntaxError

EXPRESSION_LENGTH_MAX = 1024
ATOMS_MAX = 16
NESTING_MAX = 64

ATOM = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/-]*")


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# What a pilot says of each Python that payloads find on its node; before it has looked, nodes are thought to have all.
PYTHONS = frozenset(f"python-3.{minor}" for minor in range(9, 31))

# Reserved prefixes: the part after the colon comes from a closed list, so that a typing error is found at submission
# and not by a job that waits for ever. None: any value is accepted after the prefix.
RESERVED: dict[str, frozenset[str] | None] = {
    "os": _names(
        "slc6 centos7 el7 el8 el9 el10 ubuntu20 ubuntu22 ubuntu24 ubuntu26 debian11 debian12 debian13 suse15 suse16"
    ),
    "cvmfs": None,
    "network": _names("outbound inbound 1gbe 10gbe 25gbe 40gbe 100gbe infiniband lhcone ipv6 wan-degraded"),
    "hostfeat": _names(
        "container apptainer cwl fuse_overlayfs userns cgroup_memory io_uring ptrace net_admin nested_userns mpi"
    )
    | PYTHONS,
    "gpu": frozenset(["opportunistic-cpu-ok"]),
    "arch": _names("ppc64le riscv64 s390x loongarch64"),
}
# One concept, one place: what has a field of its own is refused as a tag.
FIELD_INSTEAD = {
    "site": "sites or banned_sites",
    "cores": "requirements.cpu.num_cores",
    "level": "requirements.cpu.architecture.level",
    "vendor": "requirements.gpu.vendor",
    "platform": "requirements.system and requirements.cpu.architecture (platform: tags are made by the server)",
}

Kind = Literal["atom", "not", "and", "or"]


@dataclass(frozen=True, slots=True)
class Expression:
    """A tag expression in negation normal form; an empty `and` is always true, an empty `or` is never true."""

    kind: Kind
    name: str = ""
    parts: tuple["Expression", ...] = ()

    def __str__(self) -> str:
        if self.kind == "atom":
            return self.name
        if self.kind == "not":
            return f"~{self.name}"
        if not self.parts:
            return "" if self.kind == "and" else "~"
        sign = " & " if self.kind == "and" else " | "
        return sign.join(f"({part})" if part.parts else str(part) for part in self.parts)


ALWAYS = Expression("and")
NEVER = Expression("or")


@lru_cache(maxsize=10_000)
def parse(text: str) -> Expression:
    """Read an expression of any size into its normal form; equal meaning spelled differently mostly comes out equal."""
    if not text.strip():
        return ALWAYS
    if text.strip() == "~":
        return NEVER
    return _Parser(text).expression()


def parse_authored(text: str) -> Expression:
    """Read an expression written by a person: as `parse`, with the limits and the reserved prefixes checked."""
    if len(text) > EXPRESSION_LENGTH_MAX:
        raise TagSyntaxError(
            f"a tag expression has at most {EXPRESSION_LENGTH_MAX} characters, this one has {len(text)}",
            EXPRESSION_LENGTH_MAX,
        )
    if text.strip() == "~":
        raise TagSyntaxError("a tag is missing after ~", len(text.rstrip()))
    expression = parse(text)
    found = list(ATOM.finditer(text))
    if len(found) > ATOMS_MAX:
        raise TagSyntaxError(
            f"a tag expression names at most {ATOMS_MAX} tags, this one names {len(found)}", found[ATOMS_MAX].start()
        )
    for match in found:
        _check_atom(match.group(), match.start())
    return expression


def is_atom(text: str) -> bool:
    """Say whether a text can be a tag."""
    return ATOM.fullmatch(text) is not None


def evaluate(expression: Expression, tags: frozenset[str]) -> bool:
    """Say whether an offer with these tags satisfies the expression."""
    if expression.kind == "atom":
        return expression.name in tags
    if expression.kind == "not":
        return expression.name not in tags
    # Plain loops: a generator for each expression takes longer than what it does, thousands of times a question.
    wanted = expression.kind == "or"
    for part in expression.parts:
        if evaluate(part, tags) is wanted:
            return wanted
    return not wanted


def requires(expression: Expression, atom: str) -> bool:
    """Say whether the expression is false for every offer without this tag."""
    if expression.kind == "atom":
        return expression.name == atom
    if expression.kind == "not":
        return False
    if expression.kind == "and":
        return any(requires(part, atom) for part in expression.parts)
    return all(requires(part, atom) for part in expression.parts)


def is_possible(expression: Expression) -> bool:
    """Say whether any tags at all satisfy the expression; each way to read its alternatives is tried."""
    return _is_possible([expression], frozenset(), frozenset())


def _is_possible(wanted: list[Expression], held: frozenset[str], excluded: frozenset[str]) -> bool:
    """Say whether all of `wanted` can hold where some tags are already there, or must not be."""
    if not wanted:
        return True
    first, rest = wanted[0], wanted[1:]
    if first.kind == "atom":
        return first.name not in excluded and _is_possible(rest, held | {first.name}, excluded)
    if first.kind == "not":
        return first.name not in held and _is_possible(rest, held, excluded | {first.name})
    if first.kind == "and":
        # what leaves no choice comes first, so that impossible choices are seen at once
        ordered = sorted([*first.parts, *rest], key=lambda part: part.kind == "or")
        return _is_possible(ordered, held, excluded)
    return any(_is_possible([part, *rest], held, excluded) for part in first.parts)


def atoms(expression: Expression) -> frozenset[str]:
    """Name the tags that occur in an expression."""
    if expression.kind in ("atom", "not"):
        return frozenset([expression.name])
    return frozenset().union(*(atoms(part) for part in expression.parts))


def conjunction(parts: list[Expression]) -> Expression:
    """Join expressions that must all hold."""
    return _combine("and", parts)


def disjunction(parts: list[Expression]) -> Expression:
    """Join expressions of which one must hold."""
    return _combine("or", parts)


def _combine(kind: Literal["and", "or"], parts: list[Expression]) -> Expression:
    neutral, absorbing = (ALWAYS, NEVER) if kind == "and" else (NEVER, ALWAYS)
    flat: set[Expression] = set()
    for part in parts:
        if part == absorbing:
            return absorbing
        flat.update(part.parts if part.kind == kind else [part])
    plain = {part.name for part in flat if part.kind == "atom"}
    if any(part.kind == "not" and part.name in plain for part in flat):
        return absorbing
    if not flat:
        return neutral
    if len(flat) == 1:
        return flat.pop()
    return Expression(kind, parts=tuple(sorted(flat, key=str)))


def _check_atom(atom: str, position: int) -> None:
    prefix, colon, value = atom.partition(":")
    if not colon:
        return
    if prefix in FIELD_INSTEAD:
        raise TagSyntaxError(f"{atom!r} cannot be a tag: use {FIELD_INSTEAD[prefix]}", position)
    known = RESERVED.get(prefix)
    if known is not None and value not in known:
        near = difflib.get_close_matches(value, sorted(known), n=1, cutoff=0.5)
        raise TagSyntaxError(
            f"{atom!r} is not a known {prefix}: tag", position, suggestion=f"{prefix}:{near[0]}" if near else None
        )


class _Parser:
    """Reads `~` before `&` before `|`; negation is pushed down to the tags while reading."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(_tokens(text))
        self._next = 0
        self._depth = 0

    def expression(self) -> Expression:
        found = self._either(negated=False)
        token, position = self._peek()
        if token:
            expected = "an operator (& or |)" if ATOM.match(token) or token in "~(" else "the end"
            raise TagSyntaxError(f"expected {expected}, found {token!r}", position)
        return found

    def _either(self, *, negated: bool) -> Expression:
        parts = [self._both(negated=negated)]
        while self._peek()[0] == "|":
            self._next += 1
            parts.append(self._both(negated=negated))
        return _combine("and" if negated else "or", parts)

    def _both(self, *, negated: bool) -> Expression:
        parts = [self._single(negated=negated)]
        while self._peek()[0] == "&":
            self._next += 1
            parts.append(self._single(negated=negated))
        return _combine("or" if negated else "and", parts)

    def _single(self, *, negated: bool) -> Expression:
        token, position = self._peek()
        while token == "~":
            negated = not negated
            self._next += 1
            token, position = self._peek()
        if token == "(":
            return self._parenthesis(position, negated=negated)
        if not token:
            raise TagSyntaxError("a tag is missing at the end", position)
        if token in "&|)":
            raise TagSyntaxError(f"expected a tag, found {token!r}", position)
        self._next += 1
        return Expression("not" if negated else "atom", name=token)

    def _parenthesis(self, opened: int, *, negated: bool) -> Expression:
        self._depth += 1
        if self._depth > NESTING_MAX:
            raise TagSyntaxError(f"parentheses are nested deeper than {NESTING_MAX}", opened)
        self._next += 1
        found = self._either(negated=negated)
        token, position = self._peek()
        if token != ")":
            raise TagSyntaxError(f"the parenthesis opened at character {opened + 1} is not closed", position)
        self._next += 1
        self._depth -= 1
        return found

    def _peek(self) -> tuple[str, int]:
        return self._tokens[self._next] if self._next < len(self._tokens) else ("", len(self._text))


def _tokens(text: str) -> Iterator[tuple[str, int]]:
    position = 0
    while position < len(text):
        sign = text[position]
        if sign in " \t\r\n":
            position += 1
        elif sign in "~&|()":
            yield sign, position
            position += 1
        elif found := ATOM.match(text, position):
            yield found.group(), position
            position = found.end()
        else:
            near = {"!": "~", "+": "&", ",": "&"}.get(sign)
            raise TagSyntaxError(f"{sign!r} cannot be part of a tag expression", position, suggestion=near)
