"""`weyl jobs failures`: kinds of failures, how many and where, whether they are new, and what is known of them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from weyl.client.command import session_of
from weyl.client.errors import UsageFault
from weyl.client.paging import Head
from weyl.client.results import Done, Result, Rows
from weyl.client.times import parse_span
from weyl.failures import calls
from weyl.failures.models import FailureCluster, NoteOrder

FAILURES_MAX = 200
COLUMNS = ("Signature", "Failures", "Before", "New", "Sites", "Users", "LastSeen", "Text", "Cure", "Note")

app = typer.Typer(
    help="""Shows which failures are alike, and what is known of them.

Example: weyl jobs failures list --since 2d
""",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command("list")
def list_failures(
    context: typer.Context,
    *,
    since: Annotated[str, typer.Option("--since", metavar="SPAN", help="How far back, as 6h or 2d.")] = "1d",
    by: Annotated[str, typer.Option("--by", help="What `Split` of the JSON form tells apart: site or owner.")] = "site",
    new: Annotated[
        bool, typer.Option("--new", help="Only those that there were not in a time as long before.")
    ] = False,
    number: Annotated[
        int | None, typer.Option("--number", "-n", min=1, max=FAILURES_MAX, help="How many; 20 on a terminal.")
    ] = None,
) -> Result:
    """Lists the most frequent kinds of failures; find their jobs with --where "FailureSignature = SIGNATURE".

    Example: weyl jobs failures list --since 12h
    """
    if by not in ("site", "owner"):
        raise UsageFault(f"Failures are told apart by site or owner, not by {by}.")
    session = session_of(context)
    start = datetime.now(UTC) - parse_span(since)
    head = Head(number or session.rows_wanted(20) or 0, FAILURES_MAX)
    found = session.client.send(calls.failures(since=start, by=by, limit=head.asked, only_new=new)).clusters
    rows = [_row(each) for each in head.rows(found)]
    return Rows(
        rows,
        columns=COLUMNS,
        id_column="Signature",
        unit="kinds of failures",
        has_more=lambda: head.has_more(found),
    )


@app.command("note")
def note(
    context: typer.Context,
    signature: Annotated[str, typer.Argument(metavar="SIGNATURE", help="As the list shows it.")],
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What is known of it; empty to take a note back.")],
    *,
    link: Annotated[str | None, typer.Option("--link", metavar="URL", help="Where more is said.")] = None,
) -> Result:
    """Says to everybody in your VO what is known of a kind of failure; for administrators of jobs.

    Example: weyl jobs failures note 0123456789abcdef "The disk of SE-A is full" --link https://issues.example.org/7
    """
    session_of(context).client.send(calls.annotate_failure(signature, NoteOrder(note=text, link=link)))
    return Done("Kept." if text else "Taken back.")


def _row(cluster: FailureCluster) -> Mapping[str, Any]:
    return {
        "Signature": cluster.signature,
        "Failures": cluster.count,
        "Before": cluster.before,
        "New": cluster.is_new,
        "Sites": _places(cluster.sites, cluster.sites_total),
        "Users": _places(cluster.users, cluster.users_total),
        "LastSeen": cluster.last_seen,
        "Text": cluster.text,
        "Cause": cluster.cause,
        "Cure": cluster.cure,
        "Note": cluster.note.note if cluster.note else None,
        "FirstSeen": cluster.first_seen,
        "Example": cluster.example,
        "ExampleJobID": cluster.example_job_id,
        "BySite": cluster.sites,
        "ByUser": cluster.users,
        "Trend": cluster.trend,
        "Split": cluster.split,
    }


def _places(counts: Mapping[str, int], total: int) -> str:
    shown = [f"{name} {count:,}" for name, count in list(counts.items())[:2]]
    return ", ".join(shown) + (f" and {total - len(shown)} more" if total > len(shown) else "")
