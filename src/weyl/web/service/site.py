"""The pages as one process serves them: the files, the page for all addresses, and what its browser may reach."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from weyl.kit.page_headers import content_policy, origin_of, page_headers
from weyl.kit.services import Key
from weyl.settings import Settings
from weyl.web.service.assets import HASHED, INDEX, NONCE_MARK, PAGES, Asset, Assets

FOR_GOOD = "public, max-age=31536000, immutable"
ASK_EACH_TIME = "no-cache"
# A login at the identity provider opens in a window of its own, which has to find the way back to the page.
OPENS_WINDOWS = {"Cross-Origin-Opener-Policy": "same-origin-allow-popups"}

DOCUMENTATION = "docs/"
STILL = (
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The policy of pages without scripts."""

UNBUILT = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>weyl: the pages are not built</title>
<style nonce="__NONCE__">
:root { color-scheme: light dark; }
body { font: 1.125rem/1.5 system-ui, sans-serif; max-width: 40rem; margin: 15vh auto 0; padding: 0 1.25rem; }
pre { padding: .75rem 1rem; border: 1px solid currentcolor; border-radius: .375rem; overflow-x: auto; }
</style>
</head>
<body>
<main>
<h1>The pages are not built</h1>
<p>This server runs from a source tree in which the web pages were not made yet. The API, with
<a href="/api/openapi.json">its document</a>, and the command line work without them. To build the pages, run in the
source tree</p>
<pre>make web</pre>
<p>and start the server again. A wheel has them built in: nobody who installs weyl needs this step.</p>
</main>
</body>
</html>
"""


@dataclass(frozen=True, slots=True)
class Page:
    """The page with its headers; each has a nonce of its own."""

    html: str
    headers: dict[str, str]


class Site:
    """Finds files by their path, and makes the page for every other address."""

    def __init__(self, assets: Assets, settings: Settings) -> None:
        self._assets = assets
        self._html = {name: assets.page(name) or UNBUILT for name in PAGES}
        self._public_url = settings.public_url
        # Browsers take sandboxes to and from the object store themselves, by requests that we sign.
        store = origin_of(settings.s3_public_endpoint or settings.s3_endpoint)
        self._connect = [] if store == origin_of(settings.public_url) else [store]

    def page(self) -> Page:
        """Return the page for any address."""
        return self._guarded(self._html[INDEX], self._connect)

    def docs(self, name: str) -> Page:
        """Return a page about the API's document: the one that shows it, or the one at which a login there ends."""
        page = self._guarded(self._html[name])
        return Page(page.html, {**page.headers, **OPENS_WINDOWS})

    def _guarded(self, html: str, connect: Sequence[str] = ()) -> Page:
        nonce = secrets.token_urlsafe(18)
        headers = page_headers(self._public_url, policy=content_policy(nonce, connect))
        return Page(html.replace(NONCE_MARK, nonce), {**headers, "Cache-Control": ASK_EACH_TIME})

    def asset(self, path: str) -> Asset | None:
        """Return one of our own files; the pages themselves are none, they need their nonce."""
        return None if path in PAGES else self._assets.own.get(path)

    def documentation(self, path: str) -> tuple[Asset, dict[str, str]] | None:
        """Return a file of the documentation by its path below `/docs/`, with its headers: nothing in it runs."""
        found = self._assets.own.get(DOCUMENTATION + (path or INDEX))
        return None if found is None else (found, page_headers(self._public_url, policy=STILL))

    def extension_asset(self, path: str) -> Asset | None:
        """Return a file of an extension by `<extension>/<path>`."""
        name, _, rest = path.partition("/")
        return self._assets.extensions.get(name, {}).get(rest)

    @staticmethod
    def keeping(path: str) -> str:
        """Say how long a browser may keep a file: those that are named by their content for good."""
        return FOR_GOOD if path.startswith(HASHED) else ASK_EACH_TIME


SITE: Key[Site] = Key("the site")
