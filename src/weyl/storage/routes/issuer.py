"""The issuer of tokens of each VO, as storage elements ask for it: open to everybody."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response

from weyl.config.routes import CurrentConfig
from weyl.kit.bounds import Name
from weyl.kit.errors import NotFound
from weyl.kit.http import PUBLIC_URL, json_response
from weyl.storage import tokens
from weyl.storage.drivers.issuers import ISSUING, Issuing

router = APIRouter(prefix="/api/storage/issuer", tags=["storage"])

# Storage elements keep keys for hours; the next one is published long before it signs.
CACHED = {"Cache-Control": "public, max-age=600"}

CurrentIssuing = Annotated[Issuing, Depends(ISSUING.dependency)]
PublicURL = Annotated[str, Depends(PUBLIC_URL.dependency)]


@router.get(
    "/{vo}/.well-known/openid-configuration",
    operation_id="storage_get_issuer_configuration",
    response_model=dict[str, Any],
)
async def get_issuer_configuration(vo: Name, config: CurrentConfig, public_url: PublicURL) -> Response:
    """Describe the issuer of tokens of a VO."""
    return json_response(tokens.metadata(public_url, _known(config, vo)), headers=CACHED)


@router.get("/{vo}/jwks.json", operation_id="storage_get_issuer_keys", response_model=dict[str, Any])
async def get_issuer_keys(vo: Name, config: CurrentConfig, issuing: CurrentIssuing) -> Response:
    """Return the keys that verify the tokens of a VO's issuer."""
    _known(config, vo)
    return json_response(issuing.keys.public_jwks(), headers=CACHED)


def _known(config: CurrentConfig, vo: str) -> str:
    if vo not in config.registry:
        raise NotFound(f"There is no VO {vo}")
    return vo
