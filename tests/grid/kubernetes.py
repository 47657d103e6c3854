"""An imitation of a Kubernetes cluster, since no real one can be had here."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.grid.daemons import Daemon, grid_user, listens, needs
from tests.grid.site import GridSite
from weyl.demo.processes import free_ports
from weyl.pilots.compute_elements.kubernetes import KubernetesComputeElement

CREDENTIALS, TOKEN = "cluster", "a-token-of-a-service-account"
HERE = Path(__file__).parent


def missing_kubernetes() -> str | None:
    """Return why it cannot be imitated here."""
    return needs("sh")


@contextmanager
def running_kubernetes(directory: Path) -> Iterator[GridSite]:
    """Start what imitates the API server, and what imitates the node."""
    user = grid_user()
    objects, [port] = directory / "objects", free_ports("127.0.0.1", 1)
    objects.mkdir(mode=0o755)
    server = Daemon(
        [sys.executable, HERE / "kubernetes_api.py", objects, str(port), TOKEN],
        log=directory / "api.log",
        ready=lambda: listens(port),
    )
    node = Daemon([sys.executable, HERE / "kubelet.py", objects], log=directory / "kubelet.log", ready=lambda: True)
    place = directory / "credentials" / CREDENTIALS
    place.mkdir(parents=True)
    (place / "token").write_text(TOKEN)
    (place / "token").chmod(0o600)
    with ExitStack() as stack:
        for daemon in (server, node):
            stack.callback(daemon.stop)
            daemon.start()
        site = GridSite(
            factory=KubernetesComputeElement,
            element={
                "Driver": "kubernetes",
                "Endpoint": f"http://127.0.0.1:{port}",
                "Credentials": CREDENTIALS,
                "DriverOptions": {"Image": "registry.example.org/weyl/pilot:1", "RunAsUser": user.pw_uid},
            },
            directory=directory,
            credentials=directory / "credentials",
            waiting={"memory_mb": 1_000_000},
            splits_output=False,
            impatient={"Timeout": 4},
            down=server.down,
            frozen=server.frozen,
        )
        site.limited = lambda places: site.make(Namespace=f"quota-{places}")
        yield site
