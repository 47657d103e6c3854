"""What an administrator has on a machine: the environment, the programs, a certificate authority, and the pages."""

import datetime
import ipaddress
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.infra import waiting
from tests.infra.app import Installation
from weyl.demo.seaweedfs import RunningStore

ROOT = Path(__file__).resolve().parents[2]
PAGES = ROOT / "docs" / "admin"
# Programs start one after the other, and other tests run beside.
LONG_WAIT_S = 180.0
END_S = 30.0


def blocks(page: str, language: str) -> list[str]:
    """Return the code blocks of a page in one language."""
    text = (PAGES / page).read_text()
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def environment(installation: Installation, database_url: str, store: RunningStore, **more: str) -> dict[str, str]:
    """Return the environment of an installation's programs, as `weyl.env` would make it."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("WEYL_", "DIRACX_"))}
    settings = installation.settings(database_url, store)
    return {
        **inherited,
        "WEYL_DATABASE_URL": database_url,
        "WEYL_DATABASE_POOL_SIZE": "4",
        "WEYL_CONFIG_URL": settings.config_url,
        "WEYL_KEYS": installation.keys,
        "WEYL_STATE_KEY": installation.state_key,
        "WEYL_PUBLIC_URL": settings.public_url,
        "WEYL_S3_ENDPOINT": store.endpoint_url,
        "WEYL_S3_ACCESS_KEY": store.access_key,
        "WEYL_S3_SECRET_KEY": store.secret_key,
        "WEYL_PILOT_PEPPERS": settings.pilot_peppers.get_secret_value(),
        "WEYL_LOG_FORMAT": "console",
        **more,
    }


def needed(program: str) -> str:
    """Return the path of a program; without it the test is skipped here, and fails in CI."""
    found = shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if found is None:
        assert not os.environ.get("CI"), f"{program} is missing: python3 tools/setup.py --system installs it"
        pytest.skip(f"{program} is not installed; as root: python3 tools/setup.py --system")
    return found


await_that = partial(waiting.await_that, timeout_s=LONG_WAIT_S)


def answers(url: str, verify: ssl.SSLContext | bool = True) -> bool:
    """Tell whether an address answers 200."""
    try:
        return httpx2.get(url, verify=verify, timeout=5).status_code == 200
    except httpx2.TransportError:
        return False


@contextmanager
def running(command: list[str], log: Path, *, env: dict[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program for the length of the block; its words go into a file, which is shown if the test fails."""
    with log.open("ab") as output:
        process = subprocess.Popen(command, env=env, stdout=output, stderr=output)
    try:
        yield process
    finally:
        # Asked first: nginx, killed, leaves its own children behind.
        process.terminate()
        try:
            process.wait(END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        print(f"--- {log.name}", log.read_text()[-3000:], sep="\n")


def source_path() -> dict[str, str]:
    """Return where Python finds us, if that is said by the environment."""
    return {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}


def weyl(*words: str) -> list[str]:
    """Return the command line of our program."""
    return [sys.executable, "-m", "weyl", *words]


def make_certificates(directory: Path, *names: str) -> ssl.SSLContext:
    """Write `weyl.pem` and `weyl.key`, signed by an authority of our own, and its `ca.pem`; returns who trusts it."""
    authority, leaf = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test authority")])
    now = datetime.datetime.now(datetime.UTC)

    def builder(subject: str, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(days=10))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key()), critical=False)
        )

    usage = x509.KeyUsage(*([False] * 5), key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False)
    root = (
        builder("Test authority", authority)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .sign(authority, hashes.SHA256())
    )
    alternatives = [x509.DNSName(name) for name in names] + [x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        builder(names[0], leaf)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .sign(authority, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (directory / "ca.pem").write_bytes(root.public_bytes(pem))
    (directory / "weyl.pem").write_bytes(certificate.public_bytes(pem))
    (directory / "weyl.key").write_bytes(
        leaf.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return ssl.create_default_context(cafile=str(directory / "ca.pem"))


def nginx_config(directory: Path, site: str) -> Path:
    """Write a whole nginx configuration around the site of the page; everything is below the directory."""
    temporary = "".join(
        f"  {kind}_temp_path {directory}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    file = directory / "nginx.conf"
    user = "user root;\n" if os.geteuid() == 0 else ""
    file.write_text(
        f"daemon off;\n{user}pid {directory}/nginx.pid;\nerror_log {directory}/nginx.err;\n"
        f"events {{}}\nhttp {{\n  access_log off;\n{temporary}{site}}}\n"
    )
    return file


def protocol(port: int, trusted: ssl.SSLContext) -> str | None:
    """Return the protocol that a TLS server chooses when we offer HTTP/2 and 1.1."""
    context = ssl.create_default_context()
    context.load_verify_locations(cadata=ssl.DER_cert_to_PEM_cert(trusted.get_ca_certs(binary_form=True)[0]))
    context.set_alpn_protocols(["h2", "http/1.1"])
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as tls,
    ):
        return tls.selected_alpn_protocol()
