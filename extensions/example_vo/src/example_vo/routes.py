"""What the extension answers over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from example_vo import queries
from example_vo.policy import may_annotate, may_read
from example_vo.section import ExampleVO
from weyl.config.routes import CurrentConfig
from weyl.kit.errors import NotFound
from weyl.kit.http import CurrentActor, CurrentUser, Now, ReadTx, WriteTx, json_response
from weyl.resource_status.routes import Board, get_site_status

router = APIRouter(prefix="/api/campaigns", tags=["campaigns"])


class Note(BaseModel):
    """What somebody wants the others to know about a campaign."""

    text: Annotated[str, Field(min_length=1, max_length=1000)]


@router.get("", operation_id="campaigns_list")
async def list_campaigns(user: CurrentUser, config: CurrentConfig, tx: ReadTx) -> Response:
    """Answer with the campaigns and what the members of the VO noted about them."""
    notes = await queries.select_notes(tx, may_read(user))
    return json_response(
        [
            {"Campaign": name, "Notes": [note for note in notes if note["campaign"] == name]}
            for name in config.section(ExampleVO).campaigns
        ]
    )


@router.post("/{campaign}/notes", operation_id="campaigns_add_note", status_code=201)
async def add_note(
    campaign: str, note: Note, user: CurrentUser, *, config: CurrentConfig, tx: WriteTx, now: Now
) -> Response:
    """Add a note to a campaign."""
    annotator = may_annotate(user)
    if campaign not in config.section(ExampleVO).campaigns:
        raise NotFound(f"Campaign {campaign} does not exist")
    await queries.insert_note(tx, annotator, campaign=campaign, text=note.text, at=now)
    return json_response({"Campaign": campaign}, status=201)


async def site_status_for_members(request: Request, actor: CurrentActor, board: Board) -> Response:
    """Answer as weyl does, and say in a header which VO's view it is."""
    answer = await get_site_status(request, actor, board)
    answer.headers["X-Example-View"] = actor.vo
    return answer
