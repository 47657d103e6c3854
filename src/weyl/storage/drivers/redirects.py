"""Where storage sends on to: doors of dCache, EOS and XRootD answer with the address of the server that has the file.

That address carries its own authorisation. Whoever it leads to, other than the door itself, sees no token of ours.
"""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass

from yarl import URL

from weyl.kit.loopback import is_loopback

REDIRECTS_MAX = 5
_ALWAYS = frozenset({307, 308})
_READING = _ALWAYS | {301, 302}
_READS = frozenset({"GET", "HEAD", "PROPFIND"})
_HARMLESS = frozenset({"range", "content-length", "content-type", "depth", "want-digest"})
"""Headers that go to whoever an address leads to."""


class Misled(Exception):
    """Raised for an address that must not be followed; the text does not name it."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A request without its body."""

    method: str
    url: URL
    headers: Mapping[str, str]


def is_redirect(method: str, status: int) -> bool:
    """Tell whether an answer sends a request on as it is."""
    return status in (_READING if method in _READS else _ALWAYS)


def led_to(ask: Ask, location: str) -> Ask:
    """Return the request for where an answer leads; raises `Misled`."""
    try:
        url = ask.url.join(URL(location, encoded=True))
    except ValueError as error:
        raise Misled("to what is no address") from error
    if not location or url.host is None or url.user is not None or url.scheme not in ("http", "https"):
        raise Misled("to what is no address")
    if ask.url.scheme == "https" and url.scheme != "https":
        raise Misled("to a connection that is not encrypted")
    if _is_here(url.host) and not _is_here(str(ask.url.host)):
        raise Misled("to an address of this machine")
    if (url.scheme, url.host, url.port) == (ask.url.scheme, ask.url.host, ask.url.port):
        return Ask(ask.method, url, ask.headers)
    return Ask(ask.method, url, {name: value for name, value in ask.headers.items() if name.lower() in _HARMLESS})


def _is_here(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return is_loopback(host)
    return address.is_loopback or address.is_link_local or address.is_unspecified
