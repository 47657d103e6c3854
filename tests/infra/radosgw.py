"""Ceph's object gateway without a cluster: a second real S3, which checks less than others."""

import os
import secrets
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx2

from tests.grid.daemons import needs
from weyl.demo.processes import end, free_ports, launch, loopback_address, wait_until

READY_S = 90.0
CONFIG = """\
[global]
auth_supported = none

[client.rgw]
rgw_backend_store = dbstore
dbstore_db_dir = {directory}
rgw_config_store = dbstore
dbstore_config_uri = file:{directory}/config.db
rgw_data = {directory}
rgw_frontends = beast endpoint={address}:{port}
log_file = {directory}/rgw.log
admin_socket =
"""
OPTIONS = ("-n", "client.rgw", "--no-mon-config")


@dataclass(frozen=True)
class Gateway:
    """An S3 that answers at `endpoint_url` to the two keys."""

    endpoint_url: str
    access_key: str
    secret_key: str


def missing_radosgw() -> str | None:
    """Return why no gateway can be started here."""
    return needs("radosgw", "radosgw-admin")


@contextmanager
def running_radosgw(directory: Path) -> Iterator[Gateway]:
    """Run a gateway for the length of the block."""
    address = loopback_address()
    [port] = free_ports(address, 1)
    config = directory / "ceph.conf"
    config.write_text(CONFIG.format(directory=directory, address=address, port=port))
    gateway = Gateway(f"http://{address}:{port}", secrets.token_hex(10), secrets.token_hex(20))
    _make_user(directory, config, gateway)
    log = directory / "start.log"
    process = launch(
        ["/usr/bin/radosgw", *OPTIONS, "-c", str(config), "-f"],
        log=log,
        on_parent_death=signal.SIGKILL,
        env=dict(os.environ),
    )
    try:
        wait_until(lambda: _answers(gateway.endpoint_url), process, log=log, timeout_s=READY_S)
        yield gateway
    finally:
        end(process, (signal.SIGTERM, 5.0))


def _make_user(directory: Path, config: Path, gateway: Gateway) -> None:
    """Make the user of the two keys; the program that does it hangs now and then, and is then tried again."""
    user = ["user", "create", "--uid", "weyl", "--display-name", "weyl"]
    keys = ["--access-key", gateway.access_key, "--secret-key", gateway.secret_key]
    command = ["radosgw-admin", *OPTIONS, "-c", str(config), *user, *keys]
    for patience_s in (15, 30, READY_S):
        with suppress(subprocess.TimeoutExpired):
            subprocess.run(command, check=True, capture_output=True, timeout=patience_s, cwd=directory)
            return
        for leftover in directory.glob("*.db*"):
            leftover.unlink()
    raise AssertionError("radosgw-admin hangs")


def _answers(url: str) -> bool:
    with suppress(httpx2.HTTPError):
        return httpx2.get(url, timeout=2).status_code in (200, 403)
    return False
