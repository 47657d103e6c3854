"""What the words of a submission say about every job, and how a description in JDL has it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from difflib import get_close_matches
from os import PathLike, fspath
from typing import Any

from weyl.client.errors import UsageFault
from weyl.client.times import parse_span
from weyl.jobs.cli.describe import Changes

# What other systems call them.
SYNONYMS = {"cpu": "cores", "cpus": "cores", "processors": "cores", "mem": "memory", "ram": "memory"}
SYNONYMS |= {"walltime": "time", "inputs": "files", "sandbox": "files"}
Text = str | PathLike[str]


@dataclass(frozen=True, slots=True)
class Options:
    """Options of jobs: those of `weyl.submit`, `weyl.map` and `weyl.Executor`."""

    name: str | None = None
    group: str | None = None
    site: Text | Sequence[Text] = ()
    cores: int | None = None
    memory: int | None = None
    """In MB."""
    time: float | str | None = None
    """CPU time of a job: seconds, or a text such as `2h`."""
    priority: int | None = None
    files: Text | Sequence[Text] = ()
    output: Text | Sequence[Text] = ()

    def __post_init__(self) -> None:
        for name in ("cores", "memory", "priority"):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
                raise UsageFault(f"{name} is {value!r}, not a whole number from 1 on.", hint="Nothing was submitted.")

    @classmethod
    def of(cls, words: Mapping[str, Any]) -> "Options":
        """Return the options with these names; raises `UsageFault` for one that there is not."""
        known = [field.name for field in fields(cls)]
        for name in words:
            if name not in known:
                raise UsageFault(f"There is no option {name!r}.", hint=f"Choose of {', '.join(known)}.")
        return cls(**words)

    def changes(self, parameters: Sequence[str] = ()) -> Changes:
        """Return them as options of the command line."""
        return Changes(
            name=self.name,
            job_group=self.group,
            sites=texts(self.site),
            cores=self.cores,
            memory_mb=self.memory,
            cpu_time_s=None if self.time is None else seconds_of(self.time),
            priority=self.priority,
            outputs=texts(self.output),
            parameters=tuple(parameters),
        )


def refuse_near_options(words: Iterable[str], command: object) -> None:
    """Raise `UsageFault` for the name of a value that was probably to be an option, unless the command names it."""
    known = [field.name for field in fields(Options)]
    for word in words:
        near = get_close_matches(word, known, n=1, cutoff=0.8) or [each for each in (SYNONYMS.get(word),) if each]
        if near and "{" + word + "}" not in str(command):
            raise UsageFault(
                f"There is no option {word!r}: did you mean {near[0]!r}?",
                hint=f"A value of this name goes into parameters={{{word!r}: ...}}.",
            )


def texts(value: Text | Sequence[Text]) -> tuple[str, ...]:
    """Return one text or many as texts."""
    if isinstance(value, str | PathLike):
        return (fspath(value),)
    return tuple(fspath(each) for each in value)


def seconds_of(value: float | str) -> int:
    """Return a time in whole seconds; raises `UsageFault` for what is none."""
    if isinstance(value, str):
        return int(parse_span(f"{value}s" if value.strip().isdecimal() else value).total_seconds())
    if isinstance(value, bool) or not 1 <= value < 10**9:
        raise UsageFault(f"time is {value!r}, not a number of seconds.", hint='Write time=7200 or time="2h".')
    return int(value)
