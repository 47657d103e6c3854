"""HTCondor through its own commands, on this machine or behind SSH: whatever version is there speaks its own protocol.

Jobs are spooled: the schedd keeps their files, so that neither a shared file system nor a directory of ours is needed,
and an ended job stays in its queue with its output until `cleanup`.
"""

import io
import tarfile
from collections.abc import Collection, Mapping, Sequence
from itertools import islice
from typing import Any

import structlog
from pydantic import Field

from weyl.kit import json
from weyl.kit.clock import utcnow
from weyl.kit.ids import new_stamp
from weyl.pilots.compute_elements import htcondor_ads as ads
from weyl.pilots.compute_elements.driver import (
    Capacity,
    CEState,
    CEStatus,
    Copy,
    DriverContext,
    DriverError,
    Output,
    PilotSpec,
    Submitted,
    job_name,
)
from weyl.remote.credentials import Capability, CredentialKind
from weyl.remote.errors import OutcomeUnknown, RemoteError
from weyl.remote.reach import ReachOptions, open_transport
from weyl.remote.transport import Finished

log = structlog.get_logger(__name__)

JOBS_A_COMMAND = 1_000
HISTORY_SCANNED_MAX = 100_000
OUTPUT_BYTES_MAX = 1024 * 1024
REASON_MAX = 300
"""Characters of a reason for removal, in which HTCondor loses everything if there is a double quote."""

# $1 directory, $2 schedd, $3 pool; the rest belongs to the command. Whatever it needs comes as a tar archive, lies in a
# directory that nobody else may look into, and is gone when it ends; what a killed one has left goes a day later.
_PRELUDE = """
umask 077
root=$1 schedd=$2 pool=$3
shift 3
mkdir -p "$root/fetch" && cd "$root" && root=$(pwd -P) || exit 73
find . -maxdepth 1 -name 'op-*' -mmin +1440 -exec rm -rf {} +
work=$(mktemp -d "$root/op-XXXXXXXX") || exit 73
trap 'rm -rf "$work"' EXIT
cd "$work" && tar -xf - || exit 73
if [ -f token.d/weyl ]; then
    export _CONDOR_SEC_CLIENT_AUTHENTICATION_METHODS=IDTOKENS _CONDOR_SEC_TOKEN_DIRECTORY="$work/token.d"
elif [ -f scitoken ]; then
    export _CONDOR_SEC_CLIENT_AUTHENTICATION_METHODS=SCITOKENS _CONDOR_SCITOKENS_FILE="$work/scitoken"
fi
at() {
    program=$1
    shift
    [ -z "$pool" ] || set -- -pool "$pool" "$@"
    [ -z "$schedd" ] || set -- -name "$schedd" "$@"
    "$program" "$@"
}
"""
_SUBMIT = """
cd "$root" || exit 73
for name in $(cat "$work/names"); do
    mkdir -p "fetch/$name" || exit 73
    for file in "$work"/inputs/* "$work/secrets/$name"/*; do
        [ ! -f "$file" ] || ln "$file" "fetch/$name/" || exit 73
    done
done
sed -i "s|@WORK@|${work##*/}|g" "$work/job.sub"
at condor_submit -terse -spool "$work/job.sub"
code=$?
[ $code -eq 0 ] || at condor_rm -constraint "WeylSubmission == \\"$1\\"" >/dev/null 2>&1
for name in $(cat "$work/names"); do rm -rf "fetch/$name"; done
exit $code
"""
_QUEUE = """
at condor_q -allusers -json -attributes "$1" -constraint "$(cat constraint)" || exit 75
"""
_HISTORY = """
at condor_history -json -attributes "$1" -constraint "$(cat constraint)" -limit "$2" -scanlimit "$3" || exit 75
"""
_REMOVE = """
at condor_rm -reason "$1" -constraint "$(cat constraint)"
"""
_FETCH = """
mkdir -p "$2" && cd "$2" || exit 73
at condor_transfer_data "$1" >/dev/null || exit 75
tail -c "$5" "$3" >"$work/stdout" 2>/dev/null
tail -c "$5" "$4" >"$work/stderr" 2>/dev/null
tail -c "$5" htcondor.log >"$work/log" 2>/dev/null
cd "$work" && rm -rf "$2"
tar -cf - stdout stderr log
"""
_TAIL = """
at condor_tail -maxbytes "$2" "$1" >stdout 2>/dev/null &
at condor_tail -no-stdout -stderr -maxbytes "$2" "$1" >stderr 2>/dev/null &
wait
tar -cf - stdout stderr
"""
_COUNT = """
at condor_q -allusers -totals || exit 75
"""


class HTCondorOptions(ReachOptions):
    """`DriverOptions` of an HTCondor schedd."""

    schedd: str | None = None
    """Name of the schedd, if it is not that of the machine where the commands run."""
    pool: str | None = None
    """Address `host:port` of the collector that knows the schedd, if it is not the configured one."""
    directory: str | None = None
    """Where files are between the worker and the schedd: absolute, or below the home of whoever runs the commands."""
    submit: dict[str, str] = Field(default_factory=dict)
    """More lines of the submit description, such as `+maxWallTime: "2880"`; `$(weyl_queue)` is the queue's name."""


class HTCondorComputeElement:
    """Sends pilots to a schedd. A handle is `cluster.process:name`."""

    def __init__(self, context: DriverContext) -> None:
        self._options = HTCondorOptions.model_validate(dict(context.options))
        self._transport = open_transport(context.endpoint, self._options, context.credentials)
        self._credentials = context.credentials
        self._resource = self._options.schedd or context.endpoint or context.ce
        is_at_home = context.endpoint is not None or self._options.run_as is not None
        self._directory = self._options.directory or (
            f"weyl-pilots/{context.site}/{context.ce}" if is_at_home else str(context.directory)
        )

    async def submit(self, spec: PilotSpec, copies: Sequence[Copy]) -> Submitted:
        """Submit copies as one cluster; those with other secrets or another environment make one of their own."""
        handles: dict[int, str] = {}
        failures: dict[int, str] = {}
        doubtful: dict[int, str] = {}
        for group in _alike(copies):
            try:
                jobs = await self._submit(spec, {index: copies[index] for index in group})
            except OutcomeUnknown as error:
                doubtful |= dict.fromkeys(group, str(error))
            except RemoteError as error:
                failures |= dict.fromkeys(group, str(error))
            else:
                handles |= jobs
        return Submitted(handles, failures, doubtful)

    async def status(self, handles: Collection[str]) -> dict[str, CEStatus]:
        """Ask the queue, then the history for what is not there; what is held is removed, its reason is kept."""
        found: dict[str, CEStatus] = {}
        stuck: dict[str, list[str]] = {}
        now = utcnow()
        for handle, ad in (await self._ads(handles)).items():
            found[handle] = status = ads.judge(ad, now=now)
            if ads.is_stuck(ad, status):
                stuck.setdefault(status.detail, []).append(handle)
        for reason, held in stuck.items():
            await self._remove(held, reason=ads.HELD_MARK + reason.replace('"', "'")[:REASON_MAX])
        unknown = CEStatus(CEState.UNKNOWN, "neither the queue nor the history of HTCondor has it")
        return {handle: found.get(handle, unknown) for handle in handles}

    async def cancel(self, handles: Collection[str]) -> dict[str, str | None]:
        """Remove jobs that have not ended; those that have keep their place, for their output."""
        ended: dict[str, str | None] = dict.fromkeys(handles)
        alive = await self._alive(handles)
        if alive:
            finished = await self._remove(alive, reason="cancelled by weyl")
            complaint = finished.complaint or "HTCondor does not remove it and gives no reason"
            ended |= dict.fromkeys(await self._alive(alive), complaint)
        return ended

    async def output(self, handle: str) -> Output:
        """Fetch what the schedd has of an ended job, or look over the shoulder of one that runs."""
        ad = (await self._ads([handle])).get(handle)
        if ad is None:
            return Output()
        job, _, name = handle.partition(":")
        files: dict[str, bytes] = {}
        place = str(ad.get("SUBMIT_Iwd"))
        if ad.get("JobStatus") == ads.COMPLETED and place.endswith(f"/fetch/{name}"):
            written = [str(ad.get("SUBMIT_Out") or ad.get("Out")), str(ad.get("SUBMIT_Err") or ad.get("Err"))]
            arguments = (job, place, *written, str(OUTPUT_BYTES_MAX))
            files = _unpacked(_good(await self._run(_FETCH, *arguments, capability=Capability.READ)).out)
        elif ad.get("JobStatus") == ads.RUNNING:
            files = _unpacked((await self._run(_TAIL, job, str(OUTPUT_BYTES_MAX), capability=Capability.READ)).out)
        return Output(files.get("stdout"), files.get("stderr"), files.get("log"), ads.exit_code_of(ad))

    async def cleanup(self, handles: Collection[str]) -> None:
        """Take ended jobs out of the queue, and their files with them."""
        over = [handle for handle, ad in (await self._queued(handles)).items() if ad.get("JobStatus") == ads.COMPLETED]
        if over:
            await self._remove(over, reason="cleaned up by weyl")

    async def find(self, names: Collection[str]) -> dict[str, str]:
        """Ask the queue for jobs by their names; ended ones are still there."""
        found: dict[str, str] = {}
        for batch in _batches(names):
            for ad in await self._query(_QUEUE, ads.named(batch)):
                if ad.get(ads.NAME) in batch and ad.get("JobStatus") != ads.REMOVED:
                    found[str(ad[ads.NAME])] = ads.handle_of(ad)
        return found

    async def capacity(self) -> Capacity | None:
        """Count the jobs of everybody in the queue."""
        finished = _good(await self._run(_COUNT, capability=Capability.READ))
        words = next((line for line in reversed(finished.lines) if line.startswith("Total for all users:")), "")
        numbers = {word: int(count) for count, word in (part.split()[:2] for part in _counts(words))}
        if not {"idle", "running"} <= set(numbers):
            return None
        return Capacity(numbers["idle"], numbers["running"])

    # -- commands -----------------------------------------------------------------------------------------------------

    async def _submit(self, spec: PilotSpec, copies: Mapping[int, Copy]) -> dict[int, str]:
        submission = new_stamp()
        names = [job_name(copy.stamp, spec.name) for copy in copies.values()]
        description = ads.describe(spec, list(copies.values()), submission=submission, extra=self._options.submit)
        files = {"job.sub": (description, 0o600), "names": ("\n".join(names).encode(), 0o600)}
        for name, content in spec.inputs.items():
            files[f"inputs/{name}"] = (content, 0o755 if spec.executable == f"./{name}" else 0o644)
        for copy, name in zip(copies.values(), names, strict=True):
            files |= {f"secrets/{name}/{file}": (content, 0o600) for file, content in copy.secrets.items()}
        finished = _good(await self._run(_SUBMIT, submission, files=files, capability=Capability.CREATE))
        jobs = [job for line in finished.lines for job in _range(line)]
        if len(jobs) != len(copies):
            await self._run(
                _REMOVE,
                "the submission was not understood",
                files=_constraint(f'{ads.SUBMISSION} == "{submission}"'),
                capability=Capability.CANCEL,
            )
            raise DriverError(f"condor_submit was given {len(copies)} jobs and says: {' '.join(finished.lines)[:300]}")
        return {index: f"{job}:{name}" for index, job, name in zip(copies, jobs, names, strict=True)}

    async def _ads(self, handles: Collection[str]) -> dict[str, Mapping[str, Any]]:
        """Return what is known of jobs, whether they are in the queue or in its history."""
        found = await self._queued(handles)
        gone = [handle for handle in handles if handle not in found and ads.cluster_of(handle) is not None]
        for batch in _batches(gone):
            limits = (str(len(batch)), str(HISTORY_SCANNED_MAX))
            try:
                past = await self._query(_HISTORY, ads.among(batch), *limits)
            except RemoteError as error:  # a schedd may keep its history to itself
                log.warning("htcondor.history_not_read", schedd=self._resource, error=str(error))
                continue
            for ad in past:
                found.setdefault(ads.handle_of(ad), ad)
        return {handle: ad for handle, ad in found.items() if handle in handles}

    async def _queued(self, handles: Collection[str]) -> dict[str, Mapping[str, Any]]:
        clusters = {cluster for handle in handles if (cluster := ads.cluster_of(handle)) is not None}
        found: dict[str, Mapping[str, Any]] = {}
        for batch in _batches(sorted(clusters)):
            found |= {ads.handle_of(ad): ad for ad in await self._query(_QUEUE, ads.in_clusters(batch))}
        return {handle: found[handle] for handle in handles if handle in found}

    async def _alive(self, handles: Collection[str]) -> list[str]:
        over = (ads.REMOVED, ads.COMPLETED)
        return [handle for handle, ad in (await self._queued(handles)).items() if ad.get("JobStatus") not in over]

    async def _remove(self, handles: Collection[str], *, reason: str) -> Finished:
        finished = Finished(0, b"", "")
        for batch in _batches(handles):
            finished = await self._run(
                _REMOVE, reason, files=_constraint(ads.among(batch)), capability=Capability.CANCEL
            )
        return finished

    async def _query(self, script: str, constraint: str, *limits: str) -> list[Mapping[str, Any]]:
        attributes = ",".join(ads.ATTRIBUTES)
        finished = _good(
            await self._run(script, attributes, *limits, files=_constraint(constraint), capability=Capability.READ)
        )
        if not finished.out.strip():
            return []
        try:
            found = json.loads(finished.out)
        except ValueError as error:
            raise DriverError(f"HTCondor answers no JSON but: {finished.out[:300]!r}") from error
        return [ad for ad in found if isinstance(ad, dict)] if isinstance(found, list) else []

    async def _run(
        self, script: str, *arguments: str, files: Mapping[str, tuple[bytes, int]] | None = None, capability: Capability
    ) -> Finished:
        options = self._options
        sent = dict(files or {})
        token = await self._credentials.get(self._resource, [CredentialKind.BEARER_TOKEN], [capability])
        if token is not None:
            sent["scitoken" if ads.is_sci_token(token.text) else "token.d/weyl"] = (token.text.encode() + b"\n", 0o600)
        return await self._transport.run(
            "\n".join([*options.setup, _PRELUDE, script]),
            self._directory,
            options.schedd or "",
            options.pool or "",
            *arguments,
            stdin=_packed(sent),
            timeout_s=options.timeout,
        )


def _good(finished: Finished) -> Finished:
    """Raise what a command complained about."""
    if finished.code != 0:
        said = finished.complaint or " ".join(finished.lines)[:300] or "nothing"
        raise DriverError(f"HTCondor's command ended with {finished.code} and said: {said}")
    return finished


def _alike(copies: Sequence[Copy]) -> list[list[int]]:
    """Group copies that differ only in what a submit description can vary."""
    groups: dict[object, list[int]] = {}
    for index, copy in enumerate(copies):
        groups.setdefault((tuple(sorted(copy.secrets)), tuple(sorted(copy.environment.items()))), []).append(index)
    return list(groups.values())


def _batches(items: Collection[Any]) -> list[list[Any]]:
    rest = iter(items)
    return list(iter(lambda: list(islice(rest, JOBS_A_COMMAND)), []))


def _range(line: str) -> list[str]:
    """Return the jobs of a line like `7.0 - 7.199`."""
    first, dash, last = [*line.split(), "", "", ""][:3]
    (cluster, _, start), (same, _, end) = first.partition("."), last.partition(".")
    if dash != "-" or cluster != same or not all(part.isdecimal() for part in (cluster, start, end)):
        return []
    return [f"{cluster}.{process}" for process in range(int(start), min(int(end), int(start) + 100_000) + 1)]


def _counts(line: str) -> list[str]:
    """Return the parts, such as `3 idle`, of a line of totals."""
    parts = [part.strip() for part in line.partition(":")[2].replace(";", ",").split(",")]
    return [part for part in parts if part.split()[:1] and part.split()[0].isdecimal() and len(part.split()) > 1]


def _constraint(text: str) -> dict[str, tuple[bytes, int]]:
    return {"constraint": (text.encode(), 0o600)}


def _packed(files: Mapping[str, tuple[bytes, int]]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, (content, mode) in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), mode
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def _unpacked(content: bytes) -> dict[str, bytes]:
    """Return the end of each file of an archive; nothing if there is none."""
    if not content:
        return {}
    files = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            for entry in archive:
                stream = archive.extractfile(entry)
                if stream is not None:
                    files[entry.name] = stream.read()[-OUTPUT_BYTES_MAX:]
    except tarfile.TarError as error:
        raise DriverError(f"What came back of a pilot's files cannot be read: {error}") from error
    return files
