"""`weyl jobs groups`: how far the jobs of each group are, and when the last of them will have ended."""

from typing import Annotated

import typer

from weyl.client.columns import Columns, Where
from weyl.client.command import session_of
from weyl.client.results import Result, rows_of
from weyl.jobs.calls import lists
from weyl.jobs.cli.selection import own_name
from weyl.jobs.models.search import GroupSearch, JobGroupRow

COLUMNS = Columns(
    noun="Job groups",
    id_column="JobGroup",
    names=tuple(JobGroupRow.model_fields),
    default=("JobGroup", "Owner", "Jobs", "Waiting", "Running", "Done", "Failed", "Killed", "Progress", "EstimatedEnd"),
    only_searched=("OwnerGroup", "JobType"),
)


def groups(
    context: typer.Context,
    *,
    everyone: Annotated[bool, typer.Option("--everyone", help="Those of all owners, not only yours.")] = False,
    where: Where = None,
) -> Result:
    """Lists your job groups with how far each is; that of your newest job comes first.

    The estimated end is when all jobs of a group will have ended if they go on at the pace of the last hour.

    Example: weyl jobs groups --where "JobGroup = scan-*"
    """
    session = session_of(context)
    mine = [] if everyone else [{"parameter": "Owner", "operator": "eq", "value": own_name(session)}]
    asked = GroupSearch(search=COLUMNS.conditions(where=where, more=mine))
    stream = session.client.rows(lists.groups(asked), limit=session.rows_wanted(100))
    return rows_of(stream, columns=COLUMNS.chosen(session), id_column="JobGroup", unit="groups")
