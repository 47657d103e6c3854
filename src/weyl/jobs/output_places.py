"""Whether the output data that a job is to leave have a place: a catalogue that takes them, and storage elements."""

from collections.abc import Collection, Iterator

from weyl.config.data_management import DataManagementOptions
from weyl.config.input_data import WEYL
from weyl.config.lfns import directory_fault_of, new_fault_of, root_of
from weyl.config.models import Config
from weyl.descriptions.description import FIELDS, Description
from weyl.descriptions.errors import BadAttribute
from weyl.descriptions.output_data import directory_of, is_lfn, lfn_of, with_any_id
from weyl.file_catalog.fields import AppliesTo, BadValue, Declared, values_of
from weyl.jobs.additions import Candidate

# What stands for any letters in a pattern becomes letters that any name may have.
_PATTERN = str.maketrans(dict.fromkeys("*?[]!", "x"))
_READ = frozenset({"OutputData", "OutputPath", "OutputSE", "Workflow"})


def refused(candidate: Candidate, config: Config, *, vo: str, owner: str) -> BadAttribute | None:
    """Return why the output data of jobs could not be registered; None if they can, or there are none."""
    if not any(candidate.description.columns["wants_outputs"]):
        return None
    operations = config.operations[vo]
    catalog, options = operations.input_data.catalog, operations.data_management
    if catalog != WEYL:
        known = "no file catalogue" if catalog is None else f"its files in the catalogue {catalog}"
        return BadAttribute("OutputData", f"cannot be registered: your VO has {known}, not in the one of weyl")
    serving = storage_elements_of(config, vo)
    if not serving:
        return BadAttribute("OutputData", "cannot be stored: no storage element serves your VO")
    for form in candidate.forms("OutputData", "OutputPath", "OutputSE"):
        said = Description.read(form, only=_READ)
        for name in _ses_of(said):
            if name not in serving:
                told = f"{name!r} is no storage element of your VO; there are {', '.join(sorted(serving))}"
                return BadAttribute("OutputSE", told)
        if (fault := _misplaced(said, options, vo=vo, owner=owner)) is not None:
            return fault
    return None


def _misplaced(said: Description, options: DataManagementOptions, *, vo: str, owner: str) -> BadAttribute | None:
    """Return what is wrong with the names that the files would have, as far as it is known before they are there."""
    home = options.home_of(vo, owner)
    if home is None and not all(path.startswith("/") for path in _paths(said)):
        return BadAttribute("OutputPath", "must be an absolute directory: your name makes no home")
    roots = options.roots_of(vo)
    for attribute, written, name in _names(said, home or ""):
        if root_of(name, roots) is None:
            begin = " or ".join(f"{root}/" for root in roots)
            return BadAttribute(attribute, f"{written[:100]!r} is no place of your VO; those begin with {begin}")
        if (fault := directory_fault_of(name) or new_fault_of(name, options.lfn_pattern)) is not None:
            return BadAttribute(attribute, f"{written[:100]!r} {fault}")
    return None


def _names(said: Description, home: str) -> Iterator[tuple[str, str, str]]:
    """Yield what says where files are to lie: attribute, as it is written, and as an absolute name."""
    directories = [directory_of(with_any_id(path), home=home, job_id=1) for path in _paths(said)]
    for path, directory in zip(_paths(said), directories, strict=True):
        yield "OutputPath", path, directory
    for item in () if said.workflow else said.output_data:
        yield "OutputData", item, lfn_of(with_any_id(_without_pattern(item)), directories[0])


def _without_pattern(item: str) -> str:
    return item if is_lfn(item) else item.translate(_PATTERN)


def _paths(said: Description) -> list[str]:
    return [said.output_path] if said.workflow is None else [each.path or "" for each in said.workflow.bindings]


def _ses_of(said: Description) -> Iterator[str]:
    yield from said.output_se
    for binding in said.workflow.bindings if said.workflow else ():
        yield from binding.ses


def describes_outputs(candidate: Candidate) -> bool:
    """Tell whether jobs say metadata of files that they are to leave."""
    return any(candidate.description.columns["wants_outputs"]) and bool(candidate.document.get("OutputMetadata"))


def misdescribed(candidate: Candidate, declared: Declared) -> BadAttribute | None:
    """Return which metadata of output data no file could have, by the fields that the VO has declared."""
    for form in candidate.forms("OutputMetadata"):
        said = FIELDS["OutputMetadata"].read(form.get("OutputMetadata"), "OutputMetadata") or {}
        try:
            values_of(declared, said, on=AppliesTo.FILE)
        except BadValue as error:
            return BadAttribute("OutputMetadata", f"cannot be kept: {error}")
    return None


def output_ses(config: Config, vo: str, *, site: str) -> list[str] | None:
    """Return where a job at a site stores what its description sends nowhere: near elements, then those of the VO.

    None: wherever the VO can write.
    """
    elements, serving = config.resources.storage_elements, storage_elements_of(config, vo)
    near = [name for name, element in elements.items() if name in serving and site in element.sites]
    chosen = [*near, *(name for name in config.operations[vo].data_management.output_ses if name in serving)]
    return list(dict.fromkeys(chosen)) or None


def storage_elements_of(config: Config, vo: str) -> Collection[str]:
    """Return the storage elements that serve a VO and hand out requests."""
    elements = config.resources.storage_elements
    return {name for name, element in elements.items() if element.serves(vo) and element.endpoints}
