"""The demo's jobs in CWL, beside those in JDL: the same collisions by the same programs, and the same answer."""

import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from weyl.client import Client
from weyl.demo.processes import ComponentFailed
from weyl.jobs.calls.results import get_outputs

# Seeds that are generated twice, once each way.
SEEDS = range(1, 3)


class Person(Protocol):
    """Who submits them."""

    def run(self, *arguments: str) -> str:
        """Run a command and return what it printed."""

    def client(self) -> Client:
        """Return a client with this person's login."""


@dataclass(frozen=True)
class CwlJobs:
    """Jobs that generate collisions, and the one that merges them."""

    generating: Sequence[int]
    merging: Sequence[int] = ()


def generate(user: Person, directory: Path, *, events: int) -> CwlJobs:
    """Submit the generation of some seeds as CWL."""
    words = ["--range", f"seed={SEEDS.start}:{SEEDS.stop}", "-q", "--"]
    flags = ["--events", str(events), "--python", sys.executable]
    printed = user.run("jobs", "submit", str(directory / "generate.cwl"), *words, *flags)
    return CwlJobs([int(line) for line in printed.split()])


def merge(user: Person, directory: Path, jobs: CwlJobs) -> CwlJobs:
    """Submit the merging of what they have put out, where it lies."""
    with user.client() as client:
        histograms = [client.send(get_outputs(job_id))["histogram"] for job_id in jobs.generating]
    inputs = directory / "merge.json"
    inputs.write_text(json.dumps({"histograms": histograms}))
    printed = user.run("jobs", "submit", str(directory / "merge.cwl"), str(inputs), "-q")
    return CwlJobs(jobs.generating, [int(line) for line in printed.split()])


def compare(user: Person, jobs: CwlJobs, files: Path) -> str:
    """Return a line that says what came out; raises ComponentFailed unless both ways gave the same histograms.

    `files` is the directory with the histograms of the jobs in JDL.
    """
    with user.client() as client:
        for seed, job_id in zip(SEEDS, jobs.generating, strict=True):
            told = client.send(get_outputs(job_id))["histogram"]["checksum"]
            content = (files / f"zmumu-{seed}.json").read_bytes()
            if told != f"sha1${hashlib.sha1(content).hexdigest()}":
                raise ComponentFailed(f"Seed {seed} gave another histogram in CWL (job {job_id}) than in JDL")
        if "fit" not in client.send(get_outputs(jobs.merging[0])):
            raise ComponentFailed(f"Job {jobs.merging[0]} has put out no fit")
    ids = ", ".join(map(str, [*jobs.generating, *jobs.merging]))
    return f"As CWL, jobs {ids}: equal histograms with seeds {SEEDS.start} and {SEEDS.stop - 1}, and their fit"
