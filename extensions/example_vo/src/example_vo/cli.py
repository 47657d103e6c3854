"""`weyl campaigns`: the campaigns of the VO."""

from typing import Annotated

import typer

from example_vo import calls
from weyl.client.command import session_of
from weyl.client.results import Done, Result, Rows

app = typer.Typer(help="Look at the campaigns of the VO.", no_args_is_help=True, rich_markup_mode=None)


@app.command("list")
def list_campaigns(context: typer.Context) -> Result:
    """List the campaigns, each with its latest note.

    Example: weyl campaigns list
    """
    campaigns = session_of(context).client.send(calls.list_campaigns())
    rows = [
        {"Campaign": each["Campaign"], "Latest": each["Notes"][-1]["text"] if each["Notes"] else ""}
        for each in campaigns
    ]
    return Rows(rows, columns=("Campaign", "Latest"), id_column="Campaign", unit="campaigns")


@app.command()
def note(
    context: typer.Context,
    campaign: Annotated[str, typer.Argument(help="Name of the campaign.")],
    text: Annotated[str, typer.Argument(help="What the others should know.")],
) -> Result:
    """Add a note to a campaign.

    Example: weyl campaigns note MC26 "Half of it is simulated"
    """
    session_of(context).client.send(calls.add_note(campaign, text))
    return Done(f"Noted for {campaign}")
