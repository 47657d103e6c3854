"""Slurm by its commands: sbatch, squeue, scancel. There may be no accounting, so that `sacct` is not asked."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from weyl.pilots.compute_elements.direct import taken
from weyl.pilots.compute_elements.driver import Capacity, CEState, CEStatus, DriverError, PilotSpec
from weyl.pilots.compute_elements.far_side import Taken
from weyl.pilots.compute_elements.slurm_words import IDENTITY, minutes, status_of
from weyl.remote.errors import RemoteError
from weyl.remote.transport import Transport

SUBMISSION_S = 0.5
"""What one more pilot adds to the time that a submission may take."""

# One after the other, as the controller wants it. A controller that is away refuses every job after some seconds: it
# is not asked two hundred times.
_SUBMIT = """
base=$1
shift
refused=0
complaints=$(mktemp) || exit 3
while read -r name; do
    if [ "$refused" -lt 2 ]; then
        if id=$(sbatch --parsable --job-name="$name" --output="$base/$name/log.txt" "$@" \
                "$base/$name/job.sh" "$base/$name" 2>"$complaints" </dev/null); then
            refused=0
            echo "+ $name ${id%%;*}"
            continue
        fi
        refused=$((refused + 1))
        why=$(tr '\\n' ' ' <"$complaints")
    fi
    echo "- $name ${why:-sbatch refused it}"
done
rm -f "$complaints"
"""
_LIST = "squeue --noheader --states=all --user=\"$(id -un)\" --format='%i|%j|%T|%r'\n"
_CANCEL = """
xargs scancel
"""


@dataclass(frozen=True, slots=True)
class _Job:
    id: str
    name: str
    status: CEStatus


class SlurmCommands:
    """Slurm as its user at a terminal has it."""

    identity = IDENTITY

    def __init__(
        self,
        transport: Transport,
        *,
        setup: Sequence[str],
        arguments: Sequence[str],
        partitions: Mapping[str, str],
        timeout_s: float,
    ) -> None:
        self._transport = transport
        self._setup = "".join(f"{line}\n" for line in setup)
        self._arguments = arguments
        self._partitions = partitions
        self._timeout_s = timeout_s

    async def submit(self, spec: PilotSpec, base: str, names: Sequence[str]) -> Taken:
        """Submit in one call."""
        arguments = [base, *self._demands(spec), *self._arguments]
        stdin = "".join(f"{name}\n" for name in names).encode()
        timeout_s = self._timeout_s + SUBMISSION_S * len(names)
        return taken(await self._run(_SUBMIT, *arguments, stdin=stdin, timeout_s=timeout_s))

    async def states(self, ids: Mapping[str, str]) -> dict[str, CEStatus]:
        """List this user's jobs. A job counts if its name agrees too: a controller that lost its state counts anew."""
        found = {(job.name, job.id): job.status for job in await self._jobs()}
        return {name: found[name, id_] for name, id_ in ids.items() if (name, id_) in found}

    async def cancel(self, ids: Mapping[str, str]) -> dict[str, str]:
        """Cancel those that have not ended."""
        live = [ids[name] for name, status in (await self.states(ids)).items() if not status.state.is_final]
        if live:
            try:
                await self._run(_CANCEL, stdin="".join(f"{id_}\n" for id_ in live).encode())
            except RemoteError as error:
                left = await self.states(ids)
                return {name: str(error) for name, status in left.items() if not status.state.is_final}
        return {}

    async def find(self, names: Collection[str]) -> dict[str, str]:
        """Look for the names among this user's jobs."""
        wanted = set(names)
        return {job.name: job.id for job in await self._jobs() if job.name in wanted}

    async def capacity(self) -> Capacity | None:
        """Count this user's jobs."""
        states = [job.status.state for job in await self._jobs()]
        return Capacity(waiting=states.count(CEState.WAITING), running=states.count(CEState.RUNNING))

    async def _jobs(self) -> list[_Job]:
        jobs = []
        for line in await self._run(_LIST):
            words = line.split("|", 3)
            if len(words) != 4:
                raise DriverError(f"squeue prints what is no list of jobs: {line[:100]!r}")
            jobs.append(_Job(words[0], words[1], status_of([words[2]], words[3])))
        return jobs

    async def _run(self, script: str, *arguments: str, stdin: bytes = b"", timeout_s: float | None = None) -> list[str]:
        finished = await self._transport.run(
            self._setup + script, *arguments, stdin=stdin, timeout_s=timeout_s or self._timeout_s
        )
        if finished.code:
            raise DriverError(finished.complaint or f"Slurm's commands ended with {finished.code}")
        return finished.lines

    def _demands(self, spec: PilotSpec) -> list[str]:
        values: dict[str, object] = {
            # A pilot whose node died must not start again: its secret has been used.
            "no-requeue": "",
            # Nothing of the environment here is meant for there.
            "export": "NIL",
            "nodes": 1,
            "ntasks": 1,
            "cpus-per-task": spec.cores,
            "mem": f"{spec.memory_mb}M" if spec.memory_mb else None,
            "time": minutes(spec),
            "gres": f"gpu:{spec.gpus}" if spec.gpus else None,
            "partition": self._partitions.get(spec.queue, spec.queue) if spec.queue else None,
        }
        return [
            f"--{name}={value}" if value != "" else f"--{name}" for name, value in values.items() if value is not None
        ]
