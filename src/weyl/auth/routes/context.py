"""What the routes of the auth room are given: the authority, and the address that calls."""

from typing import Annotated

from fastapi import Depends, Request

from weyl.auth.service.authority import AUTHORITY, Authority


async def client_address(request: Request) -> str:
    """Return the address that attempts are counted for."""
    return request.client.host if request.client else "unknown"


CurrentAuthority = Annotated[Authority, Depends(AUTHORITY.dependency)]
ClientAddress = Annotated[str, Depends(client_address)]
