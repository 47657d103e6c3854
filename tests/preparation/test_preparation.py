"""Input data and sites before a job waits: each outcome, mixtures in a batch, and one question for all files."""

import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from tests.preparation.grids import ALPHA, BETA, PLAIN, STATIC, Recording, grid

from weyl.config.models import Config
from weyl.jobs.ranges import to_ranges
from weyl.jobs.tables import job_parameters, jobs
from weyl.kit.clock import utcnow
from weyl.kit.db import Database
from weyl.preparation.additions import PreparationRules
from weyl.preparation.service.checks import check_jobs
from weyl.task_queues.tables import queue, requirement_class

Flow = Callable[..., Awaitable[list[int]]]
WAITING, FAILED, CHECKING = "Waiting", "Failed", "Checking"
NO_DATA, NO_SITES, BAD = "Input Data Not Available", "No candidate sites available", "Illegal Job JDL"
FULL = {"ALPHA-DISK": "disks are being replaced"}


def data(*names: str, more: str = "") -> str:
    """Return a description with input data."""
    listed = ", ".join(f'"{name}"' for name in names)
    return f"{PLAIN} InputData = {{{listed}}}; {more}"


async def _check(db: Database, job_ids: list[int], config: Config, rules: PreparationRules = STATIC) -> None:
    await check_jobs(db, to_ranges(sorted(job_ids)), config=config, now=utcnow(), rules=rules)


async def _outcomes(db: Database) -> dict[int, tuple[str, str, str]]:
    columns = (jobs.c.job_id, jobs.c.status, jobs.c.minor_status, jobs.c.application_status)
    async with db.read() as tx:
        return {row[0]: tuple(row[1:]) for row in await tx.execute(sa.select(*columns))}


async def _sites(db: Database, field: str = "sites") -> dict[int, Any]:
    wanted = sa.select(queue.c.job_id, requirement_class.c.document).join(
        requirement_class, requirement_class.c.class_id == queue.c.class_id
    )
    async with db.read() as tx:
        return {row.job_id: row.document.get(field) for row in await tx.execute(wanted)}


OUTCOMES = [
    (data("/voa/alpha"), WAITING, "", [ALPHA]),
    (data("LFN:/voa/both"), WAITING, "", [ALPHA, BETA]),
    (data("/voa/both", "/voa/beta"), WAITING, "", [BETA]),
    (data("/voa/both", more=f'Site = {{"{BETA}", "LCG.Gone.org"}};'), WAITING, "", [BETA]),
    (data("/voa/both", more=f'BannedSites = "{BETA}";'), WAITING, "", [ALPHA]),
    (data("/voa/both", "/voa/tape", more='TransformationID = "12";'), WAITING, "", None),
    (PLAIN, WAITING, "", None),
    (PLAIN + 'InputSandbox = {"a.sh", "LFN:/voa/alpha"};', WAITING, "", None),
    (data("/voa/none"), FAILED, NO_DATA, "/voa/none: no such file"),
    (data("/voa/alpha", "/voa/beta"), FAILED, NO_SITES, f"/voa/alpha is at {ALPHA}, /voa/beta at {BETA}"),
    (data("/voa/alpha", more=f'Site = "{BETA}";'), FAILED, NO_SITES, "where the job may not run"),
    (data("/vob/alpha"), FAILED, BAD, "no file of your VO"),
    (data("/voa//alpha"), FAILED, BAD, "has // in it"),
    (data("/voa/a/../alpha"), FAILED, BAD, "has . or .. as a directory"),
    (data("alpha"), FAILED, BAD, "does not begin with /"),
    (data("/voa/tape"), CHECKING, "On Hold: Input data is on tape, and there is no stager", "/voa/tape is on tape"),
]


async def test_each_job_of_a_mixture_gets_its_own_outcome(db: Database, submitted: Flow) -> None:
    job_ids = await submitted(*(text for text, *_ in OUTCOMES))
    with db.count_statements() as count:
        await _check(db, job_ids, grid())
    assert len(count) < 50
    found, sites = await _outcomes(db), await _sites(db)
    for job_id, (text, status, minor, told) in zip(job_ids, OUTCOMES, strict=True):
        assert found[job_id][0] == status, (text, found[job_id])
        if status == WAITING:
            assert sites[job_id] == told, text
        else:
            assert found[job_id][1] == minor, text
            assert told in found[job_id][2], text
    await _check(db, job_ids, grid())
    assert await _outcomes(db) == found


async def test_files_that_cannot_be_read_now_hold_the_job_unless_another_copy_can(
    db: Database, submitted: Flow
) -> None:
    held, other = await submitted(data("/voa/alpha"), data("/voa/both"))
    await _check(db, [held, other], grid(banned=FULL))
    found = await _outcomes(db)
    assert found[held][:2] == (CHECKING, "On Hold: Input data at ALPHA-DISK cannot be read now")
    assert found[held][2] == "/voa/alpha cannot be read now: ALPHA-DISK: disks are being replaced"
    assert (await _sites(db)) == {other: [BETA]}


async def test_where_files_may_be_read_from_afar_new_sites_need_no_preparation(db: Database, submitted: Flow) -> None:
    job_ids = await submitted(data("/voa/alpha", "/voa/beta"), data("/voa/alpha", more=f'Site = "{BETA}";'))
    await _check(db, job_ids, grid(RemoteRead=True))
    assert await _sites(db) == {job_ids[0]: None, job_ids[1]: [BETA]}
    assert await _sites(db, "local_data") == {job_ids[0]: None, job_ids[1]: None}


@pytest.mark.parametrize("is_read_from_afar", [False, True])
async def test_classes_tell_where_all_data_are_on_disk(db: Database, submitted: Flow, is_read_from_afar: bool) -> None:
    texts = [data("/voa/alpha"), data("/voa/both"), data("/voa/both", more=f'Site = "{BETA}";'), PLAIN]
    texts.append(PLAIN + 'InputSandbox = {"LFN:/voa/alpha"};')
    job_ids = await submitted(*texts)
    await _check(db, job_ids, grid(RemoteRead=is_read_from_afar))
    found = await _sites(db, "local_data")
    assert [found[job_id] for job_id in job_ids] == [[ALPHA], [ALPHA, BETA], [BETA], None, None]


async def test_a_vo_that_does_not_look_at_where_data_are_has_fewer_classes(db: Database, submitted: Flow) -> None:
    job_ids = await submitted(data("/voa/alpha"), data("/voa/both"), PLAIN)
    await _check(db, job_ids, grid(RemoteRead=True, matching={"LocalDataFirst": False}))
    assert set((await _sites(db, "local_data")).values()) == {None}
    async with db.read() as tx:
        assert await tx.scalar(sa.select(sa.func.count()).select_from(requirement_class)) == 1


@pytest.mark.parametrize(("job_type", "status"), [("User", FAILED), ("Hospital", WAITING)])
async def test_only_jobs_of_users_have_a_limit_of_files(
    db: Database, submitted: Flow, job_type: str, status: str
) -> None:
    text = f'JobType = "{job_type}"; Parameters = {{"/voa/many/1"}}; InputData = {{"%s", "/voa/beta", "/voa/both"}};'
    [job_id] = await submitted(PLAIN + text)
    document = grid().model_dump(by_alias=True)
    document["Operations"]["voa"]["JobDescription"]["MaxInputData"] = 2
    await _check(db, [job_id], Config.model_validate(document))
    assert (await _outcomes(db))[job_id][0] == status


async def test_a_batch_asks_once_for_all_its_files_and_holds_no_transaction_meanwhile(
    db: Database, submitted: Flow
) -> None:
    seen = []

    async def look() -> None:
        async with db.read() as tx:
            state = (
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND xact_start IS NOT NULL"
            )
            seen.append(await tx.scalar(sa.text(state + " AND pid <> pg_backend_pid()")))

    catalog = Recording(look)
    texts = [data("/voa/alpha"), data("/voa/both", "/voa/alpha"), data("/voa/both"), PLAIN]
    job_ids = await submitted(*texts, *texts)
    await _check(db, job_ids, grid(), PreparationRules(catalogs={"static": catalog}))
    assert catalog.questions == [("voa", ["/voa/alpha", "/voa/both"])]
    assert seen == [0]
    assert {status for status, *_ in (await _outcomes(db)).values()} == {WAITING}


async def test_jobs_that_were_moved_while_the_catalogue_was_asked_are_left_alone(db: Database, submitted: Flow) -> None:
    killed, changed, other = await submitted(*[data("/voa/alpha")] * 3)

    async def move() -> None:
        async with db.transaction() as tx:
            await tx.execute(sa.update(jobs).where(jobs.c.job_id == killed).values(status="Killed"))
            raised = {"memory": 1.5}
            await tx.execute(sa.update(jobs).where(jobs.c.job_id == changed).values(overrides=raised))

    rules = PreparationRules(catalogs={"static": Recording(move)})
    await _check(db, [killed, changed, other], grid(), rules)
    found = await _outcomes(db)
    assert [found[job_id][0] for job_id in (killed, changed, other)] == ["Killed", "Received", WAITING]
    assert list(await _sites(db)) == [other]
    await _check(db, [killed, changed, other], grid())
    assert (await _outcomes(db))[changed][0] == WAITING


async def test_what_is_odd_about_a_job_that_waits_is_told_among_its_parameters(db: Database, submitted: Flow) -> None:
    text = f'Site = {{"{ALPHA}", "{BETA}", "LCG.Gone.org"}}; JobPath = "Mine";'
    job_ids = await submitted(PLAIN + text, PLAIN)
    document = grid().model_dump(by_alias=True)
    document["Resources"]["Sites"][BETA]["Status"] = {"Status": "Banned", "Reason": "flood"}
    await _check(db, job_ids, Config.model_validate(document))
    assert await _sites(db) == {job_ids[0]: [ALPHA, BETA, "LCG.Gone.org"], job_ids[1]: None}
    async with db.read() as tx:
        [found] = (await tx.execute(sa.select(job_parameters))).mappings()
    assert (found["job_id"], found["name"]) == (job_ids[0], "SchedulingWarnings")
    assert found["value"].splitlines() == [
        f"Site {BETA} takes no work now: {BETA}: flood",
        "Site LCG.Gone.org is not known: it is not used",
        "JobPath is ignored: the checks are those of the installation and its extensions",
    ]


@pytest.mark.parametrize("text", [data("/voa/alpha"), PLAIN + 'InputSandbox = {"a.sh", "LFN:/voa/alpha"};'])
async def test_without_a_catalogue_a_job_with_files_fails(db: Database, submitted: Flow, text: str) -> None:
    [job_id] = await submitted(text)
    await _check(db, [job_id], grid(Catalog=None))
    told = "/voa/alpha: your VO has no file catalogue that could say where the file is"
    assert (await _outcomes(db))[job_id] == (FAILED, NO_DATA, told)


async def test_a_catalogue_that_is_not_installed_holds_the_job(db: Database, submitted: Flow) -> None:
    [job_id] = await submitted(data("/voa/alpha"))
    await _check(db, [job_id], grid(Catalog="statik"))
    assert (await _outcomes(db))[job_id] == (
        CHECKING,
        "On Hold: The file catalogue statik cannot be reached",
        "The file catalogue statik cannot be reached: no such catalogue is installed; there are static",
    )


@pytest.mark.parametrize("files", ["/voa/beta", "/voa/many/%n"])
async def test_ten_thousand_jobs_with_input_data_take_few_statements(
    db: Database, submitted: Flow, files: str, record_property: Any
) -> None:
    job_ids = await submitted(PLAIN + f'InputData = "{files}"; Parameters = 10000;')
    began = time.perf_counter()
    with db.count_statements() as count:
        await _check(db, job_ids, grid())
    record_property("seconds", time.perf_counter() - began)
    print(f"{files}: {time.perf_counter() - began:.2f} s, {len(count)} statements")
    assert len(count) < 50
    assert {status for status, *_ in (await _outcomes(db)).values()} == {WAITING}
    assert len({tuple(sites) for sites in (await _sites(db)).values()}) == 1


async def test_files_are_looked_for_again_when_a_job_runs_again(db: Database, submitted: Flow) -> None:
    """A hold that is over is no hold: what the last check knew is not kept."""
    [job_id] = await submitted(data("/voa/alpha"))
    await _check(db, [job_id], grid(banned=FULL))
    later = utcnow() + timedelta(seconds=601)
    await check_jobs(db, [[job_id, job_id]], config=grid(), now=later, rules=STATIC)
    assert await _sites(db) == {job_id: [ALPHA]}
