"""The page on installing, followed in a clean directory as far as one without root and systemd can, and the units."""

import asyncio
import os
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import httpx2
import pytest
from sqlalchemy.engine import make_url

from tests.admin.machine import ROOT, answers, await_that, blocks, needed, running
from weyl.demo.processes import free_ports
from weyl.kit.db import libpq_dsn

pytestmark = [pytest.mark.timeout(600)]

# What belongs to root, systemd, other machines or a later step of the reader's.
ELSEWHERE = (
    "python3 -m venv",
    "/opt/weyl/bin/pip",
    "useradd",
    "createuser",
    "createdb",
    "cp deploy",
    "systemctl",
    "curl",
)


@pytest.fixture
async def empty_url(postgres) -> AsyncIterator[str]:
    name = f"installed_{os.getpid()}"
    admin = await asyncpg.connect(libpq_dsn(_at(postgres.url, "postgres")))
    await admin.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'")
    yield _at(postgres.url, name)
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()


def _at(url: str, name: str) -> str:
    return make_url(url).set(database=name).render_as_string(hide_password=False)


def lines_of(page: str) -> list[str]:
    """Return what the reader types up to the first login, which needs a browser."""
    typed = [line.removeprefix("$ ") for block in blocks(page, "console") for line in block.splitlines()]
    return typed[: typed.index("export WEYL_URL=https://weyl.example.org")]


async def test_the_page_is_followed_as_far_as_one_may(tmp_path: Path, empty_url: str, object_store) -> None:
    program = tmp_path / "bin" / "weyl"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m weyl "$@"\n')
    program.chmod(0o755)
    for name in ("etc", "srv"):
        (tmp_path / name).mkdir()
    places = {"/opt/weyl/bin": str(program.parent), "/etc/weyl": f"{tmp_path}/etc", "/srv/weyl": f"{tmp_path}/srv"}
    env = {name: value for name, value in os.environ.items() if not name.startswith(("WEYL_", "DIRACX_"))}
    env |= {"PATH": f"{program.parent}:{Path(sys.executable).parent}:{env['PATH']}", "HOME": str(tmp_path)}

    def moved(text: str) -> str:
        for there, here in places.items():
            text = text.replace(there, here)
        return text

    async def sh(script: str) -> str:
        done = await asyncio.to_thread(
            subprocess.run, ["sh", "-ec", script], env=env, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, (script, done.stderr)
        return done.stdout

    typed = [moved(line) for line in lines_of("install.md") if not line.startswith(ELSEWHERE)]
    at = next(index for index, line in enumerate(typed) if line.startswith("set -a"))
    printed = [(await sh(line)).strip() for line in typed[:at]]
    state_key, peppers = (text for text in printed if re.fullmatch(r"(p1:)?[\w-]{43}=?", text))
    answers_of_ours = {
        "WEYL_DATABASE_URL": f"'{empty_url}'",
        "WEYL_STATE_KEY": state_key,
        "WEYL_PILOT_PEPPERS": peppers,
        "WEYL_S3_ENDPOINT": object_store.endpoint_url,
        "WEYL_S3_ACCESS_KEY": object_store.access_key,
        "WEYL_S3_SECRET_KEY": object_store.secret_key,
    }
    example = (ROOT / "deploy" / "systemd" / "weyl.env.example").read_text()
    for name, value in answers_of_ours.items():
        example = re.sub(rf"^{name}=.*$", lambda _, line=f"{name}={value}": line, example, flags=re.MULTILINE)
    (tmp_path / "etc" / "weyl.env").write_text(moved(example))
    await sh("\n".join(typed[at:]))

    port, metrics_port = free_ports("127.0.0.1", 2)
    unit = moved((ROOT / "deploy" / "systemd" / "weyl-server.service").read_text())
    [command] = re.findall(r"^ExecStart=(.*)$", unit, re.MULTILINE)
    command = command.replace("--fd 3", f"--port {port}").replace("9464", str(metrics_port))
    script = f"set -a; . {tmp_path}/etc/weyl.env; set +a; exec {command}"
    with running(["sh", "-c", script], tmp_path / "server.log", env=env):
        await asyncio.to_thread(await_that, lambda: answers(f"http://127.0.0.1:{port}/api/health/ready"), "ready")
        async with httpx2.AsyncClient() as http:
            ready = (await http.get(f"http://127.0.0.1:{port}/api/health/ready")).json()
            assert ready == {"status": "ready"}
            metadata = (await http.get(f"http://127.0.0.1:{port}/.well-known/dirac-metadata")).json()
            assert set(metadata["virtual_organizations"]["hep"]["groups"]) >= {"user", "admin"}
            assert "weyl_build_info" in (await http.get(f"http://127.0.0.1:{metrics_port}/metrics")).text


def test_the_units_are_what_systemd_understands(tmp_path: Path) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not here; it comes with systemd")
    names = ["weyl-server.service", "weyl-worker.service", "weyl.socket"]
    for name in names:
        text = (ROOT / "deploy" / "systemd" / name).read_text()
        text = text.replace("/opt/weyl/bin/weyl", needed("true")).replace("User=weyl\nGroup=weyl\n", "")
        (tmp_path / name).write_text(text)
    command = [program, "verify", *(str(tmp_path / name) for name in names)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
