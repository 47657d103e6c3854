"""A machine behind SSH: pilots are its processes."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.grid.daemons import owned_directory
from tests.grid.site import GridSite
from tests.grid.sshd import CREDENTIALS, running_sshd
from weyl.pilots.compute_elements.ssh import ssh_element


@contextmanager
def running_ssh(directory: Path) -> Iterator[GridSite]:
    """Start an sshd."""
    with running_sshd(directory / "sshd") as server:
        remote = owned_directory(directory / "far side")
        site = GridSite(
            factory=ssh_element,
            element={
                "Driver": "ssh",
                "Endpoint": server.endpoint,
                "Credentials": CREDENTIALS,
                "DriverOptions": {"HostKeys": [server.host_key], "Directory": f"{remote}/weyl's pilots"},
            },
            directory=directory,
            credentials=server.credentials,
            impatient={"Timeout": 4, "ConnectTimeout": 3},
            down=server.daemon.down,
            frozen=server.daemon.frozen,
        )
        site.limited = lambda places: site.make(RunningMax=places)
        try:
            yield site
        finally:
            shutil.rmtree(remote, ignore_errors=True)
