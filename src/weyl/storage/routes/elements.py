"""Storage elements over HTTP: what they are, how they do, and whether they work."""

from typing import Annotated

from fastapi import APIRouter, Depends

from weyl.config.routes import CurrentConfig
from weyl.kit.http import CurrentUser
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
    user: CurrentUser, config: CurrentConfig, storages: CurrentStorages, spaces: CurrentSpaces
) -> list[ElementDescription]:
    """List the storage elements of your VO, with their endpoints, status, health and free space."""
    return await listing.describe(spaces, storages, config, may_view(user), usage={})


@router.get("/{se}", operation_id="storage_get_element")
async def get_element(
    se: ElementName, user: CurrentUser, config: CurrentConfig, storages: CurrentStorages, spaces: CurrentSpaces
) -> ElementDescription:
    """Answer with one storage element of your VO."""
    return await listing.describe_one(spaces, storages, config, may_view(user), se=se, usage={})


@router.post("/probe", operation_id="storage_probe_element")
async def probe_element(
    order: ProbeOrder, user: CurrentUser, config: CurrentConfig, storages: CurrentStorages
) -> list[ProbeStep]:
    """Write, look at, read and delete a small file at a storage element, each step with its seconds."""
    return await probe.probe(storages, config, may_probe(user), order.se)
