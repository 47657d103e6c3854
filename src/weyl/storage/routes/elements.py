"""Storage elements over HTTP: what they are, how they do, and whether they work."""

from typing import Annotated

from fastapi import APIRouter, Depends

from weyl.config.routes import CurrentConfig
from weyl.kit.http import CurrentDatabase, CurrentUser
from weyl.kit.services import Key
from weyl.storage.models.elements import ElementDescription, ElementName, ProbeOrder, ProbeStep
from weyl.storage.policy import may_probe, may_view
from weyl.storage.service import listing, probe
from weyl.storage.service.listing import Spaces
from weyl.storage.service.reach import STORAGES, Storages

router = APIRouter(prefix="/api/storage", tags=["storage"])

SPACES: Key[Spaces] = Key("the space of storage elements")

CurrentStorages = Annotated[Storages, Depends(STORAGES.dependency)]
CurrentSpaces = Annotated[Spaces, Depends(SPACES.dependency)]


@router.get("", operation_id="storage_list_elements")
async def list_elements(
    user: CurrentUser, db: CurrentDatabase, config: CurrentConfig, spaces: CurrentSpaces
) -> list[ElementDescription]:
    """List the storage elements of your VO, with their endpoints, status, health, free space and what is used."""
    viewer = may_view(user)
    return await listing.describe(spaces, config, viewer, used=await listing.usage_of(db, config, viewer))


@router.get("/{se}", operation_id="storage_get_element")
async def get_element(
    se: ElementName, user: CurrentUser, db: CurrentDatabase, config: CurrentConfig, spaces: CurrentSpaces
) -> ElementDescription:
    """Answer with one storage element of your VO."""
    viewer = may_view(user)
    used = await listing.usage_of(db, config, viewer)
    return await listing.describe_one(spaces, config, viewer, se=se, used=used)


@router.post("/probe", operation_id="storage_probe_element")
async def probe_element(
    order: ProbeOrder, user: CurrentUser, config: CurrentConfig, storages: CurrentStorages
) -> list[ProbeStep]:
    """Write, look at, read and delete a small file at a storage element, each step with its seconds."""
    return await probe.probe(storages, config, may_probe(user), order.se)
