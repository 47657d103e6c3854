"""The proxies of the page, as it writes them, in front of a real server."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from tests.admin.machine import (
    answers,
    await_that,
    blocks,
    environment,
    make_certificates,
    needed,
    nginx_config,
    protocol,
    running,
    source_path,
    weyl,
)
from weyl.demo.processes import free_ports

pytestmark = [pytest.mark.timeout(600)]


@dataclass(frozen=True)
class Site:
    """An installation behind TLS."""

    url: str
    port: int
    http: httpx2.Client
    authority: Path
    trusted: object


def nginx(directory: Path, tls_port: int, port: int) -> list[str]:
    [site] = blocks("proxy.md", "nginx")
    site = site.replace("listen 443", f"listen 127.0.0.1:{tls_port}").replace("/etc/ssl", str(directory))
    file = nginx_config(directory, site.replace("127.0.0.1:8000", f"127.0.0.1:{port}"))
    return [needed("nginx"), "-p", str(directory), "-e", f"{directory}/nginx.err", "-c", str(file)]


def caddy(directory: Path, tls_port: int, port: int) -> list[str]:
    [site] = blocks("proxy.md", "caddy")
    own = f"https://localhost:{tls_port} {{\n    tls {directory}/weyl.pem {directory}/weyl.key\n"
    site = site.replace("weyl.example.org {\n", own).replace("127.0.0.1:8000", f"127.0.0.1:{port}")
    file = directory / "Caddyfile"
    file.write_text("{\n    admin off\n    auto_https disable_redirects\n    default_bind 127.0.0.1\n}\n" + site)
    return [needed("caddy"), "run", "--config", str(file), "--adapter", "caddyfile"]


@contextmanager
def proxied(make, directory: Path, settings: dict[str, str]) -> Iterator[Site]:
    tls_port, port = free_ports("127.0.0.1", 2)
    trusted = make_certificates(directory, "localhost")
    command = make(directory, tls_port, port)
    url = f"https://localhost:{tls_port}"
    changes = {"WEYL_PUBLIC_URL": url, "WEYL_TRUSTED_PROXIES": json.dumps(["127.0.0.1"]), "HOME": str(directory)}
    env = {**settings, **changes, "WEYL_LOGINS_PER_MINUTE": "3", "XDG_DATA_HOME": str(directory)}
    with (
        running(weyl("serve", "--port", str(port)), directory / "server.log", env=env),
        running(command, directory / "proxy.log", env=env),
        httpx2.Client(base_url=url, verify=trusted, timeout=60) as http,
    ):
        await_that(lambda: answers(f"{url}/api/health/ready", trusted), "the site ready")
        yield Site(url, tls_port, http, directory / "ca.pem", trusted)


@pytest.fixture(params=[nginx, caddy], ids=["nginx", "caddy"])
def site(request, tmp_path: Path, installation, database_url: str, object_store) -> Iterator[Site]:
    with proxied(request.param, tmp_path, environment(installation, database_url, object_store)) as found:
        yield found


def test_the_page_works_to_the_letter(site: Site, tmp_path: Path) -> None:
    assert protocol(site.port, site.trusted) == "h2"
    # Addresses that others write into the header are not believed: the fourth attempt is one too many.
    statuses = [
        site.http.post(
            "/api/auth/device",
            params={"client_id": "myDIRACClientID", "scope": "vo:voa"},
            headers={"X-Forwarded-For": f"9.9.9.{number}"},
        ).status_code
        for number in range(4)
    ]
    assert statuses == [200, 200, 200, 429]
    # Links are built from the public URL.
    document = site.http.get("/.well-known/openid-configuration").json()
    assert document["token_endpoint"] == f"{site.url}/api/auth/token"
    # Bodies larger than the proxies' own limits reach the server, which answers itself.
    large = site.http.post("/api/jobs/search", content=b'{"search": []' + b" " * 3_000_000 + b"}")
    assert "x-request-id" in large.headers, large.text
    assert large.json()["detail"]
    checks = doctor(site, tmp_path, WEYL_CA_PATH=str(site.authority))
    assert checks["encryption"]["State"] == "warning"
    assert "Test authority" in checks["encryption"]["Finding"]
    assert "expires in 9 days" in checks["encryption"]["Finding"]
    untrusted = doctor(site, tmp_path)
    assert "WEYL_CA_PATH" in untrusted["server"]["Advice"]


def doctor(site: Site, directory: Path, **more: str) -> dict[str, dict[str, str]]:
    env = {"PATH": "/usr/bin:/bin", "HOME": str(directory), "WEYL_URL": site.url, **more}
    command = weyl("doctor", "-o", "json")
    done = subprocess.run(command, env=env | source_path(), capture_output=True, text=True, timeout=120, check=False)
    return {row["Check"]: row for row in json.loads(done.stdout)}
