"""Runs Rucio beside weyl: its server on a PostgreSQL of its own, of the same version and settings as ours."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from tests.bench.cpu import cpu_s
from tests.bench.verdicts import Sample
from weyl.demo.postgres import RunningPostgres, start_postgres
from weyl.demo.processes import ComponentFailed, end, free_ports, launch, wait_until

PROGRAM = Path(__file__).with_name("rucio_calls.py")
START_TIMEOUT_S = 120.0

SETTINGS = """[common]
logdir = {directory}
loglevel = ERROR
mailtemplatedir = {templates}
[database]
default = {database}
schema = dev
echo = 0
pool_size = 10
[alembic]
cfg = {directory}/etc/alembic.ini
[bootstrap]
userpass_identity = bench
userpass_pwd = secret
userpass_email = bench@example.org
[policy]
permission = generic
schema = generic
[api]
endpoints = accountlimits, accounts, auth, config, credentials, dids, identities, meta_conventions, ping, replicas, rses, rules, scopes
[client]
rucio_host = {url}
auth_host = {url}
auth_type = userpass
username = bench
password = secret
account = root
request_retries = 1
[cache]
use_external_cache_for_auth_tokens = False
"""  # noqa: E501
ALEMBIC = """[alembic]
script_location = {repository}
sqlalchemy.url = {database}
version_table_schema = dev
[loggers]
keys = root
[handlers]
keys = console
[formatters]
keys = generic
[logger_root]
level = WARN
handlers = console
[handler_console]
class = StreamHandler
args = (sys.stderr,)
formatter = generic
[formatter_generic]
format = %(levelname)s %(message)s
"""


@dataclass(frozen=True)
class Rucio:
    """A running server of Rucio and a process that holds a client of it."""

    server_pid: int
    database_pid: int
    client: "subprocess.Popen[str]"

    def cost(self, step: str, files: int) -> Sample:
        """Do a step and return milliseconds of CPU per file: of the server and of the database."""
        before = self._cpu_s()
        self._ask([step, files])
        return tuple((late - early) * 1e3 / files for early, late in zip(before, self._cpu_s(), strict=True))

    def _ask(self, wanted: list[object]) -> float:
        assert self.client.stdin is not None
        self.client.stdin.write(json.dumps(wanted) + "\n")
        self.client.stdin.flush()
        return float(read_line(self.client))

    def _cpu_s(self) -> tuple[float, float]:
        return cpu_s(self.server_pid), cpu_s(self.database_pid)


@contextmanager
def running_rucio(python: Path, directory: Path) -> Iterator[Rucio]:
    """Run database, server and client for the length of the block."""
    directory.chmod(0o755)
    with ExitStack() as stack:
        postgres = start_postgres(directory / "pg")
        stack.callback(postgres.stop)
        [port] = free_ports("127.0.0.1", 1)
        url = f"http://127.0.0.1:{port}"
        _write_settings(python, directory, _alchemy_url(postgres), url)
        environment = {"PATH": os.environ["PATH"], "HOME": str(directory), "RUCIO_HOME": str(directory)}
        boot = [str(python), str(PROGRAM), "boot"]
        done = subprocess.run(
            boot, env=environment, capture_output=True, text=True, timeout=START_TIMEOUT_S, check=False
        )
        if done.returncode:
            raise ComponentFailed(f"the tables of Rucio could not be made: {done.stderr[-2000:]}")
        log = directory / "server.log"
        server = launch([python, PROGRAM, "serve", str(port)], log=log, env=environment)
        stack.callback(end, server, (signal.SIGTERM, 10.0))
        wait_until(lambda: _answers(url), server, log=log, timeout_s=START_TIMEOUT_S)
        client = subprocess.Popen(
            [str(python), str(PROGRAM), "calls"],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=(directory / "client.log").open("w"),
            text=True,
        )
        stack.callback(client.wait, 30)
        stack.callback(client.terminate)
        assert read_line(client) == "ready"
        assert postgres.process is not None
        yield Rucio(server.pid, postgres.process.pid, client)


def read_line(client: "subprocess.Popen[str]") -> object:
    """Return what the client answers; raises if it has ended."""
    assert client.stdout is not None
    line = client.stdout.readline()
    if not line:
        raise RuntimeError(f"the client of Rucio ended with {client.wait()}; see client.log")
    return json.loads(line)


def _write_settings(python: Path, directory: Path, database: str, url: str) -> None:
    environment = python.parent.parent
    [repository] = environment.glob("lib/python3*/site-packages/rucio/db/sqla/migrate_repo")
    # In both files a percent sign begins the name of another value.
    values = {"directory": directory, "database": database.replace("%", "%%"), "url": url, "repository": repository}
    values["templates"] = environment / "rucio" / "etc" / "mail_templates"
    (directory / "etc").mkdir()
    (directory / "etc" / "rucio.cfg").write_text(SETTINGS.format(**values))
    (directory / "etc" / "alembic.ini").write_text(ALEMBIC.format(**values))


def _alchemy_url(postgres: RunningPostgres) -> str:
    parts = urlsplit(postgres.url)
    host = parse_qs(parts.query).get("host", [parts.hostname or ""])[0]
    login = f"{parts.username}:{parts.password}" if parts.password else parts.username
    if host.startswith("/"):
        return f"postgresql+psycopg://{login}@{parts.path}?host={host}"
    return f"postgresql+psycopg://{login}@{host}:{parts.port}{parts.path}"


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/ping", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


if __name__ == "__main__":
    import tempfile

    from tests.bench.rucio_install import rucio_python

    with tempfile.TemporaryDirectory(prefix="weyl-b-") as made, running_rucio(rucio_python(), Path(made)) as running:
        for name in ("register", "locate", "describe", "register", "locate", "describe"):
            print(name, running.cost(name, 1000), file=sys.stderr)
