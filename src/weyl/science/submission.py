"""`weyl.submit`: many jobs of a command, a description in JDL, or a workflow in CWL."""

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from weyl.client.errors import UsageFault
from weyl.client.sync import Client
from weyl.cwl.cli.sources import STORED, is_cwl_file
from weyl.jobs.cli.describe import Description, from_command, read_descriptions
from weyl.jobs.cli.submit import counted, send_descriptions, tell_warnings
from weyl.science.handles import Jobs
from weyl.science.options import Options, Text, refuse_near_options, texts
from weyl.science.series import NOTHING_DONE, Series, command_words, filled_in, series_of
from weyl.science.session import ProgramSession, session_of
from weyl.science.workflows import submit_workflow


def submit(
    command: Text | Sequence[Text],
    *,
    name: str | None = None,
    group: str | None = None,
    site: Text | Sequence[Text] = (),
    cores: int | None = None,
    memory: int | None = None,
    time: float | str | None = None,
    priority: int | None = None,
    files: Text | Sequence[Text] = (),
    output: Text | Sequence[Text] = (),
    parameters: Mapping[str, Any] | None = None,
    key: str | None = None,
    client: Client | None = None,
    **series: Any,
) -> Jobs:
    """Submit jobs, all of them or none, and return them.

    ```python
    jobs = weyl.submit("./run.sh", seed=range(50), output="*.root", cores=2)
    ```

    Every other word is a value for the jobs: a list, range or array makes one job per value; a number or text is the
    same in all. `{seed}` in the command, in `name` and in `output` stands for the value; values that the command does
    not mention follow at its end, in the order given. Values whose names are options go into `parameters`.

    A program that is named by a relative path travels along, with `files`; `output` names what to bring back beside
    the standard streams. `memory` is in MB, `time` in seconds of CPU or a text such as `"2h"`. Submitting twice with
    one `key` makes one set of jobs. A command may also be a file in JDL or JSON, whose jobs use `%(seed)s`, or in CWL,
    whose inputs are the values.

    Raises `UsageFault` for what is wrong here, `Refused` for what the server refuses; nothing is submitted then.
    """
    words = {**(parameters or {}), **series}
    options = Options(
        name=name,
        group=group,
        site=site,
        cores=cores,
        memory=memory,
        time=time,
        priority=priority,
        files=files,
        output=output,
    )
    session = session_of(client)
    line = command_line(command)
    if len(line) == 1 and (STORED.fullmatch(line[0]) or is_cwl_file(line[0])):
        return Jobs(submit_workflow(session, line[0], options, words, key=key), client=client)
    refuse_near_options(series, line)
    values = series_of(words)
    is_described = len(line) == 1 and line[0].endswith((".jdl", ".json")) and Path(line[0]).is_file()
    descriptions = _read(line[0], options, values) if is_described else [_from_command(line, options, values)]
    return Jobs(sent(session, descriptions, key=key), client=client)


def sent(session: ProgramSession, descriptions: Sequence[Description], *, key: str | None) -> list[int]:
    """Submit descriptions and return the ids of their jobs; says what their author should know."""
    counted(descriptions)
    inserted = send_descriptions(session, descriptions, key=key)
    tell_warnings(session, descriptions, inserted)
    return [job.job_id for job in inserted]


def command_line(command: Text | Sequence[Text]) -> list[str]:
    """Return the words of a command: a text is split as a shell would, unless it is the name of a file."""
    if isinstance(command, PathLike):
        return [fspath(command)]
    if not isinstance(command, str):
        return list(texts(command))
    if Path(command).is_file():
        return [command]
    try:
        return shlex.split(command)
    except ValueError as error:
        raise UsageFault(f"{command!r} is not a command: {error}.", hint=NOTHING_DONE) from error


def _from_command(line: list[str], options: Options, values: Series) -> Description:
    return from_command(
        command_words(line, values),
        sandbox=list(texts(options.files)),
        changes=_filled(options, values).changes(_parameters(values)),
        directory=Path.cwd(),
    )


def _read(file: str, options: Options, values: Series) -> list[Description]:
    """Return the descriptions of a file in JDL or JSON."""
    if options.files:
        raise UsageFault("A description names its files itself.", hint="Add them to its InputSandbox.")
    try:
        text = Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageFault(f"Cannot read {file}: {error}.", hint=NOTHING_DONE) from error
    # A description has series only: what is the same in all jobs is one whose values are equal.
    count = max((len(each) for each in values.lists.values()), default=1)
    same = {name: [value] * count for name, value in values.constants.items()}
    whole = Series({**values.lists, **same}, {})
    changes = options.changes(_parameters(whole))
    return read_descriptions(text, origin=file, directory=Path(file).resolve().parent, changes=changes)


def _parameters(values: Series) -> list[str]:
    """Return series as `--param` takes them."""
    return [f"{name}={_written(each)}" for name, each in values.lists.items()]


def _written(values: Sequence[Any]) -> str:
    numbers = values if all(isinstance(each, int) for each in values) else []
    if numbers and len(numbers) > 1 and list(numbers) == list(range(numbers[0], numbers[-1] + 1)):
        return f"{numbers[0]}..{numbers[-1]}"
    return json.dumps(list(values))


def _filled(options: Options, values: Series) -> Options:
    """Return options whose texts have placeholders where values are named."""
    name = None if options.name is None else filled_in(options.name, values)
    return replace(options, name=name, output=[filled_in(each, values) for each in texts(options.output)])
