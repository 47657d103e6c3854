"""Measures the API beside the peer, DiracX 0.7.0 on MariaDB: CPU of server and database per request, in turn.

Where the peer cannot be installed its lines are not judged, and reads and writes done bare on the same PostgreSQL are
the baseline instead.
"""

import subprocess
import tempfile
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench import api_bench, bare
from tests.bench.peer import Peer, running_peer
from tests.bench.peer_install import NotInstallable, peer_programs
from tests.bench.stack import BenchStack, bench_stack
from tests.bench.verdicts import Line, Report, Sample, count, times_less
from weyl.demo.processes import ComponentFailed

PEER = "DiracX 0.7.0"
LESS_MIN = 5.0
"""How many times less CPU, of server and database together, any operation costs than the peer's."""
BULK_LESS_MIN = 10.0
BULK = ("submit.list", "submit.parametric", "search.page10000", "status.100", "heartbeat.100", "metadata.100")
PER_JOB = ("submit.list", "submit.parametric")
"""The peer takes 20 jobs per call and weyl thousands, so these are compared per job."""
CALL_MAX, PEER_CALL_MAX = 1_000, 20
PEER_ERRORS_MAX = 0.1
"""Where the peer fails more often than this, what it costs there is no baseline."""


@dataclass(frozen=True)
class Side:
    """One of the servers that are measured in turn."""

    url: str
    credentials: Path
    server_pid: int
    database_pids: tuple[int, ...]
    call_max: int

    def measure(self, options: Namespace) -> tuple[dict[str, Any], int]:
        """Run every operation once; returns the rows by their key, and the number of jobs at the end."""
        arguments = ["--url", self.url, "--creds", str(self.credentials), "--pid", str(self.server_pid)]
        arguments += [part for pid in self.database_pids for part in ("--db-pid", str(pid))]
        arguments += ["--jobs", str(options.jobs), "--scale", str(options.scale), "--call-max", str(self.call_max)]
        rows: dict[str, Any]
        rows, jobs = api_bench.main(arguments)
        return rows, jobs


def measure(options: Namespace) -> int:
    """Measure and judge, with the worker stopped: its writes would disturb and its CPU is not counted."""
    report = Report("api")
    with ExitStack() as stack:
        running = stack.enter_context(bench_stack(slots=0))
        running.stack.rest()  # or the supervisor would start the worker again
        running.stack.program("worker").stop()
        peer = None if options.bare else _peer(stack, report)
        if peer is None:
            report.say(f"The lines beside {PEER} were NOT judged; the same work done bare is the baseline")
            rows, _ = _ours(running).measure(options)
            report.note_pace()
            report.add(_errors([rows]), *bare.judge(running, turns=options.alternations))
        else:
            _beside(report, _ours(running), _theirs(peer), options)
    return report.finish()


def _beside(report: Report, ours: Side, theirs: Side, options: Namespace) -> None:
    runs = []
    for turn in range(options.alternations):
        print(f"Run {turn + 1} of {options.alternations}, weyl", flush=True)
        own, held = ours.measure(options)
        print(f"Run {turn + 1} of {options.alternations}, {PEER}", flush=True)
        other, peer_held = theirs.measure(options)
        runs.append((own, other))
        report.say(f"run {turn + 1}: weyl holds {held:,} jobs and the peer {peer_held:,}, of the same shape")
        if turn == options.alternations // 2:
            report.note_pace()
    report.say("CPU of server + database; one server process each, with access log, synced commits")
    report.say(f"{PEER} on MariaDB as its packages install; its OpenSearch is a double that keeps nothing")
    if options.scale < 1:
        report.say(
            "with fewer requests than --scale 1 sends, a line says little: see that the bench works, quote nothing"
        )
    report.add(_errors([own for own, _ in runs]), *_lines(report, runs))


def _lines(report: Report, runs: Sequence[tuple[dict[str, Any], dict[str, Any]]]) -> Iterator[Line]:
    first, other = runs[0]
    for key in first:
        if key not in other or key == "fill":
            continue
        asked, failed = (sum(getattr(theirs[key], what) for _, theirs in runs) for what in ("n", "errors"))
        is_refused = any(theirs[key].refused for _, theirs in runs)
        is_judged = not is_refused and failed <= PEER_ERRORS_MAX * asked
        if failed or is_refused:
            judged = "judged" if is_judged else "not judged"
            report.say(
                f"{key}: the peer {'refused' if is_refused else f'failed {failed} of'} {asked} requests: {judged}"
            )
        bound = BULK_LESS_MIN if key in BULK else LESS_MIN
        pairs = [(_cost(own[key]), _cost(theirs[key])) for own, theirs in runs]
        of = "ms per job" if key in PER_JOB else "ms"
        yield times_less(key, pairs, than="peer", of=of, at_least=bound if is_judged else None)


def _cost(row: Any) -> Sample:
    per = row.items if row.key in PER_JOB else 1
    return row.cpu_ms / per, (row.db_cpu_ms or 0.0) / per


def _errors(runs: Sequence[dict[str, Any]]) -> Line:
    return count(
        "requests that weyl failed or refused", sum(_failed(row) for rows in runs for row in rows.values()), at_most=0
    )


def _failed(row: Any) -> int:
    return row.n if row.refused else row.errors


def _peer(stack: ExitStack, report: Report) -> Peer | None:
    try:
        programs = peer_programs()
    except NotInstallable as error:
        report.say(f"{PEER} cannot be installed here: {error}")
        return None
    directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="weyl-b-")))
    directory.chmod(0o755)
    try:
        return stack.enter_context(running_peer(programs, directory))
    except (ComponentFailed, subprocess.CalledProcessError, OSError) as error:
        report.say(f"{PEER} is installed and does not start: {error}")
        return None


def _ours(running: BenchStack) -> Side:
    databases = () if running.database_pid is None else (running.database_pid,)
    return Side(running.stack.url, running.credentials, running.server_pid, databases, CALL_MAX)


def _theirs(peer: Peer) -> Side:
    return Side(peer.url, peer.credentials, peer.server_pid, peer.database_pids, PEER_CALL_MAX)
