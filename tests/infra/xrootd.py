"""XRootD's HTTP with tokens: a real storage element that trusts an issuer which the test serves beside it."""

import json
import os
import pwd
import shutil
import signal
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2

from tests.grid.daemons import needs
from weyl.demo.certificates import Certificate, write_certificate
from weyl.demo.processes import Account, end, free_ports, launch, loopback_address, wait_until

AUDIENCE = "https://xrootd.test"
USER = "xrootd"
READY_S = 60.0
CONFIG = """\
all.export /data
oss.localroot {files}
all.adminpath {directory}/adm
all.pidpath {directory}/adm
xrd.port {port}
xrd.network nodnr
xrd.tls {directory}/tls/cert.pem {directory}/tls/key.pem
xrd.tlsca certfile {directory}/tls/issuers.pem
xrd.protocol http:{port} libXrdHttp.so
http.header2cgi Authorization authz
ofs.authorize 1
ofs.authlib ++ libXrdAccSciTokens.so config={directory}/scitokens.cfg
acc.authdb {directory}/authdb
xrootd.chksum max 2 adler32
"""
ISSUER = "[Issuer {vo}]\nissuer = {url}\nbase_path = {base_path}\n"

Documents = Callable[[str], Mapping[str, Any] | None]
"""Returns what an issuer answers to a path; None: there is nothing."""


@dataclass(frozen=True)
class XRootD:
    """A storage element that answers at `url`, and the directory behind its path `/data`."""

    url: str
    ca: Path
    files: Path


def missing_xrootd() -> str | None:
    """Return why no XRootD can be started here."""
    return needs("xrootd")


class IssuerServer:
    """Serves the documents of issuers over TLS, as the installation does in earnest."""

    def __init__(self, directory: Path) -> None:
        self.address = loopback_address()
        self.certificate: Certificate = write_certificate(directory, self.address)
        self.documents: Documents = lambda _: None
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                document = owner.documents(self.path)
                body = json.dumps(document).encode()
                self.send_response(404 if document is None else 200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer((self.address, 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate.path, self.certificate.key)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"https://{self.address}:{self._server.server_address[1]}"

    def __enter__(self) -> "IssuerServer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@contextmanager
def running_xrootd(
    directory: Path, issuer: IssuerServer, *, issuers: Mapping[str, tuple[str, str]]
) -> Iterator[XRootD]:
    """Run XRootD for the length of the block; `issuers` has the URL and the base path of the issuer of each VO."""
    account = pwd.getpwnam(USER)
    for name in ("files", "adm", "tls", "cache"):
        (directory / name).mkdir(mode=0o755)
    (directory / "files" / "data").mkdir()
    address, tls = loopback_address(), directory / "tls"
    made = write_certificate(tls, address)
    made.path.rename(tls / "cert.pem")
    made.key.rename(tls / "key.pem")
    # Where it is told no file, only the system's bundle counts.
    shutil.copyfile(issuer.certificate.path, tls / "issuers.pem")
    (tls / "cert.pem").chmod(0o644)
    sections = "".join(ISSUER.format(vo=vo, url=url, base_path=base) for vo, (url, base) in issuers.items())
    (directory / "scitokens.cfg").write_text(f"[Global]\naudience = {AUDIENCE}\n\n{sections}")
    (directory / "authdb").write_text("")
    [port] = free_ports(address, 1)
    (directory / "xrootd.cfg").write_text(CONFIG.format(files=directory / "files", directory=directory, port=port))
    for path in (directory, *directory.rglob("*")):
        os.chown(path, account.pw_uid, account.pw_gid)
    command = [str(shutil.which("xrootd")), "-n", "weyl", "-c", directory / "xrootd.cfg"]
    process = launch(
        [*command, "-l", directory / "xrootd.log", "-I", "v4"],
        log=directory / "start.log",
        account=Account(USER, account.pw_uid, account.pw_gid),
        on_parent_death=signal.SIGKILL,
        env={**os.environ, "XDG_CACHE_HOME": str(directory / "cache")},
    )
    found = XRootD(f"https://{address}:{port}", tls / "cert.pem", directory / "files")
    try:
        wait_until(lambda: _answers(found), process, log=directory / "start.log", timeout_s=READY_S)
        yield found
    finally:
        end(process, (signal.SIGTERM, 5.0))


def _answers(server: XRootD) -> bool:
    context = ssl.create_default_context(cafile=str(server.ca))
    with suppress(httpx2.HTTPError), httpx2.Client(verify=context, timeout=2) as http:
        return http.get(f"{server.url}/data/").status_code in (200, 403)
    return False
