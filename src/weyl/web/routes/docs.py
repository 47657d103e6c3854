"""The page that shows the API's document in a browser, from our own files and under the policy of all pages."""

from fastapi import APIRouter, Request, Response

from weyl.web.service.assets import DOCS, DOCS_LOGIN
from weyl.web.service.site import SITE

router = APIRouter(prefix="/api/docs", include_in_schema=False)


@router.get("")
async def show_docs(request: Request) -> Response:
    """Answer with the page, or with how it is built."""
    return _page(request, DOCS)


@router.get("/oauth2-redirect")
async def end_login(request: Request) -> Response:
    """Answer with the page at which a login from there ends."""
    return _page(request, DOCS_LOGIN)


def _page(request: Request, name: str) -> Response:
    page = SITE.of(request).docs(name)
    return Response(page.html, media_type="text/html; charset=utf-8", headers=page.headers)
