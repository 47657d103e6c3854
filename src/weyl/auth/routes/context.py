"""What the routes of the auth room are given: the authority, the database, and the address that calls."""

from typing import Annotated, cast

from fastapi import Depends, Request

from weyl.auth.service.authority import Authority
from weyl.kit.db import Database
from weyl.kit.http import state


async def authority(request: Request) -> Authority:
    """Return the authority that `app.py` wired for this process."""
    return cast(Authority, state(request).auth)


async def database(request: Request) -> Database:
    """Return the database, for the steps that must not hold a transaction while they ask the identity provider."""
    return cast(Database, state(request).db)


async def client_address(request: Request) -> str:
    """Return the address that attempts are counted for."""
    return request.client.host if request.client else "unknown"


CurrentAuthority = Annotated[Authority, Depends(authority)]
Db = Annotated[Database, Depends(database)]
ClientAddress = Annotated[str, Depends(client_address)]
