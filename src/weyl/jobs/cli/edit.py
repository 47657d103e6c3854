"""`weyl jobs edit`: changes what is noted about jobs."""

import json
from typing import Annotated, Any

import typer

from weyl.client.command import session_of
from weyl.client.errors import UsageFault
from weyl.client.results import Ids, Result
from weyl.jobs.calls import reports
from weyl.jobs.cli.selection import Selection, batches, selects_jobs


@selects_jobs
def edit(
    context: typer.Context,
    *,
    jobs: Selection,
    changes: Annotated[
        list[str],
        typer.Option("--set", metavar="KEY=VALUE", help="A parameter of the job, or its Site; may be repeated."),
    ],
) -> Result:
    """Sets parameters of jobs, which `jobs show --params` shows; all of the jobs or, if one is not yours, none.

    Example: weyl jobs edit 12 13 --set checked=yes
    """
    session = session_of(context)
    values = dict(_pair(text) for text in changes)
    wanted = jobs.ids(session)
    for batch in batches(wanted):
        session.client.send(reports.metadata(dict.fromkeys(batch, values)))
    return Ids(
        wanted, lambda count: f"Changed {count:,} {'job' if count == 1 else 'jobs'}.", id_column="JobID", unit="jobs"
    )


def _pair(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise UsageFault(f"--set {text!r} is not a name and a value.", hint="Write --set checked=yes")
    try:
        # Numbers and lists are taken as such; anything else is a text.
        return key, json.loads(value)
    except ValueError:
        return key, value
