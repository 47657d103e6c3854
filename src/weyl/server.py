"""Runs the API server in this process until a signal asks to stop."""

import gc
import socket
from types import FrameType
from urllib.parse import urlsplit

import structlog
import uvicorn
from fastapi import FastAPI

from weyl.app import create_app
from weyl.extension import Extension
from weyl.kit.http_protocol import PatientProtocol
from weyl.kit.loopback import is_loopback
from weyl.kit.services import BEFORE_STOP, Services
from weyl.settings import Settings

log = structlog.get_logger(__name__)

# What is still running after that is cut.
SHUTDOWN_S = 25
BACKLOG = 1024
# A large page makes so many objects at once; the default of 700 to 2,000 has the collector walk it a dozen times.
YOUNG_OBJECTS_MAX = 50_000


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens; port 0 takes a free one. Raises `OSError` if the address is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    listener.listen(BACKLOG)
    return listener


def cookie_problem(settings: Settings, listener: socket.socket) -> str | None:
    """Say why logins of browsers may not go without `Secure` here, if they are to."""
    if not settings.insecure_cookies:
        return None
    if listener.family not in (socket.AF_INET, socket.AF_INET6) or not is_loopback(listener.getsockname()[0]):
        return "WEYL_INSECURE_COOKIES is for this machine alone, and the server listens on an address that others reach"
    if not is_loopback(urlsplit(settings.public_url).hostname or ""):
        return f"WEYL_INSECURE_COOKIES is for this machine alone, and WEYL_PUBLIC_URL is {settings.public_url}"
    return None


class _Server(uvicorn.Server):
    """Tells the application that it is to stop before the open requests are waited for."""

    def __init__(self, config: uvicorn.Config, app: FastAPI) -> None:
        super().__init__(config)
        self._app = app

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then take what was made so far out of every later garbage collection: it stays for good."""
        await super().startup(sockets)
        gc.collect()
        gc.freeze()
        gc.set_threshold(YOUNG_OBJECTS_MAX, *gc.get_threshold()[1:])

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Answer long polls first: they would hold the end up for as long as they wait."""
        services: Services | None = getattr(self._app.state, "services", None)
        for prepare in services[BEFORE_STOP] if services is not None else ():
            prepare()
        super().handle_exit(sig, frame)


def run_server(settings: Settings, listener: socket.socket, extension: Extension) -> None:
    """Serve on a listening socket; SIGTERM and SIGINT finish the requests under way first."""
    app = create_app(settings, extension)
    config = uvicorn.Config(
        app,
        http=PatientProtocol,
        loop="uvloop",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=SHUTDOWN_S,
        backlog=BACKLOG,
    )
    host, port = listener.getsockname()[:2]
    log.info("server.starting", address=f"{host}:{port}", public_url=settings.public_url)
    _Server(config, app).run(sockets=[listener])
