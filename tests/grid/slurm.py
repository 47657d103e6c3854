"""Slurm three ways: by its commands here, by its commands behind SSH, and by its REST API."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.grid.daemons import USER, owned_directory
from tests.grid.site import GridSite
from tests.grid.slurmd import CLOSED, PARTITION, Slurm, missing_slurm, running_slurm
from tests.grid.sshd import CREDENTIALS, SSHServer, missing_ssh, running_sshd
from weyl.pilots.compute_elements.slurm import slurm_element
from weyl.pilots.compute_elements.ssh import ssh_element


def missing_slurm_and_ssh() -> str | None:
    """Return why no Slurm can be started here, or be reached."""
    return missing_slurm() or missing_ssh()


@contextmanager
def running_slurm_commands(directory: Path) -> Iterator[GridSite]:
    """Slurm's commands on this machine, as another user."""
    with running_slurm(directory / "slurm") as slurm:
        options = {"RunAs": USER, **_common(directory, slurm)}
        yield _site(slurm, directory, {"Driver": "slurm", "DriverOptions": options})


@contextmanager
def running_slurm_behind_ssh(directory: Path) -> Iterator[GridSite]:
    """Slurm's commands on a login node."""
    with running_slurm(directory / "slurm") as slurm, running_sshd(directory / "sshd") as server:
        options = {"Scheduler": "slurm", "HostKeys": [server.host_key], **_common(directory, slurm)}
        element = {
            "Driver": "ssh",
            "Endpoint": server.endpoint,
            "Credentials": CREDENTIALS,
            "DriverOptions": options,
        }
        site = _site(slurm, directory, element)
        site.credentials = server.credentials
        yield site


@contextmanager
def running_slurm_rest(directory: Path) -> Iterator[GridSite]:
    """Slurm's REST daemon; the files go over SSH."""
    with running_slurm(directory / "slurm") as slurm, running_sshd(directory / "sshd") as server:
        yield _rest_site(slurm, server, directory)


def _rest_site(slurm: Slurm, server: SSHServer, directory: Path) -> GridSite:
    token = server.credentials / CREDENTIALS / "token"
    token.write_text(slurm.token())
    token.chmod(0o600)
    options = {
        "Api": "rest",
        "User": USER,
        "Files": server.endpoint,
        "HostKeys": [server.host_key],
        **_common(directory, slurm),
    }
    element = {
        "Driver": "slurm",
        "Endpoint": f"http://127.0.0.1:{slurm.rest_port}",
        "Credentials": CREDENTIALS,
        "DriverOptions": options,
    }
    site = _site(slurm, directory, element)
    site.credentials = server.credentials
    site.down = slurm.rest.down
    return site


def _common(directory: Path, slurm: Slurm) -> dict[str, Any]:
    remote = owned_directory(directory / "far side")
    return {"Directory": f"{remote}/pilots", "Setup": [f"export SLURM_CONF={slurm.config}"]}


def _site(slurm: Slurm, directory: Path, element: Mapping[str, Any]) -> GridSite:
    return GridSite(
        factory=ssh_element if element["Driver"] == "ssh" else slurm_element,
        element=dict(element),
        directory=directory,
        queue=PARTITION,
        waiting={"queue": CLOSED},
        impatient={"Timeout": 6, "ConnectTimeout": 3},
        down=slurm.controller.down,
        frozen=slurm.controller.frozen,
        forget=lambda _: slurm.forget(),
        fail_node=slurm.without_node,
        command=slurm.command,
    )
