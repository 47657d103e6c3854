"""What the routes of the auth room are given: the authority, and the address that calls."""

from typing import Annotated, cast

from fastapi import Depends, Request

from weyl.auth.service.authority import Authority
from weyl.kit.http import state


async def authority(request: Request) -> Authority:
    """Return the authority that `app.py` wired for this process."""
    return cast(Authority, state(request).auth)


async def client_address(request: Request) -> str:
    """Return the address that attempts are counted for."""
    return request.client.host if request.client else "unknown"


CurrentAuthority = Annotated[Authority, Depends(authority)]
ClientAddress = Annotated[str, Depends(client_address)]
