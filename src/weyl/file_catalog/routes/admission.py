"""Who calls the file catalogue: a member of a VO whose files are here."""

from typing import Annotated

from fastapi import Depends

from weyl.config.routes import CurrentConfig
from weyl.file_catalog.permits import Member
from weyl.file_catalog.policy import check_master, may_manage, may_use
from weyl.kit.http import CurrentUser


async def current_member(user: CurrentUser, config: CurrentConfig) -> Member:
    """Return the member who calls; 403 for who is none, 409 where another catalogue has the files of the VO."""
    member = may_use(user)
    check_master(config, member.vo)
    return member


async def current_manager(user: CurrentUser, config: CurrentConfig) -> Member:
    """Return the manager of files who calls."""
    manager = may_manage(user)
    check_master(config, manager.vo)
    return manager


CurrentMember = Annotated[Member, Depends(current_member)]
CurrentManager = Annotated[Member, Depends(current_manager)]
