"""Looks at the certificate of a server, with the authorities that the client trusts."""

import socket
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a server showed, verified up to an authority."""

    protocol: str
    issuer: str
    ends: datetime

    def days_left(self, now: datetime) -> int:
        """Return the whole days for which it is still good."""
        return (self.ends - now).days


def read_certificate(url: str, ca_path: str | None) -> Certificate:
    """Connect and return the server's certificate; raises `OSError`, of which `ssl.SSLError` is one."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 443
    context = ssl.create_default_context(cafile=ca_path)
    with (
        socket.create_connection((host, port), timeout=TIMEOUT_S) as plain,
        context.wrap_socket(plain, server_hostname=host) as encrypted,
    ):
        shown = encrypted.getpeercert() or {}
        ends = datetime.fromtimestamp(ssl.cert_time_to_seconds(str(shown["notAfter"])), UTC)
        return Certificate(encrypted.version() or "TLS", _name(shown.get("issuer", ())), ends)


def _name(parts: object) -> str:
    """Return how an authority is called: its common name, else its organisation."""
    names = {key: value for part in parts if isinstance(part, tuple) for key, value in part}  # type: ignore[attr-defined]
    return str(names.get("commonName") or names.get("organizationName") or "an authority without a name")
