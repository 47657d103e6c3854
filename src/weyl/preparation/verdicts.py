"""What the checks decide about jobs of one description: to wait for a pilot, to be held, or to fail, and why."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from weyl.config.input_data import InputDataOptions
from weyl.descriptions.classes import requirement_classes
from weyl.descriptions.description import Description, Owner
from weyl.descriptions.errors import BadAttribute
from weyl.descriptions.input_files import Files, files_of
from weyl.descriptions.overrides import NONE, Overrides
from weyl.descriptions.requirements import Limits, Resolved, resolve
from weyl.file_catalog.drivers.catalog import File
from weyl.jobs.grid import Grid
from weyl.jobs.holds import PREFIX, Hold, HoldReason, name_of_catalog, name_of_site, name_of_storage
from weyl.preparation.additions import Decision, Held, Narrowed, Rejected
from weyl.preparation.input_data import (
    Missing,
    Nowhere,
    OnDisk,
    Placed,
    StageOrder,
    Unreadable,
    check_files,
    place,
)
from weyl.task_queues.errors import InvalidRequirements
from weyl.task_queues.requirements import RequirementClass

NO_CATALOGUE = "your VO has no file catalogue that could say where the file is"
NO_SITES = "No candidate sites available"
NO_DATA = "Input Data Not Available"
MINOR_LENGTH_MAX = 128
APPLICATION_LENGTH_MAX = 255
SITES_NAMED_MAX = 5
# Jobs of this type are matched at closed sites, to see whether these work again.
_TYPE_OF_CLOSED_SITES = "Test"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The statuses that a job gets; Waiting ones have classes, held ones stay in Checking and are looked at again."""

    status: str
    minor_status: str
    application_status: str = "Unknown"
    classes: tuple[RequirementClass, ...] = ()
    hold: Hold | None = None
    stage: StageOrder | None = None
    warnings: tuple[str, ...] = ()

    @property
    def statuses(self) -> tuple[str, str, str]:
        """Return the three statuses, cut to what their columns hold."""
        return (
            self.status,
            self.minor_status[:MINOR_LENGTH_MAX],
            self.application_status[:APPLICATION_LENGTH_MAX],
        )


@dataclass(frozen=True, slots=True)
class Case:
    """Jobs that are alike in all that decides, and whose they are; the description leaves out what they differ in."""

    description: Description
    owner: Owner
    limits: Limits
    options: InputDataOptions
    roots: Sequence[str]
    """The directories below which all files of the VO lie."""
    overrides: Overrides = NONE


@dataclass(frozen=True, slots=True)
class Found:
    """What is known of the files: those that the catalogue has, and which of them were brought from tape to disk."""

    known: Mapping[str, File] = field(default_factory=dict)
    on_disk: OnDisk = frozenset()
    unreachable: str | None = None
    """Why the catalogue could not be asked."""


NOTHING_FOUND = Found()


def held(hold: Hold, minor: str | None = None) -> Verdict:
    """Return the verdict on jobs that are to be looked at again; the minor status is kept short of details.

    Jobs are counted by it: a word of its own for each file would make as many counters.
    """
    detail = "Unknown" if minor is None else hold.text
    return Verdict("Checking", f"{PREFIX}{minor or hold.text}", detail, hold=hold)


def ill_described(error: BadAttribute | InvalidRequirements) -> Verdict:
    """Return the verdict on jobs whose description cannot be meant."""
    return Verdict("Failed", "Illegal Job JDL", str(error.detail))


def check_sanity(case: Case) -> Files | Verdict:
    """Return the files that must be looked for, or the verdict on a description that cannot be meant."""
    description, limits = case.description, case.limits
    try:
        resolved = resolve(description, limits)
        files = files_of(description)
        check_files(files, roots=case.roots, job_type=resolved.job_type, data_max=limits.input_data_max)
        if resolved.sites is not None and not resolved.sites:
            return Verdict("Failed", NO_SITES, "Every site in Site is also in BannedSites")
    except BadAttribute as error:
        return ill_described(error)
    # a transformation has chosen the site by the data already
    if not files.lfns or description.transformation_id:
        return Files((), ())
    if case.options.catalog is None:
        return Verdict("Failed", NO_DATA, f"{files.lfns[0]}: {NO_CATALOGUE}")
    return files


def decided(decision: Decision) -> Verdict | None:
    """Return the verdict that an extension's decision is; None: the jobs go on."""
    match decision:
        case Rejected(reason, minor_status):
            return Verdict("Failed", minor_status, reason)
        case Held(reason, after_s, sites, storage_elements):
            names = (*map(name_of_site, sites), *map(name_of_storage, storage_elements))
            return held(Hold(HoldReason.EXTENSION, reason, names, max(1, after_s)))
        case Narrowed():
            return None


def judge(
    case: Case, grid: Grid, files: Files, *, found: Found = NOTHING_FOUND, narrowed: frozenset[str] | None = None
) -> Verdict:
    """Decide about jobs that are sane; `narrowed` are the sites that extensions leave them."""
    try:
        return _judged(case, grid, files, found=found, narrowed=narrowed)
    except (BadAttribute, InvalidRequirements) as error:
        return ill_described(error)


def _judged(case: Case, grid: Grid, files: Files, *, found: Found, narrowed: frozenset[str] | None) -> Verdict:
    resolved = resolve(case.description, case.limits)
    unknown = [] if resolved.sites is None else [site for site in resolved.sites if site not in grid.sites]
    refused = _unknown_sites(unknown, resolved, case.limits)
    if refused is not None:
        return refused
    scope = grid.sites if resolved.sites is None else grid.sites & set(resolved.sites)
    scope -= set(resolved.banned_sites)
    sites, local = None, frozenset[str]()
    if narrowed is not None:
        scope &= narrowed
        sites = scope
    if files.lfns:
        placed = _placed(case, grid, files, found=found, scope=scope - set(case.overrides.sites) or scope)
        if isinstance(placed, Verdict):
            return placed
        sites = sites if placed.sites is None else placed.sites
        local = placed.local if case.limits.local_data_first else local
    # without data the class names what the user named: a site that becomes known tomorrow is one of them
    candidates = resolved.sites if sites is None else tuple(sorted(sites))
    return _candidates(case, grid, candidates, resolved) or Verdict(
        "Waiting",
        "Pilot Agent Submission",
        classes=requirement_classes(
            resolved,
            case.owner,
            case.limits,
            case.overrides,
            sites=None if sites is None else candidates,
            local_data=sorted(local),
        ),
        warnings=tuple(_warnings(case, grid, unknown, resolved)),
    )


def _unknown_sites(unknown: Sequence[str], resolved: Resolved, limits: Limits) -> Verdict | None:
    if not unknown or (limits.allow_invalid_sites and len(unknown) < len(resolved.sites or ())):
        return None
    named = f"Unknown site {unknown[0]}" if len(unknown) == 1 else f"Unknown sites {_listed(unknown)}"
    if limits.allow_invalid_sites:
        return held(Hold(HoldReason.UNKNOWN_SITE, named, tuple(map(name_of_site, unknown))))
    return Verdict("Failed", NO_SITES, f"{named}: your VO has none of this name")


def _placed(case: Case, grid: Grid, files: Files, *, found: Found, scope: frozenset[str]) -> Verdict | Placed:
    options, catalog = case.options, str(case.options.catalog)
    if found.unreachable is not None:
        text = f"The file catalogue {catalog} cannot be reached: {found.unreachable}"
        hold = Hold(HoldReason.CATALOG_UNREACHABLE, text, (name_of_catalog(catalog),))
        return held(hold, f"The file catalogue {catalog} cannot be reached")
    placement = place(
        files, found.known, grid=grid, scope=scope, on_disk=found.on_disk, remote_read=options.remote_read
    )
    match placement:
        case Placed():
            return placement
        case Missing(text):
            return Verdict("Failed", NO_DATA, text)
        case Nowhere(text):
            return Verdict("Failed", NO_SITES, text)
        case Unreadable(text, storage_elements):
            names = tuple(map(name_of_storage, storage_elements))
            hold = Hold(HoldReason.REPLICAS_UNAVAILABLE, text, names)
            return held(hold, f"Input data at {_listed(storage_elements)} cannot be read now")
        case StageOrder(wanted):
            lfn, storage_element = wanted[0]
            if options.stager is None:
                text = f"{lfn} is on tape at {storage_element}, and your VO has no stager that could bring it to disk"
                return held(Hold(HoldReason.NO_STAGER, text), "Input data is on tape, and there is no stager")
            more = f" and {len(wanted) - 1} more files" if len(wanted) > 1 else ""
            text = f"{lfn}{more} come from tape at {storage_element}"
            return Verdict("Staging", "Staging Input Data", text, hold=Hold(HoldReason.STAGING, text), stage=placement)


def _candidates(case: Case, grid: Grid, sites: Sequence[str] | None, resolved: Resolved) -> Verdict | None:
    """The verdict on jobs that have no site left, or none that takes work now."""
    if sites is None:
        return None
    if not sites:
        return Verdict("Failed", NO_SITES, "No site is left that it may run at")
    left = [site for site in sites if site not in case.overrides.sites]
    if not left:
        return Verdict("Failed", NO_SITES, "It has failed at every site that it may run at")
    closed = {site: reason for site in left if (reason := grid.closed(site)) is not None}
    if len(closed) < len(left) or resolved.job_type == _TYPE_OF_CLOSED_SITES:
        return None
    text = "No site takes work now that it may run at: " + "; ".join(list(closed.values())[:SITES_NAMED_MAX])
    minor = f"{left[0]} takes no work now" if len(left) == 1 else f"{_listed(left)} take no work now"
    return held(Hold(HoldReason.CLOSED_SITE, text, tuple(map(name_of_site, left))), minor)


def _warnings(case: Case, grid: Grid, unknown: Sequence[str], resolved: Resolved) -> Iterator[str]:
    """What the owner should know of jobs that wait all the same."""
    for site in resolved.sites or ():
        if site in unknown:
            yield f"Site {site} is not known: it is not used"
        elif (reason := grid.closed(site)) is not None:
            yield f"Site {site} takes no work now: {reason}"
    if case.description.job_path:
        yield "JobPath is ignored: the checks are those of the installation and its extensions"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - SITES_NAMED_MAX} more" if len(names) > SITES_NAMED_MAX else ""
    return ", ".join(names[:SITES_NAMED_MAX]) + more
