"""Runs the API server in this process until a signal asks to stop."""

import socket

import structlog
import uvicorn

from weyl.app import create_app
from weyl.settings import Settings

log = structlog.get_logger(__name__)

# Long polls of pilots end by themselves within 30 s; what is still running after that is cut.
SHUTDOWN_S = 25
BACKLOG = 1024


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens; port 0 takes a free one. Raises `OSError` if the address is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    listener.listen(BACKLOG)
    return listener


def run_server(settings: Settings, listener: socket.socket) -> None:
    """Serve on a listening socket; SIGTERM and SIGINT finish the requests under way first."""
    config = uvicorn.Config(
        create_app(settings),
        http="httptools",
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
    uvicorn.Server(config).run(sockets=[listener])
