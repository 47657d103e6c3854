"""What searches of any kind of thing have in common on the command line: columns, conditions, order, their options."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from weyl.client.command import Session
from weyl.client.errors import UsageFault
from weyl.client.filters import parse, parse_peer_condition, specs
from weyl.client.paging import RowStream
from weyl.client.spelling import suggestion
from weyl.client.times import before
from weyl.kit.call import Call
from weyl.kit.search import ScalarSearchSpec, SearchSpec, SortDirection, SortSpec, VectorSearchSpec, unknown_values

Parameter = Annotated[
    list[str] | None, typer.Option("--parameter", metavar="P", help="Show this column; may be repeated.")
]
Condition = Annotated[
    list[str] | None,
    typer.Option("--condition", metavar="'P OP VALUE'", help="Condition, as `Status eq Done`; may be repeated."),
]
EveryColumn = Annotated[bool, typer.Option("--all/--no-all", help="Show all columns.")]
Page = Annotated[int | None, typer.Option("--page", min=1, help="Show only the page with this number.")]
PerPage = Annotated[
    int | None, typer.Option("--per-page", min=1, max=10_000, help="Show only one page, of so many rows.")
]
Where = Annotated[
    str | None, typer.Option("--where", metavar="EXPR", help="Filter, as `Status in (Done, Failed) and Site = LCG.*`.")
]
Sort = Annotated[
    str | None,
    typer.Option("--sort", metavar="COLUMNS", help="Order, as `-LastUpdateTime` for the last changed first."),
]
By = Annotated[str, typer.Option("--by", metavar="A,B", help="Columns to count by.")]
Explain = Annotated[bool, typer.Option("--explain", help="Show what the filter means to the API.")]

# What DiracX's command shows at a time, too.
PER_PAGE = 10


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of one kind of thing: which there are, and which a table shows if nobody chose."""

    # The things, as a sentence about them begins.
    noun: str
    id_column: str
    names: tuple[str, ...]
    default: tuple[str, ...]
    # The column by which the newest come first; None: in the server's own order.
    number: str | None = None
    # May be asked for, but not searched or sorted by; the other way round.
    only_shown: tuple[str, ...] = ()
    only_searched: tuple[str, ...] = ()
    # All values of the columns that have few, as statuses: in filters, others are refused.
    values: Mapping[str, Collection[str]] = field(default_factory=dict)

    def chosen(self, session: Session, parameters: Sequence[str] = (), *, every_column: bool = False) -> Any:
        """Return the columns to ask the server for; None: all of them."""
        if session.output == "id":
            return [self.id_column]
        chosen = list(session.options.columns or parameters)
        self.check(chosen, (*self.names, *self.only_shown))
        if chosen:
            return chosen
        return None if every_column or session.output == "wide" else list(self.default)

    def conditions(
        self,
        *,
        where: str | None = None,
        peer: Iterable[str] | None = None,
        last: str | None = None,
        more: Iterable[dict[str, Any]] = (),
    ) -> list[SearchSpec]:
        """Return the search specs of all ways to say which are meant; they must all hold."""
        now = datetime.now(UTC)
        found: list[dict[str, Any]] = [parse_peer_condition(text) for text in peer or ()]
        if where:
            found += specs(parse(where), now)
        if last:
            found.append({"parameter": "LastUpdateTime", "operator": "gt", "value": before(now, last)})
        found += more
        self.check([spec["parameter"] for spec in found], (*self.names, *self.only_searched))
        read: list[SearchSpec] = [
            (VectorSearchSpec if "values" in spec else ScalarSearchSpec).model_validate(spec) for spec in found
        ]
        for fault, hint in unknown_values(read, self.values):
            raise UsageFault(fault, hint=hint)
        return read

    def check_values(self, name: str, values: Iterable[str]) -> None:
        """Refuse values that a column never has, and name those that were probably meant."""
        spec = VectorSearchSpec.model_validate({"parameter": name, "operator": "in", "values": sorted(values)})
        for fault, hint in unknown_values([spec], self.values):
            raise UsageFault(fault, hint=hint)

    def order(self, text: str | None) -> list[SortSpec]:
        """Read `-JobID,Site`: columns, a minus in front for the other direction; without any, the newest first."""
        found: list[SortSpec] = []
        for word in (text or (f"-{self.number}" if self.number else "")).split(","):
            name = word.strip().lstrip("+-")
            if name:
                self.check([name], self.names)
                direction = SortDirection.DESC if word.strip().startswith("-") else SortDirection.ASC
                found.append(SortSpec(parameter=name, direction=direction))
        return found

    def grouping(self, text: str) -> list[str]:
        """Read the columns to count by."""
        names = [name.strip() for name in text.split(",") if name.strip()]
        if not names:
            raise UsageFault("Nothing to count by.", hint="Name columns, as --by Status,Site")
        self.check(names, self.names)
        return names

    def check(self, names: Iterable[str], known: Sequence[str]) -> None:
        """Refuse a column that there is not, and name what is spelt nearly so."""
        for name in names:
            if name not in known:
                hint = suggestion(name, known, otherwise=f"The columns are: {', '.join(known)}.")
                raise UsageFault(f"{self.noun} have no column {name!r}.", hint=hint)


def rows_of_page(session: Session, call: Call[Any], *, page: int | None, per_page: int | None) -> RowStream:
    """Return the rows of a search: one page where one is asked for or people look, else as many as are wanted."""
    limit = session.options.limit if page or per_page else session.rows_wanted()
    return session.client.rows(call.with_query(page=page or 1, per_page=per_page or PER_PAGE), limit=limit)


def largest_first(rows: list[dict[str, Any]], grouping: Sequence[str]) -> list[dict[str, Any]]:
    """Sort the answer of a summary for people: most of them first."""
    return sorted(rows, key=lambda row: (-int(row["count"]), *(str(row.get(name)) for name in grouping)))
