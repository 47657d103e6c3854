"""The files of the grid that a job reads, as its description names them."""

from dataclasses import dataclass

from weyl.config.lfns import bare
from weyl.descriptions.description import Description


@dataclass(frozen=True, slots=True)
class Files:
    """The files of a job: data are read where the job runs, files of the sandbox are brought to it from anywhere."""

    data: tuple[str, ...]
    sandbox: tuple[str, ...]

    @property
    def lfns(self) -> tuple[str, ...]:
        """All of them."""
        return (*self.data, *self.sandbox)


def files_of(description: Description) -> Files:
    """Return the files that a job description names, each once, without `LFN:`."""
    data = map(bare, description.input_data)
    sandbox = (bare(name) for name in description.input_sandbox if bare(name) != name)
    return Files(tuple(dict.fromkeys(data)), tuple(dict.fromkeys(sandbox)))


def lfns_of(description: Description) -> tuple[str, ...]:
    """Return all files that a job description names, sorted, each once."""
    return tuple(sorted(set(files_of(description).lfns)))
