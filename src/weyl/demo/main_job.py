"""The demo's main job: twenty jobs generate collisions, one merges them; all through the command line a user has.

Some of it is done a second time in CWL, beside it.
"""

import hashlib
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from weyl.client import Client, CredentialFile
from weyl.demo import cwl_jobs
from weyl.demo.browser import walk_through_forms
from weyl.demo.examples import example_directory
from weyl.demo.processes import ComponentFailed, log_excerpt
from weyl.demo.stack import Stack
from weyl.jobs.calls.lists import search
from weyl.kit.call import Call
from weyl.kit.search import SearchParams, VectorSearchOperator, VectorSearchSpec

VO, USER = "hep", "alice"
# Declares metadata fields, as those who manage productions may.
MANAGER = "max"
JOBS = 20
FINAL = {"Done", "Failed", "Killed", "Deleted", "Completed"}
# The order in which a job passes through its states, for the columns of the table.
COLUMNS = ("Received", "Checking", "Waiting", "Matched", "Running", "Completing", "Done", "Failed")
POLL_S = 1.0
TIMEOUT_S = 1800.0

Say = Callable[[str], None]


class User:
    """A person at a terminal: runs `weyl` against the stack."""

    def __init__(self, stack: Stack, name: str = USER, *, group: str = "user") -> None:
        self._stack = stack
        self._name, self._group = name, group
        home = stack.files.directory / "home" / name
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.directory = home
        keep = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL") if name in os.environ}
        self._credentials = home / "credentials.json"
        self.environment = {
            **keep,
            "HOME": str(home),
            "WEYL_URL": stack.url,
            "WEYL_CREDENTIALS_PATH": str(self._credentials),
        }

    def run(self, *arguments: str) -> str:
        """Run a command; returns what it printed, raises `ComponentFailed` with what it complained about."""
        done = subprocess.run(
            [sys.executable, "-m", "weyl", *arguments],
            env=self.environment,
            cwd=self.directory,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        if done.returncode:
            server_log = log_excerpt(self._stack.program("server").log, 10)
            command = " ".join(["weyl", *arguments])
            raise ComponentFailed(
                f"`{command[:200]}` ended with {done.returncode}\n{done.stderr}\nserver: {server_log}"
            )
        return done.stdout

    def login(self) -> None:
        """Log in with the device flow; we press the buttons that a person presses in the browser."""
        command = [sys.executable, "-m", "weyl", "login", VO, "--group", self._group]
        with subprocess.Popen(
            command,
            env=self.environment,
            cwd=self.directory,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            line = process.stdout.readline()
            if not line:
                raise ComponentFailed(f"`weyl login` said nothing\n{process.stderr.read()}")
            form = {"login": self._name, "password": self._stack.files.passwords()[self._name]}
            walk_through_forms(json.loads(line)["verification_uri_complete"], form)
            _, complaint = process.communicate(timeout=60)
        if process.returncode:
            raise ComponentFailed(f"`weyl login` ended with {process.returncode}\n{complaint}")

    def submit(self, jdl: str, name: str) -> list[int]:
        """Submit a JDL; returns the ids."""
        file = self.directory / name
        file.write_text(jdl)
        return [int(line) for line in self.run("jobs", "submit", str(file), "-q").split()]

    def jobs(self, ids: Sequence[int]) -> list[dict[str, Any]]:
        """Return the jobs as they are now.

        Not by a command: it is asked every second, and each would take from the jobs what it costs to start.
        """
        meant = VectorSearchSpec(parameter="JobID", operator=VectorSearchOperator.IN, values=list(ids))
        return self.rows(search(SearchParams(search=[meant])))

    def rows(self, call: Call[list[dict[str, Any]]]) -> list[dict[str, Any]]:
        """Return all rows of a search."""
        with self.client() as client:
            return list(client.rows(call, limit=0))

    def client(self) -> Client:
        """Return a client with this person's login."""
        return Client(self._stack.url, CredentialFile(self._credentials))


def run_main_job(stack: Stack, say: Say, *, events: int) -> None:
    """Generate, find, merge, fit, and print each step with its wall time."""
    began = time.monotonic()
    example = example_directory("zmumu")
    declare_fields(User(stack, MANAGER, group="production"))
    user = User(stack)
    user.login()
    say(f"Logged in as {USER} in the VO {VO}, by the device flow")
    for file in example.iterdir():
        if file.is_file():
            (user.directory / file.name).write_bytes(file.read_bytes())

    generate = (example / "zmumu.jdl").read_text().replace("@PYTHON@", sys.executable).replace("@EVENTS@", str(events))
    ids = user.submit(generate, "zmumu.jdl")
    say(f"Submitted one JDL: {len(ids)} jobs, {ids[0]} to {ids[-1]}; each generates {events} collisions")
    in_cwl = cwl_jobs.generate(user, user.directory, events=events)
    follow(stack, user, [*ids, *in_cwl.generating], say)
    generated = time.monotonic()

    files = found_files(user, events, say, expected=len(ids))
    names = ", ".join(f'"LFN:{name}"' for name in files)
    merge = (example / "merge.jdl").read_text().replace("@PYTHON@", sys.executable).replace("@FILES@", names)
    merging = user.submit(merge, "merge.jdl")
    in_cwl = cwl_jobs.merge(user, user.directory, in_cwl)
    say(f"Submitted job {merging[0]}, which reads these {len(files)} files and merges them")
    follow(stack, user, [*merging, *in_cwl.merging], say)
    say(f"Wall time: {generated - began:.1f} s to log in and generate, {time.monotonic() - generated:.1f} s to merge")
    fetched = fetch(user, files, say)
    say(cwl_jobs.compare(user, in_cwl, fetched))
    user.run("jobs", "output", str(merging[0]), "-d", str(user.directory / "results"))
    report(user.directory / "results", say)


def declare_fields(manager: User) -> None:
    """Declare what is said about files of collisions."""
    manager.login()
    manager.run("data", "fields", "add", "Process", "--type", "text")
    for name in ("Seed", "Events"):
        manager.run("data", "fields", "add", name, "--type", "int", "--on", "file")


def found_files(user: User, events: int, say: Say, *, expected: int) -> list[str]:
    """Return the files that a query finds; raises `ComponentFailed` if they are not those that the jobs have left."""
    query = f"Process = Zmumu and Events = {events}"
    files = user.run("data", "find", query, "--limit", "0", "-q").split()
    counted = json.loads(user.run("data", "find", query, "--by", "SE", "-o", "json"))
    places = {" and ".join(row["SE"]): row["count"] for row in counted}
    if len(files) != expected or sum(places.values()) != expected:
        raise ComponentFailed(f"The query {query!r} found {len(files)} files of {expected}: {places}")
    shown = ", ".join(f"{count} on {name}" for name, count in sorted(places.items()))
    say(f'Found by `weyl data find "{query}"`: {len(files)} files, {shown}')
    return files


def fetch(user: User, files: Sequence[str], say: Say) -> Path:
    """Fetch files and return where they are; raises `ComponentFailed` unless each is what the catalogue says."""
    into = user.directory / "data"
    user.run("data", "get", *files, "-d", str(into))
    known = json.loads(user.run("data", "stat", *files, "-o", "json"))
    for row in known:
        found = hashlib.sha256((into / Path(row["lfn"]).name).read_bytes()).hexdigest()
        if found != row["checksums"]["sha256"]:
            raise ComponentFailed(f"{row['lfn']} has the sha256 {found}, not {row['checksums']['sha256']}")
    say(f"Fetched them with `weyl data get`: sha256 of all {len(known)} equal to those in the catalogue")
    return into


def follow(stack: Stack, user: User, ids: Sequence[int], say: Say) -> None:
    """Print the table of jobs as they move, until all have ended; raises `ComponentFailed` if one did not end Done."""
    began = time.monotonic()
    say("   time  " + "".join(f"{column:>11}" for column in COLUMNS))
    shown: Counter[str] = Counter()
    while True:
        stack.check()
        jobs = user.jobs(ids)
        counts = Counter(job["Status"] for job in jobs)
        if counts != shown:
            say(f"{time.monotonic() - began:6.1f} s " + "".join(f"{counts[column] or '':>11}" for column in COLUMNS))
            shown = counts
        if all(job["Status"] in FINAL for job in jobs):
            break
        if time.monotonic() - began > TIMEOUT_S:
            raise ComponentFailed(
                f"The jobs did not end in {TIMEOUT_S:g} s\n{log_excerpt(stack.program('worker').log)}"
            )
        time.sleep(POLL_S)
    failed = [job for job in jobs if job["Status"] != "Done"]
    if failed:
        reasons = "\n".join(
            f"  job {job['JobID']}: {job['Status']}, {job['MinorStatus']}, {job['ApplicationStatus']}" for job in failed
        )
        raise ComponentFailed(f"{len(failed)} of {len(ids)} jobs did not end Done:\n{reasons}")


def report(results: Path, say: Say) -> None:
    """Print what the merging job found, and keep the plot where the demo was started."""
    fit = json.loads(next(results.rglob("fit.json")).read_text())
    say(f"""
  {fit["events"]} events from {fit["generator"]}
  Z mass  {fit["mass_gev"]:.3f} +- {fit["mass_error_gev"]:.3f} GeV   (world average: 91.188)
  width   {fit["width_gev"]:.3f} GeV, chi2/ndf {fit["chi2"]:.1f}/{fit["ndf"]}""")
    plot = Path.cwd() / "zmumu.svg"
    try:
        plot.write_bytes(next(results.rglob("*.svg")).read_bytes())
    except OSError as error:
        say(f"  The plot could not be written to {plot}: {error.strerror}")
    else:
        say(f"  The plot is in {plot}")
