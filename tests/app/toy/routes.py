"""Toys over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response
from tests.app.toy.bench import BENCH, Bench

from weyl.kit.http import CurrentUser, json_response

router = APIRouter(prefix="/api/toys", tags=["toys"])


@router.get("", operation_id="toys_list")
async def list_toys(user: CurrentUser, bench: Annotated[Bench, Depends(BENCH.dependency)]) -> Response:
    """Answer with the toys."""
    return json_response([{"Kind": kind, "Count": count, "For": user.vo} for kind, count in bench.items()])
