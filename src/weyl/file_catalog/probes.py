"""How a search runs: which index finds its files, in which order, and how much is looked at in one go; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from weyl.config.lfns import lies_below
from weyl.file_catalog.conditions import Check, Shape, Term, Terms, is_selective, literal_prefix
from weyl.kit.search import SortDirection, SortSpec

PROBE_MAX = 10_000
"""A probe counts no further; who finds more is not driven from there."""
SLICE_MIN = 200
SLICE_MAX = 20_000
"""Files that one statement looks at."""
SLICE_SHARE = 0.25
"""Of the time of a page, what one statement should take."""
ESTIMATED_MAX = 3
"""Terms of which the database is asked what it expects."""
MERGED_MAX = 20
"""Values whose files are merged in the order of ids."""
SPARE = 1.3
"""A slice looks at so many times what should be enough."""
PAGED_MAX = 10_000
"""Rows that are reached by `page`; the cursor reaches all."""


class Order(StrEnum):
    """What the files of a search are ordered by."""

    FILE_ID = "FileID"
    PATH = "LFN"
    VALUE = "value"
    """The values of the field that finds them, then ids; nobody asks for it."""


class Driver(StrEnum):
    """What finds the files that are looked at."""

    IDS = "ids"
    """Files that an index gives for terms, by their ids."""
    VALUES = "values"
    """Files that an index gives for a range of values, in the order of these, however many there are."""
    SORTED = "sorted"
    """The same, few enough to be put in the order of their names."""
    ALL = "all"
    """All files, by their ids."""
    TREE = "tree"
    """Directories by their paths, and the files of each by their names."""


@dataclass(frozen=True, slots=True)
class Tree:
    """Which directories: at or below `top`, not more than `depth` levels; without a top those of all `roots`."""

    roots: tuple[str, ...]
    top: str | None = None
    depth: int | None = None

    @property
    def is_part(self) -> bool:
        """Whether it is less than all that lies below a root."""
        return self.top is not None and self.top not in self.roots

    @property
    def start(self) -> str:
        """The first path that may be meant."""
        return self.top if self.top is not None else min(self.roots)

    @property
    def end(self) -> str:
        """The first path behind all that are meant: `0` is the character behind `/`."""
        return f"{self.top}0" if self.top is not None else f"{max(self.roots)}0"


@dataclass(frozen=True, slots=True)
class Found:
    """What the probes have found: how many files meet a term (None: more than `PROBE_MAX`), and lie in the tree."""

    sizes: Mapping[Term, int | None]
    tree_files: int | None = None
    estimates: Mapping[Term, int] = field(default_factory=dict)
    """What the database expects to meet the terms that many files meet."""
    tree_estimate: int | None = None
    """What is expected to lie in a part of the tree in which there is much."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How a search runs; its files are those of any of `sources` that are among those of all `filters`."""

    driver: Driver
    order: Order
    sources: tuple[Term, ...] = ()
    is_descending: bool = False
    filters: tuple[Term, ...] = ()
    met: frozenset[Term] = frozenset()
    """Terms that all of these files meet: nobody needs to look again."""

    @property
    def keys(self) -> list[SortSpec]:
        """The keys that a cursor of this search holds."""
        term = self.sources[0] if self.order is Order.VALUE else None
        return keys_of(self.order, term, is_descending=self.is_descending)


def keys_of(order: Order, term: Term | None = None, *, is_descending: bool = False) -> list[SortSpec]:
    """Return the keys that a cursor holds in an order; the order of values is that of a term's field."""
    direction = SortDirection.DESC if is_descending else SortDirection.ASC
    names = ["Directory", "Name"] if order is Order.PATH else ["FileID"] if term is None else [term.parameter, "FileID"]
    return [SortSpec(parameter=name, direction=direction) for name in names]


def tree_of(roots: Sequence[str], under: str | None, depth: int | None, terms: Terms) -> Tree | None:
    """Return the directories that a query can be about; None if there are none.

    What is not below a root of the VO does not exist. A name with a beginning that is written out narrows the tree.
    """
    top = under
    if top is not None and not any(lies_below(top, root) for root in roots):
        return None
    for narrower in filter(None, map(_directory_of, terms.where)):
        if top is None or lies_below(narrower, top):
            if not any(lies_below(narrower, root) for root in roots):
                continue
            top, depth = narrower, None if depth is None or top is None else _left(depth, top, narrower)
    if depth is not None and depth < 0:
        return None
    if top is None and len(roots) == 1:
        top = roots[0]
    return Tree(tuple(roots), top, depth)


def _left(depth: int, top: str, narrower: str) -> int:
    return depth - (narrower.count("/") - top.count("/"))


def _directory_of(term: Term) -> str | None:
    """Return the directory that all names that meet a term lie in or below."""
    if term.field is not None or term.check.is_negated or term.parameter not in ("LFN", "Directory"):
        return None
    if term.check.shape is Shape.LIKE:
        prefix = literal_prefix(term.check.values[0])
    elif term.check.shape is Shape.AMONG and len(term.check.values) == 1:
        prefix = term.check.values[0] + ("/" if term.parameter == "Directory" else "")
    else:
        return None
    return prefix.rpartition("/")[0] or None


def drivable(terms: Terms, set_matches: Mapping[Term, Sequence[int] | None]) -> list[tuple[Term, ...]]:
    """Return the terms that may find the files, of all that must hold, and of each alternative.

    A field that directories have too finds only files with values of their own: all of them where no set of values of
    directories meets the term.
    """

    def may_drive(term: Term) -> bool:
        if not is_selective(term) or not term.is_of_files:
            return False
        if term.field is None:
            # Names are found by path, or one by one.
            return term.parameter != "Directory" and not (term.parameter == "LFN" and term.check.shape is Shape.LIKE)
        return term.field.is_filled and not (term.is_of_sets and set_matches.get(term) != ())

    return [tuple(filter(may_drive, each)) for each in (terms.where, *terms.alternatives)]


def is_in_order(check: Check) -> bool:
    """Tell whether an index gives the files of a term in the order of their ids."""
    return check.shape is Shape.AMONG and len(check.values) == 1


def is_walkable(check: Check) -> bool:
    """Tell whether the files of a term are found in the order of their ids, however many there are.

    An index gives those of one value so; those of some values are merged.
    """
    return check.shape is Shape.AMONG and 0 < len(check.values) <= MERGED_MAX


def _each_value(terms: Sequence[Term]) -> tuple[Term, ...]:
    return tuple(
        replace(term, check=replace(term.check, values=(value,))) for term in terms for value in term.check.values
    )


def is_range(term: Term) -> bool:
    """Tell whether an index gives the files of a term in the order of its values, with no gaps between them."""
    if term.field is None or not is_selective(term):
        return False
    match term.check.shape:
        case Shape.RANGE:
            return True
        case Shape.PERIODS:
            return 0 < len(term.check.values) <= 2
        case Shape.LIKE:
            [pattern] = term.check.values
            return pattern.endswith("%") and len(pattern) == len(literal_prefix(pattern)) + 1
        case _:
            return False


def walk_of(term: Term, groups: Sequence[Sequence[Term]]) -> Plan:
    """Return the plan that walks the values of a term."""
    return Plan(Driver.VALUES, Order.VALUE, (term,), met=_met(_Choice((term,), None), groups, ()))


def plan(
    groups: Sequence[Sequence[Term]], found: Found, *, asked: Order | None, is_narrow: bool, is_descending: bool = False
) -> Plan:
    """Return how a search runs. `groups` is what `drivable` returned; `is_narrow` says that directories are few.

    The smallest source drives. Where all are large, an index walks in the order of ids, or the tree is walked.
    """
    choices = [_smallest(groups[0], found)] if groups[0] else []
    if len(groups) > 1 and all(groups[1:]):
        choices.append(_united([_smallest(group, found) for group in groups[1:]]))
    small = min(
        (choice for choice in choices if choice.size is not None), key=lambda each: each.size or 0, default=None
    )
    if small is not None:
        if _tree_is_smaller(found, small.size, asked):
            return Plan(Driver.TREE, Order.PATH)
        driver = Driver.SORTED if asked is Order.PATH else Driver.IDS
        filters = tuple(term for term in groups[0] if found.sizes.get(term) is not None and term not in small.terms)
        return Plan(driver, asked or Order.FILE_ID, small.terms, is_descending, filters, _met(small, groups, filters))
    if asked is not Order.PATH and (asked is Order.FILE_ID or not is_narrow):
        united = choices[1:] if groups[0] else choices
        walkable = next((choice for choice in united if all(is_walkable(term.check) for term in choice.terms)), None)
        if walkable is not None and (asked is Order.FILE_ID or found.tree_estimate is None):
            return _walk_of_ids(walkable, groups, is_descending=is_descending)
        best = _fewest(_walked(groups, asked), found)
        if best is not None and (asked is Order.FILE_ID or _is_fewer(best, found)):
            if not is_walkable(best.check):
                return walk_of(best, groups)
            return _walk_of_ids(_Choice((best,), None), groups, is_descending=is_descending)
        if asked is Order.FILE_ID:
            return Plan(Driver.ALL, Order.FILE_ID, (), is_descending)
    return Plan(Driver.TREE, Order.PATH, (), is_descending)


def _walk_of_ids(choice: "_Choice", groups: Sequence[Sequence[Term]], *, is_descending: bool) -> Plan:
    """Return the plan that walks the ids of terms that many files meet, value by value."""
    sources = _each_value(choice.terms)
    return Plan(Driver.IDS, Order.FILE_ID, sources, is_descending, (), _met(choice, groups, ()))


def _walked(groups: Sequence[Sequence[Term]], asked: Order | None) -> list[Term]:
    """Return the terms whose files an index gives in an order, however many there are."""
    return [term for term in groups[0] if is_walkable(term.check) or (asked is None and is_range(term))]


def _is_fewer(term: Term, found: Found) -> bool:
    """Tell whether fewer files meet a term than lie in the part of the tree that is asked about."""
    return found.tree_estimate is None or found.estimates.get(term, 0) <= found.tree_estimate


@dataclass(frozen=True, slots=True)
class _Choice:
    terms: tuple[Term, ...]
    size: int | None


def _fewest(terms: Sequence[Term], found: Found) -> Term | None:
    known = [term for term in terms if term in found.estimates]
    return min(
        known or terms, key=lambda term: (found.estimates.get(term, 0), not is_walkable(term.check)), default=None
    )


def large(
    groups: Sequence[Sequence[Term]],
    sizes: Mapping[Term, int | None],
    *,
    asked: Order | None = None,
    is_part: bool = False,
) -> list[Term]:
    """Return the terms between which estimates decide: where all are large, and more than one can be walked.

    Of a part of the tree (`is_part`) it is one term and what lies there.
    """
    walked = [] if asked is Order.PATH else _walked(groups, asked)
    is_large = all(sizes.get(term) is None for term in groups[0])
    return walked[:ESTIMATED_MAX] if is_large and len(walked) + is_part > 1 else []


def _met(choice: _Choice, groups: Sequence[Sequence[Term]], filters: Sequence[Term]) -> frozenset[Term]:
    """Return the terms that an index has answered for good; names are looked at again: files may have moved, and
    ancestors may be such that they are named to others only.
    """
    alone = choice.terms if len(choice.terms) == 1 and choice.terms[0] in groups[0] else ()
    return frozenset(term for term in (*alone, *filters) if term.parameter not in ("LFN", "Ancestor"))


def _smallest(terms: Sequence[Term], found: Found) -> _Choice:
    def size(term: Term) -> int:
        known = found.sizes.get(term)
        return PROBE_MAX + 1 if known is None else known

    best = min(terms, key=size)
    return _Choice((best,), found.sizes.get(best))


def _united(choices: Sequence[_Choice]) -> _Choice:
    sizes = [choice.size for choice in choices]
    total = None if None in sizes else sum(size for size in sizes if size is not None)
    terms = tuple(dict.fromkeys(term for choice in choices for term in choice.terms))
    return _Choice(terms, total if total is None or total <= PROBE_MAX else None)


def _tree_is_smaller(found: Found, size: int | None, asked: Order | None) -> bool:
    return asked is not Order.FILE_ID and found.tree_files is not None and found.tree_files < (size or 0)


def first_size(needed: int, *, is_sure: bool = False) -> int:
    """Return how many files the first statement of a page looks at; `is_sure`: all of them meet all terms."""
    return min(needed + needed // 10 if is_sure else max(2 * needed, SLICE_MIN), SLICE_MAX)


def next_size(size: int, *, took_s: float, budget_s: float, matched: int = 0, wanted: int = 0) -> int:
    """Return how many files the next statement looks at: what the rows that are wanted need, if as many match as did.

    Never more than four times as many, nor than their share of the time allows.
    """
    fitting = int(size * SLICE_SHARE * budget_s / took_s) if took_s > 0 else SLICE_MAX
    needed = int(SPARE * wanted * size / matched) + 1 if matched else 4 * size
    return max(1, min(4 * size, needed, fitting, SLICE_MAX))
