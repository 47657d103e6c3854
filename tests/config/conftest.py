"""Configuration repositories: a local one, and a git server on the loopback interface that speaks HTTPS."""

import base64
import os
import ssl
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from weyl.config.administration import change_repository, create_repository, with_vo
from weyl.config.drivers.git import Author, GitRepository

ADA = Author("Ada", "ada@example.org")


@pytest.fixture
async def repository(tmp_path: Path) -> GitRepository:
    url = f"git+file://{tmp_path}/cs"
    await create_repository(url, author=ADA)
    await change_repository(
        url,
        lambda document: with_vo(document, "voa", default_group="user", idp_url="https://idp", idp_client_id="weyl"),
        message="Add voa",
        author=ADA,
    )
    return GitRepository(url)


@dataclass
class GitServer:
    """Where the server listens, what it serves, and who may write; with nobody it serves files and no more."""

    url: str
    root: Path
    writers: dict[str, str] = field(default_factory=dict)


class GitHandler(SimpleHTTPRequestHandler):
    """Serves files as they are and, for those who may write, git's own backend; says nothing."""

    def __init__(self, *arguments: object, served: GitServer) -> None:
        self.served = served
        super().__init__(*arguments, directory=str(served.root))  # type: ignore[arg-type]

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""

    def do_GET(self) -> None:
        """Answer with a file, or what the backend says."""
        if self.served.writers:
            self._backend()
        else:
            super().do_GET()

    def do_POST(self) -> None:
        """Hand a request to the backend."""
        self._backend()

    def _backend(self) -> None:
        login = base64.b64decode(self.headers.get("Authorization", "Basic ").split(" ")[1]).decode()
        name, _, password = login.partition(":")
        if self.served.writers.get(name) != password:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        path, _, query = self.path.partition("?")
        length = int(self.headers.get("Content-Length") or 0)
        environment = os.environ | {
            "GIT_PROJECT_ROOT": str(self.served.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "REMOTE_USER": name,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
        }
        body = self.rfile.read(length)
        answer = subprocess.run(
            ["git", "-c", "safe.directory=*", "http-backend"],
            input=body,
            env=environment,
            capture_output=True,
            check=True,
        )
        head, _, content = answer.stdout.partition(b"\r\n\r\n")
        headers = dict(line.decode().split(": ", 1) for line in head.split(b"\r\n"))
        self.send_response(int(headers.pop("Status", "200").split(" ")[0]))
        # TLS is not ended in due form here, so that clients must know how much there is.
        for header, value in (headers | {"Content-Length": str(len(content))}).items():
            self.send_header(header, value)
        self.end_headers()
        self.wfile.write(content)


@pytest.fixture
def https_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[GitServer]:
    """A git server with a certificate that git trusts here."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "key.pem").write_bytes(private)
    (tmp_path / "certificate.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    monkeypatch.setenv("GIT_SSL_CAINFO", str(tmp_path / "certificate.pem"))
    served = GitServer("", tmp_path / "www")
    served.root.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(GitHandler, served=served))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(tmp_path / "certificate.pem", tmp_path / "key.pem")
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    served.url = f"https://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield served
    server.shutdown()
    thread.join()
    server.server_close()
