"""Which requests with a cookie a page of ours has sent: a browser adds cookies to those of every other page too."""

from functools import lru_cache
from urllib.parse import urlsplit

# No route of these changes anything.
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
MULTIPART = "multipart/form-data"
_DEFAULT_PORTS = {"http": 80, "https": 443}


@lru_cache(maxsize=64)
def origin_of(url: str) -> str:
    """Return the origin of a URL as browsers write it: in small letters, and with a port only if it is unusual."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    shown = f"[{host}]" if ":" in host else host
    port = "" if parts.port in (None, _DEFAULT_PORTS.get(parts.scheme)) else f":{parts.port}"
    return f"{parts.scheme}://{shown}{port}"


def origin_problem(method: str, *, site: str | None, origin: str | None, own_origin: str) -> str | None:
    """Say why a request is not taken for one of a page of ours, by `Sec-Fetch-Site` or, without it, by `Origin`.

    No page can set either of them; `same-site` is another name, or another port, and so may be somebody else's.
    """
    if method in SAFE_METHODS:
        return None
    if site is not None:
        if site == "same-origin":
            return None
        return "This request was sent by a page of another origin: a login of a browser changes nothing from there"
    if origin is None:
        return (
            "The browser does not say which page has sent this request (Sec-Fetch-Site or Origin): "
            "use a newer one, or send a token in place of the cookie"
        )
    if origin != own_origin:
        return f"This request was sent by a page of another origin than {own_origin}"
    return None


def body_problem(content_type: str | None, *, has_body: bool, is_multipart_declared: bool) -> str | None:
    """Say why a body is refused: forms of any page may send what is no JSON, without asking the server first."""
    if not has_body:
        return None
    media_type = (content_type or "").partition(";")[0].strip().lower()
    if media_type == "application/json" or (media_type.startswith("application/") and media_type.endswith("+json")):
        return None
    if media_type == MULTIPART and is_multipart_declared:
        return None
    return "With the login of a browser the body must be JSON (Content-Type: application/json)"
