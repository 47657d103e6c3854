"""The catalogue beside Rucio on a PostgreSQL of the same version and settings: CPU of server and database together."""

import tempfile
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.bench.data_catalog import documents
from tests.bench.data_load import TOP
from tests.bench.data_stack import WEB, DataStack
from tests.bench.peer_install import NotInstallable
from tests.bench.rucio_install import VERSION, rucio_python
from tests.bench.rucio_stack import Rucio, running_rucio
from tests.bench.verdicts import Report, Sample, alternate, times_less

FILES = 1_000
REGISTER_LESS_MIN, LOCATE_LESS_MIN, DESCRIBE_LESS_MIN = 20.0, 100.0, 30.0


def measure(report: Report, options: Namespace, stack: DataStack) -> None:
    """Measure in turn; where Rucio cannot be had, say that its lines were not judged."""
    try:
        python = rucio_python()
    except NotInstallable as error:
        report.say(f"Rucio cannot be had here, and its lines were NOT judged: {error}")
        return
    with tempfile.TemporaryDirectory(prefix="weyl-b-") as made, running_rucio(python, Path(made)) as rucio:
        _judge(report, options, Weyl(stack), rucio)


class Weyl:
    """The same steps as Rucio's, in one call each."""

    def __init__(self, stack: DataStack) -> None:
        self._stack = stack
        self._names: list[str] = []

    def register(self) -> None:
        """Register files with a replica, two checksums and two values of metadata."""
        files = documents(FILES, top=f"{TOP}/beside", metadata=True, se=WEB)
        self._names = [each["lfn"] for each in files]
        self._post("/api/files/register", {"files": files})

    def locate(self) -> None:
        """Ask for the addresses of their replicas, which need no signature."""
        self._post("/api/storage/access", {"lfns": self._names})

    def describe(self) -> None:
        """Set two values of metadata on each."""
        values = {name: {"Run": 1_200 + index % 100, "Particle": "proton"} for index, name in enumerate(self._names)}
        self._post("/api/files/metadata/set", {"set": values})

    def cost(self, step: Callable[[], None]) -> Sample:
        """Return milliseconds of CPU per file: of the server and of the database."""
        _ = self._stack.client
        before = self._stack.cpu_s()
        step()
        return tuple((late - early) * 1e3 / FILES for early, late in zip(before, self._stack.cpu_s(), strict=True))

    def _post(self, path: str, body: Any) -> None:
        answer = self._stack.client.post(path, json=body)
        answer.raise_for_status()
        assert len(answer.json()["success"]) == FILES, answer.text[:500]


def _judge(report: Report, options: Namespace, weyl: Weyl, rucio: Rucio) -> None:
    steps: list[tuple[str, Callable[[], None], str, float]] = [
        ("register with replica, checksum, two values", weyl.register, "register", REGISTER_LESS_MIN),
        ("replicas with addresses", weyl.locate, "locate", LOCATE_LESS_MIN),
        ("set two values", weyl.describe, "describe", DESCRIBE_LESS_MIN),
    ]
    report.say(f"beside Rucio {VERSION}: {FILES:,} files a call, CPU of server and database per file")
    for name, ours, theirs, least in steps:
        ours()
        rucio.cost(theirs, FILES)
        pairs = alternate(
            lambda ours=ours: weyl.cost(ours),  # type: ignore[misc]
            lambda theirs=theirs: rucio.cost(theirs, FILES),  # type: ignore[misc]
            turns=options.alternations,
        )
        report.add(times_less(f"{name}, CPU per file", pairs, than="Rucio", of="ms", at_least=least))
