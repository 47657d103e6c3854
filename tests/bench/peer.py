"""Runs the peer, DiracX 0.7.0 on MariaDB, beside weyl: only through its public settings and its HTTP interface."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError

import httpx2
from cryptography.fernet import Fernet
from joserfc.jwk import OKPKey

from tests.bench.peer_install import PeerPrograms
from tests.infra.directories import PASSWORDS, write_passwords
from tests.infra.login import CLIENT_ID
from tests.infra.stack import DEVICE_GRANT, write_credentials
from weyl.demo.browser import walk_through_forms
from weyl.demo.idp import USERS
from weyl.demo.processes import end, free_ports, launch, wait_until
from weyl.demo.seaweedfs import start_seaweedfs

HOST = "127.0.0.1"
VO, USER, GROUP = "hep", USERS[0], "user"
IDP_CLIENT = "weyl"
DATABASES = ("AuthDB", "JobDB", "JobLoggingDB", "PilotAgentsDB", "ResourceStatusDB", "SandboxMetadataDB", "TaskQueueDB")
# A quarter of a small machine; commits are synced, as PostgreSQL's are.
MARIADB_OPTIONS = ("--innodb-flush-log-at-trx-commit=1", "--innodb-buffer-pool-size=512M", "--skip-networking=0")
START_TIMEOUT_S = 180.0
ASKED_TIMEOUT_S = 30


@dataclass(frozen=True)
class Peer:
    """A running peer in which alice has logged in."""

    url: str
    credentials: Path
    server_pid: int
    database_pids: tuple[int, ...]


@contextmanager
def running_peer(programs: PeerPrograms, directory: Path) -> Iterator[Peer]:
    """Run database, store, identity provider and one server for the length of the block."""
    with ExitStack() as stack:

        def start(name: str, *command: str | Path, port: int, path: str, env: Mapping[str, str]) -> int:
            log = directory / f"{name}.log"
            process = launch(command, log=log, env=env)
            stack.callback(end, process, (signal.SIGTERM, 20.0))
            wait_until(lambda: _answers(port, path), process, log=log, timeout_s=START_TIMEOUT_S)
            return process.pid

        url_port, database_port, idp_port, parameters_port = free_ports(HOST, 4)
        url = f"http://{HOST}:{url_port}"
        database_pid = _start_mariadb(stack, programs, directory, database_port)
        store = stack.enter_context(start_seaweedfs(directory / "s3"))
        own = {**os.environ, "HOME": str(directory)}
        redirects = [f"{url}/api/auth/device/complete", f"{url}/api/auth/authorize/complete"]
        passwords = write_passwords(directory / "passwords.json")
        idp = [sys.executable, "-m", "weyl", "dev-idp", "--port", str(idp_port), f"--passwords={passwords}"]
        idp += [part for redirect in redirects for part in ("--redirect-uri", redirect)]
        start("idp", *idp, port=idp_port, path="/.well-known/openid-configuration", env=own)
        double = Path(__file__).with_name("peer_parameters.py")
        arguments = (sys.executable, double, str(parameters_port))
        parameters_pid = start("parameters", *arguments, port=parameters_port, path="/", env=own)
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(directory),
            **_databases(database_port),
            "DIRACX_OS_DB_JOBPARAMETERSDB": json.dumps({"hosts": f"http://{HOST}:{parameters_port}"}),
            "DIRACX_CONFIG_BACKEND_URL": f"git+file://{_configuration(directory / 'config', idp_port)}",
            **_secrets(url),
            "DIRACX_SANDBOX_STORE_BUCKET_NAME": "sandboxes",
            "DIRACX_SANDBOX_STORE_AUTO_CREATE_BUCKET": "true",
            "DIRACX_SANDBOX_STORE_S3_CLIENT_KWARGS": json.dumps(
                {
                    "endpoint_url": store.endpoint_url,
                    "aws_access_key_id": store.access_key,
                    "aws_secret_access_key": store.secret_key,
                }
            ),
        }
        subprocess.run([programs.python, "-m", "diracx.db", "init-sql"], env=environment, check=True)
        server = [programs.python, "-m", "uvicorn", "--factory", "diracx.routers.factory:create_app"]
        server += ["--host", HOST, "--port", str(url_port)]
        server_pid = start("server", *server, port=url_port, path="/api/health/ready", env=environment)
        yield Peer(url, _login(url, directory / "credentials.json"), server_pid, (database_pid, parameters_pid))


def _start_mariadb(stack: ExitStack, programs: PeerPrograms, directory: Path, port: int) -> int:
    data, base, log = directory / "mariadb", programs.mariadb, directory / "mariadb.log"
    environment = {"PATH": os.environ["PATH"], "LD_LIBRARY_PATH": programs.libraries}
    common = [
        "--no-defaults",
        f"--basedir={base}",
        f"--datadir={data}",
        "--user=" + ("root" if os.getuid() == 0 else ""),
    ]
    data.mkdir()
    make = ["sh", base / "bin" / "mariadb-install-db", *common, "--auth-root-authentication-method=normal"]
    subprocess.run([*make, "--skip-test-db"], env=environment, check=True, capture_output=True)
    first = directory / "first.sql"
    statements = [f"CREATE DATABASE {name};" for name in DATABASES]
    statements += ["CREATE USER peer@'127.0.0.1' IDENTIFIED BY 'peer';", "GRANT ALL ON *.* TO peer@'127.0.0.1';"]
    first.write_text("\n".join(statements) + "\n")
    own = [f"--port={port}", f"--bind-address={HOST}", f"--socket={directory}/db.sock", f"--init-file={first}"]
    command = [base / "sbin" / "mariadbd", *common, *own, "--skip-log-bin", "--skip-name-resolve", *MARIADB_OPTIONS]
    process = launch(command, log=log, env=environment)
    stack.callback(end, process, (signal.SIGTERM, 30.0))
    wait_until(lambda: "ready for connections" in log.read_text(), process, log=log, timeout_s=START_TIMEOUT_S)
    return process.pid


def _databases(port: int) -> dict[str, str]:
    return {f"DIRACX_DB_URL_{name.upper()}": f"mysql+aiomysql://peer:peer@{HOST}:{port}/{name}" for name in DATABASES}


def _secrets(url: str) -> dict[str, str]:
    key = OKPKey.generate_key("Ed25519", {"alg": "Ed25519", "use": "sig", "key_ops": ["sign", "verify"]}, private=True)
    key.ensure_kid()
    return {
        "DIRACX_SERVICE_AUTH_TOKEN_ISSUER": url,
        "DIRACX_SERVICE_AUTH_TOKEN_KEYSTORE": json.dumps({"keys": [key.as_dict(private=True)]}),
        "DIRACX_SERVICE_AUTH_STATE_KEY": Fernet.generate_key().decode(),
        "DIRACX_SERVICE_AUTH_ALLOWED_REDIRECTS": json.dumps([f"{url}/api/docs/oauth2-redirect"]),
    }


def _configuration(directory: Path, idp_port: int) -> Path:
    """Write the repository of its configuration: one VO with one user."""
    directory.mkdir()
    organisation = {
        "IdP": {"URL": f"http://{HOST}:{idp_port}", "ClientID": IDP_CLIENT},
        "DefaultGroup": GROUP,
        "Users": {USER.subject: {"PreferedUsername": USER.name}},
        "Groups": {GROUP: {"Properties": ["NormalUser"], "Users": [USER.subject]}},
    }
    document = {"DIRAC": {}, "Operations": {"Defaults": {}}, "Registry": {VO: organisation}}
    (directory / "default.yml").write_text(json.dumps(document))
    git = ["git", "-C", str(directory), "-c", "user.name=bench", "-c", "user.email=bench@example.org"]
    for command in (["init", "-q", "-b", "master"], ["add", "default.yml"], ["commit", "-q", "-m", "One VO"]):
        subprocess.run([*git, *command], check=True)
    return directory


def _login(url: str, path: Path) -> Path:
    scope = f"vo:{VO} group:{GROUP}"
    with httpx2.Client(base_url=url, timeout=ASKED_TIMEOUT_S) as http:
        started = http.post("/api/auth/device", params={"client_id": CLIENT_ID, "scope": scope})
        started.raise_for_status()
        walk_through_forms(
            started.json()["verification_uri_complete"], {"login": USER.name, "password": PASSWORDS[USER.name]}
        )
        form = {"grant_type": DEVICE_GRANT, "client_id": CLIENT_ID, "device_code": started.json()["device_code"]}
        answer = http.post("/api/auth/token", data=form)
        answer.raise_for_status()
    write_credentials(path, answer.json())
    return path


def _answers(port: int, path: str) -> bool:
    with suppress(URLError, OSError), urllib.request.urlopen(f"http://{HOST}:{port}{path}", timeout=5) as answer:
        return bool(answer.status == 200)
    return False
