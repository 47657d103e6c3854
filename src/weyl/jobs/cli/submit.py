"""`weyl jobs submit`: descriptions from files or stdin, or a command line; local files of theirs travel along."""

import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

import typer
from typer.core import TyperGroup

from weyl.client.command import Session, session_of
from weyl.client.errors import NotLoggedIn, Refused, Unreachable, UsageFault
from weyl.client.results import Document, Ids, Parts, Result, Text
from weyl.client.times import parse_span
from weyl.jobs.calls import submission
from weyl.jobs.cli.describe import (
    JOBS_MAX,
    NOTHING_DONE,
    Changes,
    Description,
    from_command,
    read_descriptions,
)
from weyl.jobs.cli.follow import follow_output, wait_for
from weyl.jobs.cli.local_files import absent
from weyl.jobs.models.submission import InsertedJSONJob
from weyl.kit.plain_text import one_line
from weyl.sandboxes.archive import ArchiveFault
from weyl.sandboxes.transfer import upload

Name = Annotated[str | None, typer.Option("--name", "-n", metavar="NAME", help="Name of the jobs.")]
JobGroup = Annotated[str | None, typer.Option("--job-group", metavar="G", help="Group that the jobs are found by.")]
Site = Annotated[list[str] | None, typer.Option("--site", metavar="S", help="Run there only; may be repeated.")]
Cores = Annotated[int | None, typer.Option("--cores", metavar="N", min=1, help="Cores of each job.")]
Memory = Annotated[int | None, typer.Option("--memory", metavar="MB", min=1, help="Memory of each job.")]
Time = Annotated[
    str | None, typer.Option("--time", metavar="SPAN", help="CPU time of each job, as 2h or 90m; a number is seconds.")
]
Priority = Annotated[
    int | None, typer.Option("--priority", metavar="N", help="Priority among your own jobs; the highest runs first.")
]
Output = Annotated[
    list[str] | None,
    typer.Option("--output", metavar="PATTERN", help="Bring these files back, too, as '*.root'; may be repeated."),
]
Param = Annotated[
    list[str] | None,
    typer.Option(
        "--param",
        metavar="K=A..B",
        help="One job per value, used as %(K)s; or K=a,b,c, or K=@FILE with a value per line; may be repeated.",
    ),
]
Copies = Annotated[int | None, typer.Option("--copies", metavar="N", min=1, help="N jobs; %n is the number of each.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Read and show the descriptions, submit nothing.")]
Wait = Annotated[bool, typer.Option("--wait", help="Wait until the jobs have ended; exit 9 if one failed.")]
Follow = Annotated[bool, typer.Option("--follow", help="Show the output of the one job while it runs, and wait.")]
Key = Annotated[
    str | None, typer.Option("--key", metavar="K", help="Submitting twice with one key makes one set of jobs.")
]


class SubmitGroup(TyperGroup):
    """Takes files where other groups take the name of a command: `submit FILE...` means `submit jdl FILE...`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the kind of submission in front unless the first word is one and no file of that name is there."""
        is_kind = bool(args) and args[0] in self.commands and not Path(args[0]).is_file()
        if args and not is_kind and args[0] not in ("-h", "--help"):
            args = [self.kind_of(args), *args]
        return super().parse_args(ctx, args)

    def kind_of(self, args: list[str]) -> str:
        """Return the kind of a submission that names none; a room above knows of more."""
        return "jdl"

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write what `jdl` takes: that is what a submission without a kind takes."""
        own = self.params
        self.params = [*(each for each in self.commands["jdl"].params if each.name != "help"), *own]
        try:
            super().format_options(ctx, formatter)
        finally:
            self.params = own


app = typer.Typer(
    cls=SubmitGroup,
    help="""Submits jobs described in files, or a command line.

Example: weyl jobs submit job.jdl
""",
    no_args_is_help=True,
    rich_markup_mode=None,
    subcommand_metavar="FILE... | cmd -- CMD ARGS...",
)


@app.command("jdl")
def submit_jdl(
    context: typer.Context,
    files: Annotated[list[str], typer.Argument(metavar="FILE", help="Files in JDL or JSON; - reads stdin.")],
    *,
    name: Name = None,
    job_group: JobGroup = None,
    site: Site = None,
    cores: Cores = None,
    memory: Memory = None,
    time: Time = None,
    priority: Priority = None,
    output: Output = None,
    param: Param = None,
    copies: Copies = None,
    dry_run: DryRun = False,
    wait: Wait = False,
    follow: Follow = False,
    key: Key = None,
) -> Result:
    """Submits the jobs that files describe, all in one request: all of them or none.

    Files that InputSandbox names and that lie beside the description are packed and uploaded once.

    Example: weyl jobs submit job.jdl --param seed=1..20 --wait
    """
    changes = Changes(
        name,
        job_group,
        tuple(site or ()),
        cores,
        memory,
        _seconds(time),
        priority,
        tuple(output or ()),
        tuple(param or ()),
        copies,
    )
    descriptions = [each for file in files for each in _read(file, changes)]
    return _submit(session_of(context), descriptions, dry_run=dry_run, wait=wait, follow=follow, key=key)


@app.command("cmd", context_settings={"allow_interspersed_args": False})
def submit_cmd(
    context: typer.Context,
    command: Annotated[list[str], typer.Argument(metavar="CMD", help="What the job runs.")],
    *,
    sandbox: Annotated[
        list[str] | None, typer.Option("--sandbox", metavar="F", help="File or directory to bring; may be repeated.")
    ] = None,
    name: Name = None,
    job_group: JobGroup = None,
    site: Site = None,
    cores: Cores = None,
    memory: Memory = None,
    time: Time = None,
    priority: Priority = None,
    output: Output = None,
    param: Param = None,
    copies: Copies = None,
    dry_run: DryRun = False,
    wait: Wait = False,
    follow: Follow = False,
    key: Key = None,
) -> Result:
    """Submits a command line as a job; a program that is a local file travels along.

    Example: weyl jobs submit cmd --sandbox data.txt -- ./analyse.sh data.txt
    """
    changes = Changes(
        name,
        job_group,
        tuple(site or ()),
        cores,
        memory,
        _seconds(time),
        priority,
        tuple(output or ()),
        tuple(param or ()),
        copies,
    )
    description = from_command(command, sandbox=sandbox or [], changes=changes, directory=Path.cwd())
    return _submit(session_of(context), [description], dry_run=dry_run, wait=wait, follow=follow, key=key)


def _seconds(text: str | None) -> int | None:
    """Read a length of time, of which a bare number is seconds."""
    if text is None:
        return None
    return int(parse_span(f"{text}s" if text.strip().isdecimal() else text).total_seconds())


def _read(file: str, changes: Changes) -> list[Description]:
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        hint = f"Put options after it: weyl jobs submit {file} ..." if file in ("jdl", "cmd") else None
        near = absent(file, Path.cwd()) if isinstance(error, FileNotFoundError) else None
        raise UsageFault(f"Cannot read {file}: {reason}.", hint=hint or near or NOTHING_DONE) from error
    directory = Path.cwd() if file == "-" else Path(file).resolve().parent
    return read_descriptions(text, origin="stdin" if file == "-" else file, directory=directory, changes=changes)


def _submit(
    session: Session, descriptions: Sequence[Description], *, dry_run: bool, wait: bool, follow: bool, key: str | None
) -> Result:
    counts = counted(descriptions)
    if follow and sum(counts) != 1:
        raise UsageFault("--follow shows the output of one job only.", hint="Use --wait for several.")
    if dry_run:
        return _preview(descriptions, counts, _checked(session, descriptions))
    inserted = send_descriptions(session, descriptions, key=key)
    tell_warnings(session, descriptions, inserted)
    ids = [job.job_id for job in inserted]
    if follow:
        session.say(f"Submitted job {ids[0]}.")
        return Text(follow_output(session, ids[0]))
    return Parts(_parts(session, inserted, ids, wait=wait))


def counted(descriptions: Sequence[Description]) -> list[int]:
    """Return how many jobs each description makes; raises `UsageFault` if that is too many for one submission."""
    counts = [description.count() for description in descriptions]
    if sum(counts) > JOBS_MAX:
        raise UsageFault(f"{sum(counts):,} jobs are too many for one submission.", hint=f"At most {JOBS_MAX:,}.")
    return counts


def send_descriptions(
    session: Session, descriptions: Sequence[Description], *, key: str | None
) -> list[InsertedJSONJob]:
    """Upload the files of descriptions and submit them in one request; a refusal names the file that is at fault."""
    texts = _texts(session, descriptions)
    try:
        return session.client.send(submission.submit_strictly(texts, idempotency_key=key or uuid4().hex))
    except Refused as refusal:
        raise _named(refusal, descriptions) from refusal


def tell_warnings(session: Session, descriptions: Sequence[Description], inserted: Sequence[InsertedJSONJob]) -> None:
    """Say what the author of descriptions should know: what was seen here, and what the server says."""
    own = [warning for description in descriptions for warning in description.warnings]
    for warning in _joined(own, (warning for job in inserted for warning in job.warnings)):
        session.say(f"Warning: {warning}")


def _named(refusal: Refused, descriptions: Sequence[Description]) -> Refused:
    """Say in which file the server found a fault; it knows the number of the description only."""
    found = re.match(r"Job (\d+): ", refusal.message)
    if found is None or int(found[1]) >= len(descriptions):
        return refusal
    return Refused(
        f"{descriptions[int(found[1])].origin}: {refusal.message[found.end() :]}",
        hint="Nothing was submitted.",
        request_id=refusal.request_id,
        details=refusal.details,
        status=refusal.status,
    )


def _joined(own: Iterable[str], told: Iterable[str]) -> list[str]:
    """Join what was found here and what the server says, each once; of a program who has seen the files knows more."""
    first = list(dict.fromkeys(own))
    knows_program = any(warning.startswith("Executable ") for warning in first)
    rest = (warning for warning in told if not (knows_program and warning.startswith("Executable ")))
    return list(dict.fromkeys([*first, *rest]))


def _parts(session: Session, inserted: list[InsertedJSONJob], ids: list[int], *, wait: bool) -> Iterator[Result]:
    # As the contract has it; warnings only where there are some.
    document = [
        job.model_dump(mode="json", by_alias=True, exclude=None if job.warnings else {"warnings"}) for job in inserted
    ]
    yield Ids(ids, f"Submitted {span(ids)}.", id_column="JobID", unit="jobs", document=document)
    if wait:
        yield wait_for(session, ids)


def _checked(session: Session, descriptions: Sequence[Description]) -> list[list[str]]:
    """Return what the server warns of, description by description; nothing if it cannot be asked."""
    told: list[list[str]] = []
    for description in descriptions:
        try:
            # A parametric description is checked alone, as it must be submitted.
            told += [job.warnings for job in session.client.send(submission.check([description.preview()]))]
        except Refused as refusal:
            raise _named(refusal, [description]) from refusal
        except (NotLoggedIn, Unreachable, UsageFault) as error:
            session.say(f"The server was not asked whether something could run that: {error.message}")
            told += [each.advice() for each in descriptions[len(told) :]]
            break
    return [_joined(each.warnings, said) for each, said in zip(descriptions, told, strict=True)]


def _preview(descriptions: Sequence[Description], counts: Sequence[int], warnings: Sequence[Sequence[str]]) -> Result:
    content = [
        {
            "origin": description.origin,
            "jobs": count,
            "files": [str(path) for path in description.files],
            "document": description.previewed(),
            "warnings": list(warned),
        }
        for description, count, warned in zip(descriptions, counts, warnings, strict=True)
    ]
    text = "\n".join(
        f"# {one_line(description.origin)}: {count:,} job{'' if count == 1 else 's'}\n"
        + "".join(f"# Warning: {one_line(sentence)}\n" for sentence in warned)
        + description.preview(is_alone=len(descriptions) == 1).rstrip()
        for description, count, warned in zip(descriptions, counts, warnings, strict=True)
    )
    return Document(content, text=text.rstrip())


def _texts(session: Session, descriptions: Sequence[Description]) -> list[str]:
    """Upload each set of files once, however many descriptions share it, and return what to submit."""
    uploaded: dict[tuple[Path, ...], str] = {}
    texts: list[str] = []
    for description in descriptions:
        files = tuple(sorted(path.resolve() for path in description.files))
        if files and files not in uploaded:
            try:
                uploaded[files] = upload(session.client, files)
            except ArchiveFault as error:
                raise UsageFault(f"{description.origin}: {error}", hint="Nothing was submitted.") from error
        texts.append(description.render(uploaded.get(files)))
    return texts


def span(ids: Sequence[int]) -> str:
    """Return what jobs to name in a sentence: `job 12`, `3 jobs, 12 to 14`."""
    if len(ids) == 1:
        return f"job {ids[0]}"
    is_run = ids[-1] - ids[0] == len(ids) - 1
    return f"{len(ids):,} jobs" + (f", {ids[0]} to {ids[-1]}" if is_run else "")
