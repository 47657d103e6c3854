"""Jobs in CWL in a whole installation: the bytes that run, parts killed at each stage, runners, broken engines."""

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.faults.cwl import (
    ENDS,
    INSERTS,
    MANIFESTS,
    SwitchedEngine,
    body,
    check_outputs,
    command,
    document,
    engines,
    forgive,
    held,
    is_held,
    kill_engine,
    named,
    recorded,
    with_switched_engine,
)
from tests.faults.executions import Executions
from tests.faults.installation import STATEMENT_TIMEOUT_S, FaultyStack, Member, await_that, running_installation
from tests.faults.test_kill import ended
from tests.faults.test_start_once import uploaded
from weyl.cwl.calls import push_workflow
from weyl.cwl.models.manifest import bundle_id, manifest_of
from weyl.sandboxes.calls import get_job_sandbox
from weyl.sandboxes.transfer import read

pytestmark = [pytest.mark.xdist_group("fault-cwl"), pytest.mark.timeout(400)]

JOBS = 3
CASES = {
    "server": ["submission", "setup", "running", "recording", "ending"],
    "worker": ["submission", "setup", "running", "recording", "ending"],
    "pilot": ["setup", "running", "uploading", "recording", "ending"],
    "engine": ["running", "finishing"],
}
# What nothing else can show: a submission sent twice, and an end told to nobody. The others belong to the long suite.
OFTEN = {("server", "submission"), ("pilot", "ending")}
REPEATS = ("pilot", "engine")
"""Without these nobody can tell whether a payload has done its work, so it does it again."""


@pytest.fixture(scope="module")
def stack() -> Iterator[FaultyStack]:
    """An installation whose jobs in CWL may run again where they failed: there is one host."""
    with running_installation(change=with_switched_engine) as running:
        yield running


@pytest.fixture(autouse=True)
def sound(stack: FaultyStack) -> None:
    """Begin each test with everything running, and a host that has broken nothing."""
    await_that(stack.is_whole, "what the last test has killed runs again")
    forgive(stack)


def kill(stack: FaultyStack, victim: str) -> None:
    """`kill -9` a part; of the engines one, since a host that fails three jobs in a row gets no more."""
    if victim == "engine":
        assert kill_engine(stack)
    else:
        stack.kill(victim)


def struck(
    stack: FaultyStack, alice: Member, executions: Executions, *, name: str, point: str, strike: Callable[[], None]
) -> list[int]:
    """Submit jobs, bring them to a stage, and strike while they are kept there; returns their ids."""
    sandbox = uploaded(alice, name.encode()) if point == "setup" else None
    wanted = body(executions, name, jobs=JOBS, sandbox=sandbox, seconds=1 if point == "running" else 0.1)
    with ExitStack() as kept, ThreadPoolExecutor(1) as pool:
        if point in HELD:
            kept.enter_context(held(stack, HELD[point]))
        if point == "setup":
            kept.enter_context(stack.store_link.fault("black hole"))
        if point == "finishing":
            executions.on_word = lambda word, _: _once(executions, strike) if word == "end" else None
        submission = pool.submit(alice.submit_cwl, wanted, name)
        if point == "submission":
            await_that(lambda: is_held(stack), "a submission on its way")
        else:
            ids = submission.result()
            await_stage(stack, alice, executions, ids, name=name, point=point, kept=kept)
        if point != "finishing":
            strike()
        kept.close()
        return submission.result()


HELD = {"submission": INSERTS, "recording": MANIFESTS, "ending": ENDS}


def _once(executions: Executions, strike: Callable[[], None]) -> None:
    executions.on_word = None
    strike()


def await_stage(
    stack: FaultyStack,
    alice: Member,
    executions: Executions,
    ids: list[int],
    *,
    name: str,
    point: str,
    kept: ExitStack,
) -> None:
    """Wait until one of the jobs is at a stage."""

    def minors() -> set[str]:
        return {job["MinorStatus"] for job in alice.jobs(ids)}

    def is_there() -> bool:
        if point == "setup":
            return "Downloading InputSandbox" in minors()
        return bool(executions.counts("begin" if point == "running" else "end", name))

    await_that(is_there, f"a job at {point}", explain=lambda: alice.jobs(ids))
    if point == "uploading":
        kept.enter_context(stack.store_link.fault("black hole"))
        await_that(lambda: "Uploading Output Sandbox" in minors(), "an upload", explain=lambda: alice.jobs(ids))
    elif point == "recording":
        await_that(lambda: is_held(stack), "a manifest on its way", explain=lambda: alice.jobs(ids))
    elif point == "ending":
        await_that(lambda: recorded(stack, ids), "outputs recorded", explain=lambda: alice.jobs(ids))


SHOWS = """\
# %s
cwlVersion: v1.2
class: CommandLineTool
inputs: {word: {type: [string, boolean], default: %s}, more: Any?}
outputs: {said: {type: stdout}, files: {type: Directory, outputBinding: {glob: files}}}
stdout: said.txt
baseCommand: [sh, -c, 'cp -r ../../workflow files; cp ../../inputs.json files/inputs.json; echo "$0"']
arguments: [it is $(inputs.word)]
"""


def test_two_texts_with_one_label_each_run_their_own_bytes_on_their_own_inputs(
    stack: FaultyStack, alice: Member
) -> None:
    texts = {word: SHOWS % ("é\r", word) for word in ("yes", "true")}
    inputs = '{"more":{"f":1.0E5,  "i":9007199254740993, "t":"\\u00e9 é \\"%j", "a":[[1.0]], "n":null}}'
    ids = {}
    for word, text in texts.items():
        content = f'{{"workflow": {json.dumps(text)}, "inputs": [{inputs}]}}'
        answer = alice.http.post("/api/jobs/", content=content.encode(), headers={"Content-Type": "application/json"})
        assert answer.status_code == 201, answer.text
        [job] = answer.json()
        ids[word] = job["JobID"]
    await_that(lambda: ended(alice, list(ids.values())), "both ended", explain=lambda: alice.jobs(list(ids.values())))
    asked = {"parameter": "JobID", "operator": "in", "values": list(ids.values())}
    labels = alice.http.post("/api/jobs/search", json={"parameters": ["WorkflowID"], "search": [asked]}).json()
    assert len({row["WorkflowID"] for row in labels}) == 1
    for word, job_id in ids.items():
        assert [job["Status"] for job in alice.jobs([job_id])] == ["Done"], alice.jobs([job_id])
        [sandbox] = alice.client.send(get_job_sandbox(job_id, "output"))
        assert read(alice.client, sandbox, "outputs/said.txt") == f"it is {word}\n".encode()
        assert read(alice.client, sandbox, "outputs/files/workflow.cwl") == texts[word].encode()
        stored = alice.http.get(f"/api/jobs/{job_id}/input-object").content
        assert read(alice.client, sandbox, "outputs/files/inputs.json") == stored == inputs.encode()


def test_the_bytes_of_a_bundle_on_the_node_are_those_that_were_pushed(stack: FaultyStack, alice: Member) -> None:
    files = {
        "main.cwl": (SHOWS % ("main", "main")).encode(),
        "data/empty": b"",
        "data/any bytes #%41é": bytes(range(256)) * 40,
        "data/lines.txt": b"\xef\xbb\xbfa\r\nb\n\n  ",
    }
    manifest = manifest_of("main.cwl", files)
    alice.client.send(push_workflow(manifest, files))
    ids = alice.submit_cwl({"workflow_id": bundle_id(manifest)}, "bundle")
    await_that(lambda: ended(alice, ids), "it ended", explain=lambda: alice.jobs(ids))
    [sandbox] = alice.client.send(get_job_sandbox(ids[0], "output"))
    found = {path: read(alice.client, sandbox, f"outputs/files/{path}") for path in files}
    assert found == files
    assert read(alice.client, sandbox, "outputs/files/inputs.json") == b"{}"


@pytest.mark.parametrize(
    ("victim", "point"),
    [
        pytest.param(victim, point, marks=[] if (victim, point) in OFTEN else [pytest.mark.long])
        for victim, points in CASES.items()
        for point in points
    ],
)
def test_every_job_ends_done_once_with_its_outputs(
    stack: FaultyStack, alice: Member, executions: Executions, victim: str, point: str
) -> None:
    name = f"{victim}-{point}"
    ids = struck(stack, alice, executions, name=name, point=point, strike=lambda: kill(stack, victim))
    await_that(lambda: ended(alice, ids), f"all of {name} ended", explain=lambda: (alice.jobs(ids), stack.pilots()))

    jobs = alice.jobs(ids)
    assert {job["Status"] for job in jobs} == {"Done"}, [job for job in jobs if job["Status"] != "Done"]
    assert len(ids) == JOBS
    for number, job_id in enumerate(sorted(ids)):
        assert alice.history(job_id).count("Done") == 1
        check_outputs(alice, job_id, f"{name}-{number}")
    assert sorted(recorded(stack, ids)) == sorted(ids)
    begins, ends = executions.counts("begin", name), executions.counts("end", name)
    assert set(ends) == {f"{name}-{number}" for number in range(JOBS)}
    if victim not in REPEATS:
        assert set(begins.values()) == set(ends.values()) == {1}, begins
    await_that(lambda: not engines(stack), "no engine left", explain=lambda: engines(stack))


@pytest.mark.parametrize(
    ("point", "number"),
    [
        ("submission", signal.SIGKILL),
        pytest.param("running", signal.SIGKILL, marks=pytest.mark.long),
        pytest.param("running", signal.SIGTERM, marks=pytest.mark.long),
    ],
)
def test_a_runner_that_is_killed_leaves_no_running_job(
    stack: FaultyStack, alice: Member, executions: Executions, tmp_path: Path, *, point: str, number: signal.Signals
) -> None:
    """As `cwltest --timeout` does it: the runner and all that it has started, but for its guard."""
    name = f"runner-{point}-{number.name}"
    (tmp_path / "says.cwl").write_text(document(executions, seconds=60))
    (tmp_path / "job.json").write_text(json.dumps({"name": name}))
    words, environment = command(alice, "cwl-runner", "--outdir=out", "says.cwl", "job.json", directory=tmp_path)
    with ExitStack() as kept:
        if point == "submission":
            # Stored a moment after the runner has gone.
            kept.enter_context(held(stack, INSERTS, seconds=STATEMENT_TIMEOUT_S * 3 / 4))
        runner = subprocess.Popen(words, env=environment, cwd=tmp_path, start_new_session=True)
        if point == "submission":
            await_that(lambda: is_held(stack), "a submission on its way")
        else:
            await_that(lambda: executions.counts("begin", name), "the job at work", explain=lambda: named(alice, name))
        os.killpg(runner.pid, number)
        code = runner.wait(60)
    assert code == (1 if number == signal.SIGTERM else -number)

    def are_killed() -> bool:
        return [job["Status"] for job in named(alice, name)] == ["Killed"]

    await_that(are_killed, "the job killed, and no other", explain=lambda: named(alice, name))
    await_that(lambda: not engines(stack), "no engine left", explain=lambda: engines(stack))


def test_an_engine_that_breaks_fails_its_host_and_a_node_without_one_runs_other_jobs(
    stack: FaultyStack, alice: Member, executions: Executions, tmp_path: Path
) -> None:

    def done(ids: list[int]) -> None:
        await_that(lambda: ended(alice, ids), "the jobs ended", explain=lambda: alice.jobs(ids))
        assert {job["Status"] for job in alice.jobs(ids)} == {"Done"}, alice.jobs(ids)

    def why(job_id: int) -> str:
        words, environment = command(alice, "jobs", "why", str(job_id), directory=tmp_path)
        return subprocess.run(words, env=environment, capture_output=True, text=True, check=True, timeout=120).stdout

    done(alice.submit_cwl(body(executions, "sound", jobs=1), "sound"))
    with SwitchedEngine(stack.files.directory).broken():
        [broken] = ids = alice.submit_cwl(body(executions, "broken", jobs=1), "broken")
        said = "after an error of class host"
        await_that(lambda: said in str(alice.http.get(f"/api/jobs/{broken}/history").json()), said)
        # The pilot is the same one, and has taken the tag from what it offers.
        done(alice.submit(executions.jdl("beside", jobs=1, seconds=0), "beside"))
        await_that(lambda: "hostfeat:cwl" in why(broken), "the tag", poll_s=2, explain=lambda: why(broken))
        stack.kill("pilot")
        # The next one never has it, as on a node where no Python fits.
        done(alice.submit(executions.jdl("without", jobs=1, seconds=0), "without"))
        assert [job["Status"] for job in alice.jobs(ids)] == ["Waiting"]
        assert "hostfeat:cwl" in why(broken)
        assert not executions.counts("begin", "broken")
    stack.kill("pilot")
    done(ids)
    check_outputs(alice, broken, "broken-0")
    assert executions.counts("begin", "broken") == {"broken-0": 1}
