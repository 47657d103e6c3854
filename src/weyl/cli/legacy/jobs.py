"""The old names for jobs: `dirac-wms-job-*`, `dsub`, `dstat` and their like."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from pprint import pformat
from typing import Any

from weyl.cli.legacy.arguments import Alias, Given, Option
from weyl.client.errors import UsageFault
from weyl.descriptions import jdl
from weyl.jobs.states import FINAL

FILE = Option("File", "f", "Read the ids of jobs from this file.")
GROUP = Option("JobGroup", "g", "Jobs of this group.")
DIRECTORY = Option("Dir", "D", "Put the files here.")
# The scripts of others asked nobody.
YES = ("--yes",)


def _ids(given: Given) -> list[str]:
    """Return the ids that were typed, or that are in files."""
    ids = [part for word in given.words for part in word.split(",") if part]
    for name in given.many("File"):
        try:
            ids += Path(name).read_text(encoding="utf-8").replace(",", " ").split()
        except OSError as error:
            raise UsageFault(f"Cannot read {name}: {error.strerror}.", hint="Name a file with ids of jobs.") from error
    return [part.removeprefix("JobID=") for part in ids if part not in ("JobID", "=")]


def _chosen(given: Given) -> list[str]:
    if given.has("JobGroup"):
        return ["--where", f"JobGroup = {_quoted(given.one('JobGroup'))}"]
    ids = _ids(given)
    if not ids:
        raise UsageFault("No job is named.", hint="Give the ids of jobs.")
    return ids


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _joined(ids: Iterable[Any]) -> str:
    return ",".join(str(each) for each in ids)


def _submitted(result: Any, given: Given) -> Iterator[str]:
    ids = list(next(iter(result.parts)).ids)
    for name in given.many("File"):
        Path(name).write_text("".join(f"{job_id}\n" for job_id in ids), encoding="utf-8")
    yield f"JobID = {ids[0] if len(ids) == 1 else ids}"


def _statuses(result: Any, given: Given) -> Iterator[str]:
    for row in result.rows:
        yield f"JobID={row['JobID']} Status={row['Status']}; MinorStatus={row['MinorStatus']}; Site={row['Site']};"


def _history(result: Any, given: Given) -> Iterator[str]:
    names = ("Status", "MinorStatus", "ApplicationStatus", "StatusTime", "Source")
    rows = [[str(row[name]) for name in names] for row in result.rows]
    widths = [max([len(name), *(len(row[i]) for row in rows)]) + 2 for i, name in enumerate(names)]
    for cells in ([*names], *rows):
        yield "".join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True)).rstrip()


def _dictionaries(result: Any, given: Given) -> Iterator[str]:
    if hasattr(result, "content"):
        yield from (pformat(dict(row)) for row in result.content)
        return
    found: dict[Any, dict[str, Any]] = {}
    for row in result.rows:
        found.setdefault(row["JobID"], {})[row["Name"]] = row["Value"]
    yield from (pformat(values) for values in found.values())


def _fetched(kind: str) -> Any:
    def show(result: Any, given: Given) -> Iterator[str]:
        for row in result.rows:
            yield f"Job {kind} sandbox retrieved in {Path(row['Directory']).resolve()}/"

    return show


def _done(word: str) -> Any:
    def show(result: Any, given: Given) -> Iterator[str]:
        ids = list(result.ids)
        if ids:
            yield f"{word} {_joined(ids)}"

    return show


SELECTORS = ("Status", "MinorStatus", "ApplicationStatus", "Site", "Owner", "JobGroup")


def _select(given: Given) -> list[str]:
    conditions = [f"{name} = {_quoted(given.one(name))}" for name in SELECTORS if given.has(name)]
    if given.has("Date"):
        conditions.append(f"LastUpdateTime > {given.one('Date')}")
    where = ["--where", " and ".join(conditions)] if conditions else []
    return ["jobs", "search", *where, "--columns", "JobID", "--limit", given.one("Maximum", "100")]


def _selected(result: Any, given: Given) -> Iterator[str]:
    ids = [row["JobID"] for row in result.rows]
    conditions = ", ".join(f"{name} = {given.one(name)}" for name in (*SELECTORS, "Date") if given.has(name))
    yield f"==> Selected {len(ids)} jobs with conditions: {conditions or 'none'}"
    yield ", ".join(str(job_id) for job_id in ids)


# Option of `dsub` -> attribute of a description; lists are cut at commas.
DSUB = {
    "Name": "JobName",
    "StdError": "StdError",
    "StdOutput": "StdOutput",
    "CPUTime": "CPUTime",
    "Platform": "Platform",
    "Priority": "Priority",
    "JobGroup": "JobGroup",
}
DSUB_LISTS = ("InputSandbox", "OutputSandbox", "InputData", "OutputData", "Site", "BannedSite")


def description_of(given: Given) -> str:
    """Return the description of the job that a command line of `dsub` means."""
    document: jdl.Document = {"StdOutput": "std.out", "StdError": "std.err"}
    if given.has("JDL"):
        text = given.one("JDL")
        document |= jdl.parse(Path(text).read_text(encoding="utf-8") if Path(text).is_file() else text)
    if given.words:
        executable, *arguments = given.words
        document["Executable"] = Path(executable).name if Path(executable).is_file() else executable
        if arguments:
            document["Arguments"] = " ".join(arguments)
        if Path(executable).is_file() and not executable.startswith("/"):
            document["InputSandbox"] = [executable]
    if "Executable" not in document:
        raise UsageFault("There is nothing to run.", hint="As: dsub /bin/echo hello")
    document |= {attribute: given.one(name) for name, attribute in DSUB.items() if given.has(name)}
    for name in DSUB_LISTS:
        if given.has(name):
            before = document.get(name, [])
            document[name] = [*(before if isinstance(before, list) else [str(before)]), *given.many(name)]
    outputs = document.get("OutputSandbox")
    document["OutputSandbox"] = [
        *(outputs if isinstance(outputs, list) else []),
        str(document["StdOutput"]),
        str(document["StdError"]),
    ]
    if given.has("Parametric"):
        document |= _parametric(given.one("Parametric"))
    return jdl.render(document)


def _parametric(text: str) -> jdl.Document:
    try:
        first, last, step = [int(part) for part in [*text.split(":"), "1"][:3]]
        count = (last - first) // step + 1
    except (ValueError, ZeroDivisionError) as error:
        raise UsageFault(f"--Parametric {text!r} is not a series.", hint="As: 1:20 or 1:20:2") from error
    return {"Parameters": count, "ParameterStart": first, "ParameterStep": step}


def _dstat(given: Given) -> list[str]:
    columns = ["--columns", "JobID,Owner,JobName,SubmissionTime,Status,MinorStatus,Site"]
    if given.words:
        return ["jobs", "search", "--where", f"JobID in ({', '.join(_ids(given))})", "--limit", "0", *columns]
    conditions = [f"Owner = {_quoted(given.one('User'))}"] if given.has("User") else []
    if given.has("Status"):
        conditions.append(f"Status in ({', '.join(map(_quoted, given.many('Status')))})")
    elif not given.has("All"):
        conditions.append(f"Status not in ({', '.join(sorted(FINAL | {'Deleted'}))})")
    if given.has("JobGroup"):
        conditions.append(f"JobGroup = {_quoted(given.one('JobGroup'))}")
    mine = [] if given.has("User") else ["--mine"]
    where = ["--where", " and ".join(conditions)] if conditions else []
    return ["jobs", "search", *mine, *where, "--sort", "JobID", "--limit", "0", "-o", "table", *columns]


def _dkill(given: Given) -> list[str]:
    if given.has("All"):
        # Of the user's own: a filter cannot say `mine`, and the server refuses those of others anyway.
        return ["jobs", "kill", "--where", "Status not in (Done, Failed, Killed, Deleted)", *YES]
    return ["jobs", "kill", *_chosen(given), *YES]


def _command(*words: str, options: tuple[str, ...] = ()) -> Any:
    return lambda given: [*words, *_chosen(given), *options]


def _fetch(noun: str) -> Any:
    return lambda given: ["jobs", noun, *_ids(given), "-d", given.one("Dir", ".")]


def _alias(name: str, summary: str, words: Any, *, show: Any = None, options: tuple[Option, ...] = (FILE,)) -> Alias:
    usage = "[options] JobID ..." if FILE in options or DIRECTORY in options else "[options]"
    return Alias(name, summary, usage, words, show, options)


WMS = "dirac-wms-job-"
SELECT_OPTIONS = (
    *(Option(name, help=f"Jobs with this {name}.") for name in SELECTORS),
    Option("Date", help="Jobs that changed since this day."),
    Option("Maximum", help="At most so many (100)."),
)
ALIASES = (
    Alias(
        f"{WMS}submit",
        "Submits the jobs that files in JDL describe.",
        "[options] JDL ...",
        lambda given: ["jobs", "submit", "jdl", *given.words],
        _submitted,
        (Option("File", "f", "Write the ids of the jobs into this file."),),
    ),
    _alias(f"{WMS}status", "Prints the status of jobs.", _command("jobs", "status"), show=_statuses),
    _alias(
        f"{WMS}kill",
        "Kills jobs.",
        _command("jobs", "kill", options=YES),
        show=_done("Killed jobs"),
        options=(FILE, GROUP),
    ),
    _alias(
        f"{WMS}delete",
        "Deletes jobs.",
        _command("jobs", "delete", options=YES),
        show=_done("Deleted jobs"),
        options=(FILE, GROUP),
    ),
    _alias(
        f"{WMS}reschedule",
        "Runs jobs again.",
        _command("jobs", "reschedule", options=YES),
        show=_done("Rescheduled job"),
        options=(FILE, GROUP),
    ),
    _alias(f"{WMS}peek", "Prints the last lines of running jobs.", _command("jobs", "peek"), options=()),
    _alias(
        f"{WMS}parameters",
        "Prints what was reported about jobs.",
        _command("jobs", "show", options=("--params",)),
        show=_dictionaries,
    ),
    _alias(f"{WMS}attributes", "Prints the columns of jobs.", _command("jobs", "show"), show=_dictionaries),
    _alias(
        f"{WMS}logging-info",
        "Prints the statuses that a job has had.",
        _command("jobs", "show", options=("--history",)),
        show=_history,
    ),
    _alias(f"{WMS}get-jdl", "Prints the descriptions of jobs.", _command("jobs", "show", options=("--jdl",))),
    _alias(
        f"{WMS}get-input",
        "Fetches the input sandboxes of jobs.",
        _fetch("input"),
        show=_fetched("input"),
        options=(FILE, DIRECTORY),
    ),
    _alias(
        f"{WMS}get-output",
        "Fetches the output sandboxes of jobs.",
        _fetch("output"),
        show=_fetched("output"),
        options=(FILE, DIRECTORY),
    ),
    _alias("dirac-wms-select-jobs", "Finds jobs.", _select, show=_selected, options=SELECT_OPTIONS),
    Alias(
        "dsub",
        "Submits a command line or a description as a job.",
        "[options] EXECUTABLE [ARGUMENT ...]",
        lambda given: ["jobs", "submit", "jdl", "-"],
        lambda result, given: (str(job_id) for job_id in next(iter(result.parts)).ids),
        (
            Option("JDL", "J", "Description, or a file of one; options change it."),
            Option("Name", "N", "Name of the job."),
            Option("StdError", "E", "File of the standard error."),
            Option("StdOutput", "O", "File of the standard output."),
            *(Option(name, help="Names, with commas between them.") for name in DSUB_LISTS),
            *(Option(name, help=f"{name} of the job.") for name in ("CPUTime", "Platform", "Priority", "JobGroup")),
            Option("Parametric", help="A job for each number of FIRST:LAST:STEP."),
        ),
        ends_at_word=True,
    ),
    _alias(
        "dstat",
        "Lists your jobs that have not ended.",
        _dstat,
        options=(
            Option("All", "a", "Those that have ended, too.", takes_value=False),
            Option("Status", "S", "Those with one of these statuses."),
            Option("User", "u", "Those of this user."),
            GROUP,
        ),
    ),
    _alias("doutput", "Fetches the output sandboxes of jobs.", _fetch("output"), options=(FILE, DIRECTORY)),
    _alias(
        "dkill",
        "Kills jobs.",
        _dkill,
        options=(Option("All", "a", "All that have not ended.", takes_value=False), FILE, GROUP),
    ),
    _alias(
        "dlogging",
        "Prints the statuses that jobs have had.",
        _command("jobs", "show", options=("--history", "-o", "table")),
    ),
)
