"""`weyl pilots`: find pilots, count them, read what they wrote, ask what they could get, and drain them."""

import json
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from weyl.client.columns import (
    By,
    Columns,
    Condition,
    EveryColumn,
    Explain,
    Page,
    Parameter,
    PerPage,
    Sort,
    Where,
    largest_first,
    rows_of_page,
)
from weyl.client.command import Session, session_of
from weyl.client.errors import NotFound, Refused, UsageFault
from weyl.client.results import Document, Ids, Result, Rows, Text, rows_of
from weyl.jobs.cli.why import short, used
from weyl.kit.search import ScalarSearchSpec, SearchParams
from weyl.kit.search import SummaryParams as Summary
from weyl.pilots import calls
from weyl.pilots.models import FINAL_STATUSES, PilotDrain, PilotRevocation, PilotSecretParams, PilotStatus

app = typer.Typer(name="pilots", help="Look at pilots and their logs.", no_args_is_help=True)

admin_app = typer.Typer(
    help="""Lets pilots in that are started elsewhere, and shuts pilots out.

Example: weyl pilots admin secrets create --site LCG.Example.org
""",
    no_args_is_help=True,
    rich_markup_mode=None,
)
secrets_app = typer.Typer(
    help="""Makes and ends the secrets with which pilots begin.

Example: weyl pilots admin secrets create --site LCG.Example.org
""",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(admin_app, name="admin")
admin_app.add_typer(secrets_app, name="secrets")

COLUMNS = Columns(
    noun="Pilots",
    id_column="PilotStamp",
    names=(
        *("PilotID", "InitialJobID", "CurrentJobID", "PilotJobReference", "PilotStamp", "DestinationSite", "Queue"),
        *("GridSite", "VO", "GridType", "BenchMark", "SubmissionTime", "LastUpdateTime", "Status", "StatusReason"),
        "AccountingSent",
    ),
    number="PilotID",
    default=("PilotStamp", "Status", "GridSite", "DestinationSite", "Queue", "CurrentJobID", "LastUpdateTime"),
    only_searched=("JobID",),
    values={"Status": tuple(PilotStatus)},
)
QUEUE_COLUMNS = ("vo", "site", "ce", "queue", "demand", "usable", "need", "waiting", "total", "reason")
HOST_COLUMNS = ("site", "host", "score", "standing", "since", "quick_failures", "reason")
FOLLOW_PAUSE_S = 2.0

Last = Annotated[str | None, typer.Option("--last", metavar="SPAN", help="Only pilots updated in this time, as 2d.")]
Stamp = Annotated[str, typer.Argument(metavar="STAMP", help="Stamp of the pilot.")]


@app.command()
def search(
    context: typer.Context,
    *,
    parameter: Parameter = None,
    condition: Condition = None,
    every_column: EveryColumn = False,
    page: Page = None,
    per_page: PerPage = None,
    where: Where = None,
    last: Last = None,
    sort: Sort = None,
    explain: Explain = False,
) -> Result:
    """Lists the pilots that meet all conditions, the newest first; `JobID eq 12` finds those that ran a job.

    Example: weyl pilots search --where "Status in (Failed, Aborted)" --sort -PilotID
    """
    session = session_of(context)
    columns = COLUMNS.chosen(session, parameter or (), every_column=every_column)
    found = COLUMNS.conditions(where=where, peer=condition, last=last)
    params = SearchParams(parameters=columns, search=found, sort=COLUMNS.order(sort))
    if explain:
        return Document(params.model_dump(mode="json"), form="json")
    stream = rows_of_page(session, calls.search_pilots(params), page=page, per_page=per_page)
    return rows_of(stream, columns=columns, id_column="PilotStamp", unit="pilots")


@app.command()
def summary(
    context: typer.Context, *, by: By = "Status", where: Where = None, condition: Condition = None, last: Last = None
) -> Result:
    """Counts pilots by one or more columns.

    Example: weyl pilots summary --by GridSite,Status
    """
    grouping = COLUMNS.grouping(by)
    params = Summary(grouping=grouping, search=COLUMNS.conditions(where=where, peer=condition, last=last))
    rows = session_of(context).client.send(calls.summarise_pilots(params))
    return Rows(largest_first(rows, grouping), columns=[*grouping, "count"], id_column=grouping[0], unit="groups")


@app.command()
def show(context: typer.Context, stamp: Stamp) -> Result:
    """Shows a pilot with all its columns.

    Example: weyl pilots show 4f6d2a...
    """
    return Document(_pilot(session_of(context), stamp), ids=[stamp])


@app.command()
def logs(
    context: typer.Context,
    stamp: Stamp,
    *,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on until the pilot has ended.")] = False,
    output: Annotated[bool, typer.Option("--output", help="What its computing element kept of it.")] = False,
) -> Result:
    """Prints the log that a pilot has sent, or with --output what it wrote on its computing element.

    Example: weyl pilots logs 4f6d2a... -f
    """
    session = session_of(context)
    if output:
        left = session.client.send(calls.get_output(stamp))
        return Text(text for text in (left.stdout, left.stderr, left.log) if text)
    return Text(_log(session, stamp, follow=follow))


@app.command()
def submission(context: typer.Context) -> Result:
    """Lists the queues with what waits for them, how many pilots they need, and why they get no more.

    Example: weyl pilots submission
    """
    rows = session_of(context).client.send(calls.get_submission())
    return Rows(rows, columns=QUEUE_COLUMNS, id_column="queue", unit="queues")


@app.command()
def hosts(context: typer.Context) -> Result:
    """Lists the worker nodes that break their jobs, and what they still get.

    Example: weyl pilots hosts
    """
    rows = session_of(context).client.send(calls.get_hosts())
    return Rows(rows, columns=HOST_COLUMNS, id_column="host", unit="hosts")


@app.command()
def why(
    context: typer.Context,
    stamp: Annotated[str | None, typer.Argument(metavar="[STAMP]", help="Stamp of the pilot.")] = None,
    *,
    offer: Annotated[str | None, typer.Option("--offer", metavar="FILE", help="An offer as JSON; - reads it.")] = None,
    site: Annotated[str | None, typer.Option("--site", metavar="S", help="Where a pilot with it would be.")] = None,
    ce: Annotated[str | None, typer.Option("--ce", metavar="C", help="On which computing element.")] = None,
    queue: Annotated[str | None, typer.Option("--queue", metavar="Q", help="In which queue.")] = None,
) -> Result:
    """Explains what a pilot could get: what each condition leaves of the jobs that wait, and what comes nearest.

    Example: weyl pilots why 4f6d2a...
    """
    session = session_of(context)
    if (stamp is None) == (offer is None):
        raise UsageFault("Say which pilot.", hint="give its stamp, or with --offer what it offers")
    if stamp is not None:
        told = session.client.send(calls.explain_pilot(stamp))
    else:
        place = {"site": site, "ce": ce, "queue": queue}
        document = _offer(offer or "") | {name: value for name, value in place.items() if value is not None}
        told = session.client.send(calls.explain_offer(document))
    return Document(told, text="\n".join(_explained(told)))


@app.command()
def drain(
    context: typer.Context,
    stamps: Annotated[list[str] | None, typer.Argument(metavar="[STAMP]...", help="Stamps; `-` reads them.")] = None,
    *,
    site: Annotated[str | None, typer.Option("--site", help="All pilots of this site.")] = None,
    ce: Annotated[str | None, typer.Option("--ce", help="All pilots of this computing element.")] = None,
    host: Annotated[str | None, typer.Option("--host", help="All pilots on this worker node.")] = None,
    undo: Annotated[bool, typer.Option("--undo", help="Let those that have not heard of it go on.")] = False,
) -> Result:
    """Lets pilots finish the jobs that they have, and stop.

    Example: weyl pilots drain --host wn042.example.org
    """
    session = session_of(context)
    named = session.read_ids(stamps) if stamps else None
    if not (named or site or ce or host):
        raise UsageFault("Say which pilots.", hint="give stamps, --site, --ce or --host")
    if not undo and not named and not host:
        session.confirm("drain all pilots of", 1, breakdown={ce or site or "": 1})
    wanted = PilotDrain(stamps=named or None, site=site, ce=ce, host=host, undo=undo)
    done = session.client.send(calls.drain_pilots(wanted))
    word = "go on" if undo else "take no more jobs"
    return Ids(done.stamps, f"{len(done.stamps):,} pilots {word}", id_column="PilotStamp", document=done.model_dump())


def _offer(name: str) -> dict[str, Any]:
    try:
        document = json.loads(sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageFault(f"The offer {name} cannot be read: {error}") from error
    if not isinstance(document, dict):
        raise UsageFault(f"The offer {name} is no JSON object.")
    return document


def _explained(told: Mapping[str, Any]) -> Iterator[str]:
    where = "/".join(name for name in (told["site"], told["ce"], told["queue"]) if name)
    yield f"{where}: {told['verdict']}."
    if pilot := told.get("pilot"):
        last = f", the last time for `{pilot['last_miss']}`" if pilot["last_miss"] else ""
        missed = pilot["asked"] - pilot["hits"]
        yield f"It has asked {pilot['asked']:,} times and got nothing {missed:,} times{last}; it is {pilot['status']}."
    if told["host_standing"] != "open":
        yield f"Its host {told['host']} breaks jobs: {told['host_standing']}."
    for limit in told["limits"]:
        yield f"Limit on {limit['limit']}: {used(limit)}{'' if limit['open'] else ', reached'}."
    if told["steps"]:
        yield ""
        yield f"{'condition':14}{'offered':>28}{'wanted':>28}{'jobs left':>13}{'kinds left':>12}"
    for step in told["steps"]:
        offered, wanted = short(step["offered"]), short(step["wanted"])
        yield f"{step['condition']:14}{offered:>28}{wanted:>28}{step['jobs_left']:>13,}{step['classes_left']:>12,}"
    if told["nearest"]:
        yield ""
        yield "Kept away by one condition only:"
    for near in told["nearest"]:
        most = f"most of {near['group']}, task queue {near['class_id']}: {short(near['wanted'])}"
        yield f"  {near['jobs']:,} jobs of {near['classes']:,} kinds: {near['condition']} ({most})"


def _log(session: Session, stamp: str, *, follow: bool) -> Iterator[str]:
    first = 0
    while True:
        # Asked before the log, so that what a pilot wrote last is still read after it has ended.
        has_ended = not follow or _pilot(session, stamp)["Status"] in FINAL_STATUSES
        while True:
            answer = session.client.answer(calls.get_log(stamp, first=first))
            following = int(answer.headers.get("weyl-next-piece", first))
            if following == first:
                break
            yield answer.value
            first = following
        if has_ended:
            return
        time.sleep(FOLLOW_PAUSE_S)


def _pilot(session: Session, stamp: str) -> dict[str, Any]:
    spec = {"parameter": "PilotStamp", "operator": "eq", "value": stamp}
    params = SearchParams(search=[ScalarSearchSpec.model_validate(spec)])
    rows = session.client.send(calls.search_pilots(params))
    if not rows:
        raise NotFound(
            f"There is no pilot {stamp}, or it is not of your VO.", hint="Find pilots with: weyl pilots search"
        )
    return rows[0]


@secrets_app.command("create")
def create_secret(
    context: typer.Context,
    *,
    site: Annotated[str, typer.Option("--site", metavar="S", help="Site whose pilots begin with it.")],
    vo: Annotated[str | None, typer.Option("--vo", metavar="V", help="Their VO; yours if left out.")] = None,
    ce: Annotated[str | None, typer.Option("--ce", metavar="C", help="Only on this computing element.")] = None,
    queue: Annotated[str | None, typer.Option("--queue", metavar="Q", help="Only in this queue.")] = None,
    uses: Annotated[int, typer.Option("--uses", metavar="N", min=1, help="How many pilots may begin with it.")] = 1,
    hours: Annotated[float, typer.Option("--hours", metavar="H", min=0, max=72, help="How long it is good for.")] = 72,
) -> Result:
    """Makes a secret for pilots that are started elsewhere; it is shown this once.

    Example: weyl pilots admin secrets create --site LCG.Example.org --uses 100
    """
    params = PilotSecretParams(vo=vo, site=site, ce=ce, queue=queue, max_uses=uses, hours=hours)
    session = session_of(context)
    made = session.client.send(calls.create_secret(params))
    session.say(f"Good until {made.not_after:%Y-%m-%d %H:%M} UTC; end it with: weyl pilots admin secrets revoke ID")
    return Document(made, ids=[made.secret])


@secrets_app.command("revoke")
def revoke_secrets(
    context: typer.Context,
    secret_ids: Annotated[list[str], typer.Argument(metavar="ID", help="Ids of secrets; - reads them from stdin.")],
) -> Result:
    """Makes secrets worthless, and ends every session that began with them.

    Example: weyl pilots admin secrets revoke 01a2102f-99a2-7a48-93c4-c697a0c0e785
    """
    session = session_of(context)
    wanted = session.read_ids(secret_ids)
    session.confirm("revoke", len(wanted))
    done: list[str] = []
    failed: dict[str, str] = {}
    for secret_id in wanted:
        try:
            session.client.send(calls.revoke_secret(secret_id))
        except (NotFound, Refused) as error:
            if len(wanted) == 1:
                raise
            failed[secret_id] = error.message
        else:
            done.append(secret_id)
    return Ids(done, lambda count: f"{count:,} revoked.", failed=failed)


@admin_app.command("revoke")
def revoke(
    context: typer.Context,
    stamps: Annotated[list[str] | None, typer.Argument(metavar="STAMP", help="Stamps; - reads them.")] = None,
    *,
    site: Annotated[str | None, typer.Option("--site", metavar="S", help="Those of this site.")] = None,
    ce: Annotated[str | None, typer.Option("--ce", metavar="C", help="Those of this computing element.")] = None,
    host: Annotated[str | None, typer.Option("--host", metavar="H", help="Those on this host.")] = None,
    vo: Annotated[str | None, typer.Option("--vo", metavar="V", help="Those of this VO; yours if left out.")] = None,
) -> Result:
    """Takes the right to speak from the pilots that fit all that is given; their jobs go to others.

    Example: weyl pilots admin revoke --host bad-node.example.org --yes
    """
    session = session_of(context)
    wanted = PilotRevocation(stamps=session.read_ids(stamps) if stamps else None, site=site, ce=ce, host=host, vo=vo)
    given = wanted.model_dump(exclude_none=True)
    if not given:
        raise UsageFault(
            "Say which pilots: by stamps, --site, --ce, --host or --vo.", hint="See them with: weyl pilots search"
        )
    about = ", ".join(f"{key} {len(value) if isinstance(value, list) else value}" for key, value in given.items())
    session.confirm(f"revoke pilots ({about}):", len(wanted.stamps or [""]))
    gone = session.client.send(calls.revoke(wanted))
    sentence = f"{len(gone.stamps):,} pilots and {gone.secrets:,} secrets revoked."
    return Ids(gone.stamps, sentence, id_column="PilotStamp", document=gone.model_dump())
