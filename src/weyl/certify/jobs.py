"""Trials with jobs: one that works, one that fails, one that is killed, one in CWL, one whose output is registered."""

import json
from dataclasses import dataclass
from typing import Any

from weyl.certify.files import writable
from weyl.certify.trials import Bench, NotTried, Trial, TrialFailed
from weyl.client.errors import StillWaiting
from weyl.cwl.calls import submit_cwl_jobs
from weyl.jobs.calls import changes, lists, results
from weyl.jobs.cli.describe import Changes, from_jdl
from weyl.jobs.cli.fetch import fetch_files
from weyl.jobs.cli.follow import looks
from weyl.jobs.cli.selection import find
from weyl.jobs.cli.submit import send_descriptions
from weyl.jobs.waiting import ENDED, Wait
from weyl.kit.search import SearchParams
from weyl.storage.cli.names import Namer
from weyl.storage.transfer import fetching

SAYS = "#!/bin/sh\ncat said.in >said.out\necho said\n"
CWL = """\
cwlVersion: v1.2
class: CommandLineTool
baseCommand: [echo, -n]
inputs: {word: {type: string, inputBinding: {}}}
outputs: {said: {type: stdout}}
stdout: said.txt
"""
NO_PILOT = "Does a pilot come? `weyl pilots submission` says why not, `weyl jobs why` what the job asks for."
LOOK = "Look at the job: weyl jobs why {0}; weyl jobs logs {0} --stderr"


@dataclass(frozen=True, slots=True)
class Ended:
    """How a job ended."""

    job_id: int
    status: str
    minor_status: str


def works(bench: Bench) -> str:
    """Try a job that brings a file, and whose output comes back."""
    bench.file("said.in", bench.mark)
    bench.file("says.sh", SAYS)
    job = _ended(bench, _submit(bench, 'Executable = "says.sh"; InputSandbox = {"says.sh", "said.in"};', "said.out"))
    _must(job, "Done")
    files = fetch_files(bench.session, job.job_id, bench.directory / "output", kind="output", status=job.status)
    if isinstance(files, str):
        raise TrialFailed(f"the output of job {job.job_id} {files}", "Can nodes and users reach the object store?")
    found = (bench.directory / "output" / "said.out").read_text()
    if found != bench.mark:
        raise TrialFailed(f"job {job.job_id} brought back {found[:40]!r}", LOOK.format(job.job_id))
    [row] = find(bench.session, [job.job_id], ("Site",))
    return f"job {job.job_id} ran at {row['Site']}; its file came back as it was"


def fails(bench: Bench) -> str:
    """Try whether a job whose program fails is told from one that worked, with a reason."""
    job = _ended(bench, _submit(bench, 'Executable = "/bin/sh"; Arguments = "-c \'exit 3\'";'))
    _must(job, "Failed")
    told = bench.session.client.send(lists.explain(job.job_id))
    return f"job {job.job_id} failed: {told['verdict']}"


def is_killed(bench: Bench) -> str:
    """Try whether a running job ends when it is killed."""
    job_id = _submit(bench, 'Executable = "/bin/sleep"; Arguments = "3600";')
    _await(bench, job_id, frozenset({"Running"}))
    bench.session.client.send(changes.kill([job_id]))
    job = _ended(bench, job_id)
    _must(job, "Killed")
    return f"job {job_id} ran, and was killed"


def workflow(bench: Bench) -> str:
    """Try a job in CWL."""
    options: dict[str, Any] = {"hints": {"dirac:Job": {"sites": list(bench.sites)}}} if bench.sites else {}
    _may_run(bench)
    call = submit_cwl_jobs(CWL, [{"word": bench.mark}], options=options, idempotency_key=f"{bench.mark}-cwl")
    [inserted] = bench.session.client.send(call)
    job_id = int(inserted["JobID"])
    bench.job_ids.append(job_id)
    _must(_ended(bench, job_id), "Done")
    said = bench.session.client.send(results.get_outputs(job_id))["said"]
    if said.get("size") != len(bench.mark):
        raise TrialFailed(f"job {job_id} put out {json.dumps(said)[:200]}", LOOK.format(job_id))
    return f"job {job_id} ran a CommandLineTool; its output object is right"


def registers(bench: Bench) -> str:
    """Try whether the output data of a job are in the catalogue when it is done, and can be read."""
    if not writable(bench):
        raise NotTried("no storage element can be written")
    home = Namer(bench.session)(bench.mark)
    jdl = (
        f'Executable = "/bin/sh"; Arguments = "-c \'printf {bench.mark} >{bench.mark}.txt\'"; '
        f'OutputData = {{"{bench.mark}.txt"}}; OutputPath = "{home}";'
    )
    job = _ended(bench, _submit(bench, jdl))
    _must(job, "Done")
    lfns = [each.lfn for each in bench.session.client.send(results.get_files(job.job_id)).outputs]
    bench.lfns += lfns
    if len(lfns) != 1:
        raise TrialFailed(f"job {job.job_id} is Done with {len(lfns)} of 1 files", LOOK.format(job.job_id))
    path = bench.directory / "registered.txt"
    [got] = fetching.get(bench.session.client, {lfns[0]: path})
    if got.reason is not None or path.read_text() != bench.mark:
        raise TrialFailed(f"{lfns[0]}: {got.reason or 'other bytes'}", "Try `weyl data check` with this element.")
    return f"job {job.job_id} left {lfns[0]}, which reads as it was written"


def _submit(bench: Bench, jdl: str, *outputs: str) -> int:
    _may_run(bench)
    asked = Changes(name=bench.mark, job_group=bench.mark, sites=bench.sites, cpu_time_s=600, outputs=outputs)
    description = from_jdl(jdl, origin="the trial", directory=bench.directory, changes=asked)
    [inserted] = send_descriptions(bench.session, [description], key=None)
    bench.job_ids.append(inserted.job_id)
    return inserted.job_id


def _may_run(bench: Bench) -> None:
    if bench.is_stuck:
        raise NotTried("the job before did not end in time")


def _await(bench: Bench, job_id: int, wanted: frozenset[str]) -> str:
    waited = Wait([job_id], wanted=wanted)
    try:
        for _ in looks(bench.session, waited, timeout_s=bench.timeout_s):
            pass
    except StillWaiting as error:
        bench.is_stuck = True
        status = waited.statuses.get(job_id, "unknown")
        told = bench.session.client.send(lists.explain(job_id))
        raise TrialFailed(f"job {job_id} is still {status}: {told['verdict']}", NO_PILOT) from error
    return waited.statuses[job_id]


def _ended(bench: Bench, job_id: int) -> Ended:
    _await(bench, job_id, ENDED)
    params = SearchParams.model_validate(
        {
            "parameters": ["Status", "MinorStatus"],
            "search": [{"parameter": "JobID", "operator": "eq", "value": job_id}],
        }
    )
    [row] = bench.session.client.send(lists.search(params))
    return Ended(job_id, row["Status"], row["MinorStatus"])


def _must(job: Ended, status: str) -> None:
    if job.status != status:
        raise TrialFailed(f"job {job.job_id} is {job.status} ({job.minor_status})", LOOK.format(job.job_id))


TRIALS = (
    Trial("job", works),
    Trial("failing job", fails),
    Trial("killed job", is_killed),
    Trial("job in CWL", workflow),
    Trial("job with output data", registers),
)
