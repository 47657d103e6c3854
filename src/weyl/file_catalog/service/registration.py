"""Registration of files: what it would do, and doing it, in one transaction and a fixed number of statements."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from weyl.config.lfns import name_of, parent_of, storage_path
from weyl.config.models import Config
from weyl.file_catalog.checksums import Checksums
from weyl.file_catalog.errors import RegistrationRefused
from weyl.file_catalog.fields import AppliesTo, BadValue, Typed, values_of
from weyl.file_catalog.models.files import Code, Failure, Outcome
from weyl.file_catalog.modes import READ, allows_in
from weyl.file_catalog.names import SHOWN, Space, bad_name
from weyl.file_catalog.permits import Member
from weyl.file_catalog.queries import registration as queries
from weyl.file_catalog.queries.fields import select_fields
from weyl.file_catalog.queries.places import Names, Places, take_back
from weyl.file_catalog.queries.registration import Known, NewCopy, NewRow, Signature, Storing
from weyl.file_catalog.registrations import (
    Examined,
    JobRun,
    NewFile,
    Same,
    Terms,
    difference,
    guid_of,
    in_circles,
    pfn_of,
    sift,
)
from weyl.file_catalog.service.metadata import put_values
from weyl.file_catalog.service.places import BUSY, Making, find_places, make_directories, refusal, with_names
from weyl.kit.db import Tx

TRIES_MAX = 3


@dataclass(frozen=True, slots=True)
class Run:
    """Who registers what, on which terms."""

    member: Member
    space: Space
    terms: Terms
    config: Config
    is_trial: bool = False
    """Nothing is written, and nobody knows yet where new files will lie."""

    def serves(self) -> Callable[[str], bool]:
        """Return what tells whether the VO may use a storage element."""
        elements = self.config.resources.storage_elements
        return frozenset(se for se, element in elements.items() if element.serves(self.member.vo)).__contains__


@dataclass(slots=True)
class Plan:
    """What is to be done with each file of a call."""

    places: Places
    known: dict[str, Known]
    directories: dict[str, bool]
    """Names that are directories, and whether these were removed."""
    new: dict[str, NewFile] = field(default_factory=dict)
    more: dict[str, NewFile] = field(default_factory=dict)
    """Files that are registered, and get a replica."""
    failed: dict[str, Failure] = field(default_factory=dict)
    same: dict[str, Known] = field(default_factory=dict)
    values: dict[str, Typed] = field(default_factory=dict)
    """Metadata of new files."""
    refused: dict[str, Failure | None] = field(default_factory=dict)
    """Why the caller may not write in a directory, of each that files are to lie in."""
    blocked: dict[str, Failure | None] = field(default_factory=dict)
    """Why there can be no new files in a directory."""


async def examine(tx: Tx, member: Member, files: Sequence[NewFile], *, config: Config, job: JobRun | None) -> Examined:
    """Return what registration would do with each file; writes nothing.

    Storage paths are those by convention: whether they are free, `paths_taken` tells.
    """
    run = Run(member, Space.of(config, member), Terms(job=job), config, is_trial=True)
    sifted = sift(files, run.space, run.serves())
    if not sifted.good:
        return Examined(failed=sifted.failed)
    plan = await _plan(tx, run, sifted.good)
    same = {**plan.same, **{lfn: plan.known[lfn] for lfn in plan.more}}
    return Examined(
        {lfn: _by_convention(plan.places, lfn) for lfn in plan.new},
        {
            lfn: Same(row.file_id, storage_path(row.stored_at, name_of(lfn), None), frozenset(row.ses or ()))
            for lfn, row in same.items()
        },
        {**sifted.failed, **plan.failed},
    )


async def register(
    tx: Tx,
    member: Member,
    files: Sequence[NewFile],
    terms: Terms,
    *,
    config: Config,
    now: datetime,
) -> Outcome:
    """Register files with their replicas, metadata and ancestors.

    A file that is registered with equal content is a success, and gets those of the replicas that it lacks. With
    `terms.atomic`, a failure of one raises `RegistrationRefused`, and the caller's transaction must not be committed.
    For the run of a job, what earlier attempts of the job have registered goes to the trash. Places that others have
    are refused: those of files, and with `terms.written` those of uploads.
    """
    run = Run(member, Space.of(config, member), terms, config)
    sifted = sift(files, run.space, run.serves())
    outcome = Outcome(failed=dict(sifted.failed))
    left = sifted.good
    _refuse(terms, outcome)
    for _ in range(TRIES_MAX):
        if not left:
            break
        left = await _register(tx, run, left, outcome, now=now)
    for lfn in left:
        outcome.failed[lfn] = Failure(Code.BUSY, BUSY)
    _refuse(terms, outcome)
    return outcome


def _refuse(terms: Terms, outcome: Outcome) -> None:
    if terms.atomic and outcome.failed:
        raise RegistrationRefused(outcome.failed)


async def _register(
    tx: Tx, run: Run, files: Mapping[str, NewFile], outcome: Outcome, *, now: datetime
) -> dict[str, NewFile]:
    """Register what can be; returns what others have changed meanwhile, and is to be tried again."""
    plan = await _plan(tx, run, files)
    await _refuse_taken(tx, run, plan)
    outcome.failed |= plan.failed
    _refuse(run.terms, outcome)
    outcome.success |= {lfn: _shown(row.file_id, created=False) for lfn, row in plan.same.items()}
    if not plan.new and not plan.more and run.terms.job is None:
        return {}
    names = _names(run, [*plan.new.values(), *plan.more.values()])
    plan.places = await with_names(tx, run.space, plan.places, names)
    making = Making(run.space, run.member, now)
    await make_directories(tx, making, plan.places, {parent_of(lfn) for lfn in plan.new})
    signature = _signature(run, plan.places, now)
    if run.terms.job is not None:
        await queries.trash_earlier(tx, signature.vo_id, run.terms.job, author=run.member.username, now=now)
    made = await _insert(tx, plan, signature)
    held = await _hold(tx, plan, now=now)
    await _insert_copies(tx, run, plan, {**made, **held}, now=now)
    await put_values(tx, [(made[lfn], typed) for lfn, typed in plan.values.items() if lfn in made])
    outcome.success |= {lfn: _shown(file_id, created=True) for lfn, file_id in made.items()}
    outcome.success |= {lfn: _shown(file_id, created=False) for lfn, file_id in held.items()}
    done = made.keys() | held.keys()
    return {lfn: file for lfn, file in {**plan.new, **plan.more}.items() if lfn not in done}


def _shown(file_id: int, *, created: bool) -> dict[str, object]:
    return {"file_id": file_id, "created": created}


def _names(run: Run, files: Sequence[NewFile]) -> Names:
    ses = {replica.se for file in files for replica in file.replicas}
    return Names(run.member.vo, {run.member.username, run.member.group}, ses)


def _signature(run: Run, places: Places, now: datetime) -> Signature:
    assert places.vo_id is not None
    job, member = run.terms.job, run.member
    return Signature(
        places.vo_id,
        places.identities[member.username],
        places.identities[member.group],
        job.job_id if job else None,
        job.attempt if job else None,
        member.username if run.terms.verified_at is None else None,
        now,
    )


async def _plan(tx: Tx, run: Run, files: Mapping[str, NewFile]) -> Plan:
    """Say what is to be done with each file: two statements, three with metadata."""
    names = _names(run, list(files.values()))
    parents = set(map(parent_of, files))
    places = await find_places(tx, run.space, parents, names)
    plan = Plan(places, {}, {})
    levels = {level for parent in parents for level in run.space.levels(parent)}
    if places.vo_id is not None:
        asked = {*files, *(each for file in files.values() for each in file.ancestors)}
        # A file may stand where a directory would have to be.
        asked |= {level for level in levels if level not in places.directories and level.count("/") > 1}
        found = await queries.select_known(tx, run.member.vo, sorted(asked))
        plan.known, plan.directories = found.files, found.directories
    for parent in parents:
        plan.refused[parent] = refusal(run.space, places, run.member, parent)
        plan.blocked[parent] = _blocked(run, plan, parent, files)
    for lfn, file in files.items():
        _sort_in(run, plan, lfn, file)
    await _check_values(tx, run, plan)
    for lfn in in_circles({lfn: file.ancestors for lfn, file in plan.new.items() if file.ancestors}):
        plan.failed[lfn] = Failure(Code.BAD_VALUE, "Files of this call are ancestors of each other")
        del plan.new[lfn]
    _check_ancestors(run, plan)
    return plan


def _blocked(run: Run, plan: Plan, parent: str, files: Mapping[str, NewFile]) -> Failure | None:
    """Return why there can be no new files in a directory, or None."""
    if parent not in plan.places.directories and (fault := run.space.new_fault(parent)) is not None:
        return bad_name(fault, of=parent)
    levels = run.space.levels(parent)
    above = next((level for level in levels if level in plan.known or level in files), None)
    return None if above is None else Failure(Code.EXISTS, f"{above[:SHOWN]} is a file, so nothing lies below it")


async def _check_values(tx: Tx, run: Run, plan: Plan) -> None:
    """Let files fail whose metadata are not those of declared fields."""
    described = {lfn: file.metadata for lfn, file in plan.new.items() if file.metadata}
    declared = await select_fields(tx, run.member.vo) if described else {}
    for lfn, metadata in described.items():
        try:
            typed = values_of(declared, metadata, on=AppliesTo.FILE)
        except BadValue as error:
            plan.failed[lfn] = Failure(Code.BAD_VALUE, str(error))
            del plan.new[lfn]
        else:
            plan.values[lfn] = {field_id: value for field_id, value in typed.items() if value is not None}


def _sort_in(run: Run, plan: Plan, lfn: str, file: NewFile) -> None:
    """Put one file where it belongs in the plan."""
    parent = parent_of(lfn)
    if (failure := plan.refused[parent]) is not None:
        plan.failed[lfn] = failure
        return
    row, job = plan.known.get(lfn), run.terms.job
    is_replaced = row is not None and job is not None and row.job_id == job.job_id and (row.attempt or 0) < job.attempt
    if row is None or is_replaced:
        failure = plan.blocked[parent] or _new_failure(run, plan, lfn, file)
        if failure is None:
            plan.new[lfn] = file
        else:
            plan.failed[lfn] = failure
        return
    checksums = Checksums.from_row(row.adler32, row.md5, row.sha1, row.sha256)
    wrong = difference(file, size=row.size, checksums=checksums, guid=row.guid)
    if wrong is not None:
        plan.failed[lfn] = Failure(Code.CONFLICT, f"A file of this name is registered and differs: {wrong}")
    elif {replica.se for replica in file.replicas} <= set(row.ses or ()):
        plan.same[lfn] = row
    else:
        plan.more[lfn] = file


def _new_failure(run: Run, plan: Plan, lfn: str, file: NewFile) -> Failure | None:
    """Return why there cannot be a new file of this name, or None."""
    if (fault := run.space.new_name_fault(lfn)) is not None:
        return bad_name(fault)
    if plan.directories.get(lfn) is False:
        return Failure(Code.EXISTS, "A directory has this name")
    # Uploads are examined before anybody knows where their files will be.
    return None if file.replicas or run.is_trial else _NOWHERE


_NOWHERE = Failure(Code.NOT_FOUND, "The file is not registered, and no replica of it is named")


def _check_ancestors(run: Run, plan: Plan) -> None:
    """Let files fail whose ancestors do not exist or may not be read; a job's inputs may have gone meanwhile.

    Which of the two it is nobody is told, who could find out names in other people's directories otherwise.
    """
    if run.terms.job is not None:
        return
    for lfn, file in [(lfn, file) for lfn, file in plan.new.items() if file.ancestors]:
        missing = next(
            (each for each in file.ancestors if each not in plan.new and not _may_read(run, plan, each)), None
        )
        if missing is not None:
            text = f"The ancestor {missing[:SHOWN]} does not exist, or you may not read it"
            plan.failed[lfn] = Failure(Code.NOT_FOUND, text)
            del plan.new[lfn]


def _may_read(run: Run, plan: Plan, lfn: str) -> bool:
    row = plan.known.get(lfn)
    return row is not None and allows_in(run.space.rule, row.directory_rights, run.member, READ, file=row.rights)


def _by_convention(places: Places, lfn: str) -> str:
    parent, _, name = lfn.rpartition("/")
    directory = places.directories.get(parent)
    return lfn if directory is None or directory.stored_at == parent else storage_path(directory.stored_at, name, None)


async def _refuse_taken(tx: Tx, run: Run, plan: Plan) -> None:
    """Let files fail that would lie where another file lies: purging one would take the other's bytes."""
    asked: dict[tuple[str, str], str] = {}
    twice: set[str] = set()
    for lfn, file in (plan.new | plan.more).items():
        held = (plan.known[lfn].ses or ()) if lfn in plan.more else ()
        convention = _by_convention(plan.places, lfn)
        for se, pfn in file.replicas:
            if se in held:
                continue
            place = (se, pfn or convention)
            if asked.setdefault(place, lfn) != lfn:
                twice.add(lfn)
    # Uploads first: one that ends in between is seen as a file.
    written = await run.terms.written(tx, list(asked)) if asked and run.terms.written is not None else set()
    storing = [Storing(se, path, path == lfn) for (se, path), lfn in asked.items()]
    found = await queries.select_taken(tx, storing, vo=run.member.vo) if storing else set()
    reasons = {asked[place]: f"An upload may be writing {place[1][:SHOWN]} at {place[0]}" for place in written}
    for se, path in found:
        reasons[asked[se, path]] = f"{path[:SHOWN]} at {se} belongs to another file, perhaps one in the trash"
    reasons |= dict.fromkeys(twice - reasons.keys(), "Another file of the call lies there too")
    for lfn, reason in reasons.items():
        plan.failed[lfn] = Failure(Code.CONFLICT, reason)
        plan.new.pop(lfn, None)
        plan.more.pop(lfn, None)


async def _insert(tx: Tx, plan: Plan, signature: Signature) -> dict[str, int]:
    """Insert the new files; returns the ids of those that were."""
    if not plan.new:
        return {}
    rows, paths = [], {}
    for lfn, file in plan.new.items():
        parent, _, name = lfn.rpartition("/")
        directory = plan.places.directories[parent]
        paths[directory.dir_id] = directory.path
        rows.append(NewRow(directory.dir_id, name, file.size, *file.checksums.as_row(), guid_of(file.guid)))
    made = await queries.insert_files(tx, signature, rows)
    if removed := {paths[row.dir_id] for row in made if row.is_trashed}:
        await take_back(tx, plan.places.directories, removed)
    return {f"{paths[row.dir_id]}/{row.name}": row.file_id for row in made}


async def _hold(tx: Tx, plan: Plan, *, now: datetime) -> dict[str, int]:
    if not plan.more or plan.places.vo_id is None:
        return {}
    ids = {plan.known[lfn].file_id: lfn for lfn in plan.more}
    held = await queries.hold_files(tx, plan.places.vo_id, sorted(ids), now=now)
    return {ids[file_id]: file_id for file_id in held}


async def _insert_copies(tx: Tx, run: Run, plan: Plan, file_ids: Mapping[str, int], *, now: datetime) -> None:
    copies: list[NewCopy] = []
    edges: list[tuple[int, int]] = []
    for lfn, file_id in file_ids.items():
        file = plan.new.get(lfn) or plan.more[lfn]
        for replica in file.replicas:
            pfn = None
            if replica.pfn is not None:
                pfn = pfn_of(replica, directory=_stored_at(plan, lfn), name=name_of(lfn))
            copies.append(NewCopy(file_id, plan.places.ses[replica.se], pfn))
        if file.ancestors and lfn in plan.new:
            edges += [(file_id, found) for each in file.ancestors if (found := _ancestor(plan, file_ids, each))]
    if copies or edges:
        are_new = file_ids.keys().isdisjoint(plan.more)
        await queries.insert_copies(tx, copies, edges, verified_at=run.terms.verified_at, now=now, are_new=are_new)


def _stored_at(plan: Plan, lfn: str) -> str:
    if (row := plan.known.get(lfn)) is not None and lfn in plan.more:
        return row.stored_at
    return plan.places.directories[parent_of(lfn)].stored_at


def _ancestor(plan: Plan, file_ids: Mapping[str, int], lfn: str) -> int | None:
    if (row := plan.known.get(lfn)) is not None and lfn not in plan.new:
        return row.file_id
    return file_ids.get(lfn)
