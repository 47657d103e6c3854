"""Serves the pages at every address that nobody else has."""

from collections.abc import Mapping

from fastapi import Request, Response
from fastapi.responses import RedirectResponse
from starlette.routing import BaseRoute, Match

from weyl.kit.middleware import Receive, Scope, Send
from weyl.kit.page_headers import GUARDED
from weyl.web.errors import AssetNotFound
from weyl.web.service.assets import HASHED, Asset
from weyl.web.service.site import DOCUMENTATION, SITE, Site

# What is unknown below these stays unknown, in the API's own words. Figures have a port of their own, and whoever asks
# for them here must not take a page for them.
NOT_OURS = ("/api/", "/.well-known/", "/metrics/")
EXTENSIONS = "ext/"


class SiteRoute(BaseRoute):
    """Stands behind all routes and answers what reads and is no part of the API; asked last, it costs them nothing.

    The pages find their way by the address themselves, so that any address may be opened, kept and sent to others.
    """

    path = "/{page}"

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Tell whether the request is for a page or one of its files."""
        if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
            return Match.NONE, {}
        if f"{scope['path']}/".startswith(NOT_OURS):
            return Match.NONE, {}
        return Match.FULL, {"route": self, "endpoint": self.handle, "path_params": {}}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with a file, or with the page."""
        request = Request(scope, receive)
        await answer(request, SITE.of(request))(scope, receive, send)


def answer(request: Request, site: Site) -> Response:
    """Return the file at the request's path; below `assets/` and `ext/` there is nothing else, elsewhere the page."""
    path = request.url.path.lstrip("/")
    if path == DOCUMENTATION.rstrip("/"):
        return RedirectResponse(f"/{DOCUMENTATION}")
    if path.startswith(DOCUMENTATION):
        return _documentation(request, site, path.removeprefix(DOCUMENTATION))
    if path.startswith(EXTENSIONS):
        found, keeping = site.extension_asset(path.removeprefix(EXTENSIONS)), "no-cache"
    else:
        found, keeping = site.asset(path), site.keeping(path)
    if found is not None:
        return _file(request, found, keeping)
    if path.startswith((HASHED, EXTENSIONS)):
        raise AssetNotFound("There is no such file; after an update, load the page again")
    page = site.page()
    return Response(page.html, media_type="text/html; charset=utf-8", headers=page.headers)


def _documentation(request: Request, site: Site, path: str) -> Response:
    found = site.documentation(path)
    if found is None:
        raise AssetNotFound("There is no such page of the documentation; it begins at /docs/")
    asset, headers = found
    return _file(request, asset, "no-cache", headers)


def _file(request: Request, asset: Asset, keeping: str, guarded: Mapping[str, str] = GUARDED) -> Response:
    headers = {**guarded, "ETag": f'"{asset.etag}"', "Cache-Control": keeping, "Vary": "Accept-Encoding"}
    if asset.etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    body = asset.body
    if asset.packed is not None and "gzip" in request.headers.get("accept-encoding", ""):
        body = asset.packed
        headers["Content-Encoding"] = "gzip"
    return Response(body, media_type=asset.media_type, headers=headers)
