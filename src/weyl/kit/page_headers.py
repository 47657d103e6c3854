"""The headers of every HTML answer: what a page may load, and what the browser may tell others of it."""

from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

GUARDED: Mapping[str, str] = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
"""What all of them have, and what is loaded by them."""

YEAR_S = 31_536_000


def origin_of(url: str) -> str:
    """Return the origin of a URL, as a policy names it."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def content_policy(nonce: str, connect: Iterable[str] = ()) -> str:
    """Return the policy of a page whose own scripts and styles carry `nonce`; `connect` are further origins to call."""
    return "; ".join(
        [
            "default-src 'self'",
            f"script-src 'self' 'nonce-{nonce}'",
            f"style-src 'self' 'nonce-{nonce}'",
            "img-src 'self' data: blob:",
            " ".join(["connect-src 'self'", *connect]),
            "worker-src 'self'",
            "object-src 'none'",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        ]
    )


def page_headers(public_url: str, *, policy: str) -> dict[str, str]:
    """Return the headers of a page under a policy; where people come by TLS, their browsers will never come without."""
    headers = {"Content-Security-Policy": policy, **GUARDED}
    if public_url.startswith("https://"):
        headers["Strict-Transport-Security"] = f"max-age={YEAR_S}"
    return headers
