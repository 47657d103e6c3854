"""Extensions: what each field does at the door, and what keeps the server from starting."""

import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi import APIRouter, Response
from tests.infra.app import Application, Installation, config_document, running_application

from weyl.accounting.room import ROOM as ACCOUNTING
from weyl.activation import activate, problems
from weyl.app import create_app
from weyl.auth.service.authority import AUTHORITY
from weyl.builtin import BUILTIN
from weyl.config.models import with_sections
from weyl.config.routes import CurrentConfig
from weyl.config.section import Section
from weyl.demo.seaweedfs import RunningStore
from weyl.descriptions.attributes import JobAttribute
from weyl.extension import EXTENSION, Asked, Extension, ExtensionConflict
from weyl.jobs.additions import Candidate, Submitting
from weyl.kit.db import DATABASE, Database
from weyl.kit.errors import Forbidden
from weyl.kit.http import CurrentActor, CurrentUser, json_response
from weyl.kit.services import HeldTwice, Services
from weyl.kit.task import BoundTask, Task
from weyl.matcher.service.matcher import MATCHER
from weyl.migrations import migrate, revisions
from weyl.settings import SETTINGS, Settings
from weyl.worker import bound_tasks

PLAIN = 'Executable = "/bin/true";'
SERIES = 'Executable = "/bin/true"; Parameters = {"MC26", "MC25"}; Campaign = "%s";'
OTHER = Extension(name="other")

router = APIRouter(prefix="/api/example", tags=["example"])


class Example(Section):
    """Section of the example."""

    greeting: str = "hello"
    runs_max: int = 5


@router.get("/greeting", operation_id="example_greeting")
async def greet(user: CurrentUser, config: CurrentConfig) -> Response:
    """Greet."""
    return json_response(config.section(Example).greeting)


async def kind_sites(actor: CurrentActor) -> Response:
    """Answer in the place of the sites' status."""
    return json_response({"Everywhere": {"all": {"allowed": True, "warnings": []}}})


async def open_sites() -> Response:
    """Answer to anybody."""
    return json_response({})


def campaign(value: object) -> str:
    if not isinstance(value, str) or not value.upper().startswith("MC"):
        raise ValueError("must begin with MC")
    return value.upper()


async def only_26(candidates: Sequence[Candidate], submitting: Submitting) -> dict[int, str]:
    assert await submitting.tx.scalar(sa.text("SELECT 1")) == 1
    return {
        each.index: f"{submitting.vo} has no campaign {form['Campaign']}"
        for each in candidates
        for form in each.forms("Campaign")
        if form.get("Campaign") == "MC25"
    }


def no_other_dates(asked: Asked) -> None:
    if asked.user.preferred_username == "bob":
        raise Forbidden(f"Not you: {asked.operation_id} {dict(asked.path)} {asked.query.get('x')}")


async def no_carol(asked: Asked) -> bool:
    if asked.user.preferred_username == "carol":
        raise Forbidden("Not carol")
    return False


EXAMPLE = Extension(
    name="example",
    sections={"example": Example},
    properties=["Greeter"],
    routers=[router],
    replaces={"rss_get_site_status": kind_sites},
    policies={"jobs_get_jdl": no_other_dates, "config_serve_config": no_carol, "example_greeting": no_carol},
    job_attributes={"Campaign": JobAttribute(campaign, "The campaign.")},
    submission_checks={"example": only_26},
)


@pytest.fixture
async def served(
    database_url: str, installation: Installation, object_store: RunningStore
) -> AsyncIterator[Application]:
    async with running_application(
        installation, database_url, object_store, extensions=[BUILTIN, EXAMPLE]
    ) as application:
        yield application


async def _submit(served: Application, *texts: str, user: str = "alice") -> Any:
    return await served.client.post("/api/jobs/jdl", json=list(texts), headers=served.login(user))


async def test_a_section_of_the_configuration_has_its_defaults(served: Application) -> None:
    answer = await served.client.get("/api/example/greeting", headers=served.login())
    assert (answer.status_code, answer.json()) == (200, "hello")
    document = (await served.client.get("/api/config/", headers=served.login())).json()
    assert document["Extensions"] == {"example": {"Greeting": "hello", "RunsMax": 5}}


async def test_what_the_configuration_says_reaches_the_route(
    tmp_path: Any, database_url: str, object_store: RunningStore
) -> None:
    own = Installation.create(tmp_path)
    own.commit_config({**config_document(), "Extensions": {"example": {"Greeting": "salut"}}}, "Greet")
    async with running_application(own, database_url, object_store, extensions=[BUILTIN, EXAMPLE]) as served:
        assert (await served.client.get("/api/example/greeting", headers=served.login())).json() == "salut"


async def test_a_property_can_be_asked_for_and_is_published(served: Application) -> None:
    document = (await served.client.get("/.well-known/openid-configuration")).json()
    assert "property:Greeter" in document["scopes_supported"]
    assert served.services[AUTHORITY].scope("vo:voa group:user property:Greeter").asked == {"Greeter"}


async def test_a_replaced_route_answers_under_the_same_name(served: Application) -> None:
    answer = await served.client.get("/api/rss/site", headers=served.login())
    assert list(answer.json()) == ["Everywhere"]
    assert (await served.client.get("/api/rss/site")).status_code == 401
    replaced, original = (
        create_app(Settings(), activate(extensions)).openapi()["paths"]["/api/rss/site"]["get"]
        for extensions in ([BUILTIN, EXAMPLE], [BUILTIN])
    )
    assert replaced["operationId"] == original["operationId"]
    assert replaced["responses"] == original["responses"]
    # What another application of the same process serves is not touched.
    assert create_app(Settings(), activate([BUILTIN])).openapi()["paths"]["/api/rss/site"]["get"] == original


async def test_a_policy_refuses_before_anything_else(served: Application) -> None:
    refused = await served.client.get("/api/jobs/7/jdl", params={"x": "y"}, headers=served.login("bob"))
    assert (refused.status_code, refused.json()["detail"]) == (403, "Not you: jobs_get_jdl {'job_id': '7'} y")
    judged = await served.client.get("/api/jobs/7/jdl", headers=served.login("alice"))
    assert "Not you" not in judged.text
    assert (await served.client.get("/api/jobs/7/jdl")).status_code == 401


@pytest.mark.parametrize("path", ["/api/config/", "/api/config", "/api/example/greeting"])
async def test_a_policy_stands_at_every_door_of_its_operation(served: Application, path: str) -> None:
    assert (await served.client.get(path, headers=served.login("carol"))).status_code == 403
    assert (await served.client.get(path, headers=served.login("alice"))).status_code == 200


async def test_an_attribute_is_checked_kept_and_shown(served: Application) -> None:
    answer = await _submit(served, PLAIN, 'Executable = "/bin/true"; campaign = "x";')
    assert answer.status_code == 400
    assert answer.json() == {
        "index": 1,
        "attribute": "Campaign",
        "reason": "must begin with MC",
        "detail": "Job 1: Campaign: must begin with MC",
    }
    [job] = (await _submit(served, 'Executable = "/bin/true"; CAMPAIGN = "mc26";')).json()
    path = f"/api/jobs/{job['JobID']}/parameters"
    shown = await served.client.get(path, headers=served.login())
    assert shown.json() == {"Campaign": "MC26"}


async def test_attributes_of_parametric_jobs_are_each_jobs_own(served: Application) -> None:
    accepted = await _submit(served, SERIES.replace("MC25", "mc24"))
    assert accepted.status_code == 201
    second = f"/api/jobs/{accepted.json()[1]['JobID']}/parameters"
    assert (await served.client.get(second, headers=served.login())).json()["Campaign"] == "MC24"
    refused = await _submit(served, SERIES.replace("MC25", "xx"))
    assert refused.json()["detail"] == "Job 0: Campaign: must begin with MC"


async def test_a_job_without_the_attribute_shows_none(served: Application) -> None:
    [job] = (await _submit(served, PLAIN)).json()
    shown = await served.client.get(f"/api/jobs/{job['JobID']}/parameters", headers=served.login())
    assert shown.json() == {}


@pytest.mark.parametrize(
    ("texts", "index"), [([PLAIN, PLAIN, 'Executable = "a"; Campaign = "MC25";'], 2), ([SERIES], 0)]
)
async def test_a_refused_job_is_named_and_nothing_is_stored(served: Application, texts: list[str], index: int) -> None:
    answer = await _submit(served, *texts)
    assert answer.status_code == 400
    assert answer.json() == {
        "index": index,
        "reason": "voa has no campaign MC25",
        "extension": "example",
        "detail": f"Job {index}: voa has no campaign MC25",
    }
    found = await served.client.post("/api/jobs/search", json={}, headers=served.login())
    assert found.json() == []


def _refused(*extensions: Extension) -> str:
    with pytest.raises(ExtensionConflict) as caught:
        activate([BUILTIN, *extensions])
    return str(caught.value)


ATTRIBUTE = JobAttribute(campaign, "The campaign.")
TABLE = sa.Table("notes_of_other", sa.MetaData(), sa.Column("id", sa.Integer))


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"replaces": {"rss_get_site_statu": kind_sites}}, "did you mean rss_get_site_status?"),
        ({"replaces": {"rss_get_site_status": open_sites}}, "does not ask who calls"),
        ({"policies": {"jobs_fly": no_carol}}, "other has a policy for jobs_fly, which is no operation"),
        ({"policies": {".well-known_get_jwks": no_carol}}, "which anybody may call"),
        ({"job_attributes": {"priority": ATTRIBUTE}}, "priority means something in job descriptions already"),
        ({"job_attributes": {"userpriority": ATTRIBUTE}}, "userpriority means something"),
        ({"job_attributes": {"a b": ATTRIBUTE}}, "'a b' is not a name for an attribute"),
        ({"sections": {"other": dict}}, "the model of section other must be a subclass"),
        ({"sections": {"A b": Example}}, "'A b' cannot name a section"),
        (
            {"tables": [TABLE], "migrations": {"other": "x:y"}},
            "the name of table notes_of_other must start with other_",
        ),
        ({"tables": [TABLE]}, "no migrations that create them"),
        ({"migrations": {"mine": "x:y"}}, "its migrations must be called other, or other_ and more, not 'mine'"),
        ({"assets": {"a/b": "x:y"}}, "'a/b' cannot name a path of files"),
        ({"migrations": "x:y"}, "other: migrations must be a mapping, not 'x:y'"),
        ({"tasks": print}, "other: tasks must be a list, not <built-in function print>"),
        ({"compute_elements": {"local": object}}, "driver local of computing elements is claimed by weyl and by other"),
        ({"name": "No name"}, "is not a name for an extension"),
    ],
)
def test_what_cannot_work_stops_the_start_with_a_sentence(fields: dict[str, Any], sentence: str) -> None:
    assert sentence in _refused(Extension(**{"name": "other"} | fields))


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({"replaces": {"rss_get_site_status": kind_sites}}, "The replacement of operation rss_get_site_status"),
        ({"job_attributes": {"CAMPAIGN": ATTRIBUTE}}, "The attribute CAMPAIGN of jobs"),
        ({"routers": [router]}, "The operation example_greeting"),
    ],
)
def test_two_that_claim_one_thing_are_both_named(fields: dict[str, Any], what: str) -> None:
    told = _refused(EXAMPLE, Extension(**{"name": "other"} | fields))
    assert f"{what} is claimed by example and by other" in told


def test_a_route_of_ours_is_not_shadowed_silently() -> None:
    shadow = APIRouter()
    shadow.get("/api/jobs/{number}/jdl", operation_id="shadow")(kind_sites)
    assert "The route GET /api/jobs/{}/jdl is claimed by weyl and by other" in _refused(
        Extension(name="other", routers=[shadow])
    )


def test_two_of_one_name_are_refused() -> None:
    assert "Two extensions are called other" in _refused(OTHER, OTHER)


def test_everything_that_is_wrong_is_told_at_once() -> None:
    wrong = Extension(name="other", policies={"a": no_carol, "b": no_carol})
    assert len(problems([BUILTIN, wrong])) == 2


def test_what_is_shared_is_merged() -> None:
    merged = activate([BUILTIN, EXAMPLE, Extension(name="other", properties=["Greeter", "Parter"])])
    assert {"Greeter", "Parter", "NormalUser"} < set(merged.properties)
    assert {"local", "slurm"} < set(merged.compute_elements)
    config = with_sections(merged.sections)(DIRAC={}, Registry={})
    assert json.loads(config.model_dump_json(by_alias=True))["Extensions"]


async def test_a_key_belongs_to_one(database_url: str, installation: Installation, object_store: RunningStore) -> None:
    other = Extension(name="other", serving=[lambda services: services.hold(MATCHER, services[MATCHER])])
    with pytest.raises(
        HeldTwice, match=rf"the matcher is provided by weyl.matcher.room and {__name__}; only one of them"
    ):
        async with running_application(installation, database_url, object_store, extensions=[BUILTIN, other]):
            pass


def test_a_task_belongs_to_one() -> None:
    async def nothing(_: object) -> None: ...

    def tasks(_: Services) -> list[BoundTask]:
        return [Task("accounting.fold").bind(nothing)]

    services = Services()
    services.hold(EXTENSION, Extension(name="all", tasks=[tasks, ACCOUNTING.tasks[0]]))
    services.hold(DATABASE, SimpleNamespace())  # type: ignore[arg-type]
    services.hold(SETTINGS, Settings())
    with pytest.raises(ExtensionConflict, match=rf"The task accounting.fold is claimed by {__name__} and by weyl"):
        bound_tasks(services)


REVISION = '''"""Notes."""

import sqlalchemy as sa
from alembic import op

revision = "example_1"
down_revision = None
branch_labels = None
depends_on = None


def upgrade():
    op.create_table("example_notes", sa.Column("note_id", sa.BigInteger, primary_key=True))


def downgrade():
    op.drop_table("example_notes")
'''


async def _tables(db: Database) -> set[str]:
    async with db.read() as tx:
        return set(await tx.run_sync(lambda connection: sa.inspect(connection).get_table_names()))


async def test_tables_of_an_extension_are_migrated_in_a_line_of_their_own(db: Database, tmp_path: Path) -> None:
    (tmp_path / "0001_notes.py").write_text(REVISION)
    branch = ("example", str(tmp_path))
    assert await migrate.branches_behind(db, dict([branch])) == ["example"]
    await migrate.upgrade(db, branches=dict([branch]))
    assert await migrate.branches_behind(db, dict([branch])) == []
    assert {"example_notes", "alembic_version_example"} <= await _tables(db)
    # The package is gone: weyl's own migrations do not notice.
    await migrate.upgrade(db)
    assert await revisions.current_revision(db) == revisions.needed_revision()
    await migrate.downgrade(db, "base", branch=branch)
    assert "example_notes" not in await _tables(db)


async def test_a_server_whose_extension_lacks_its_tables_is_not_ready(
    database_url: str, installation: Installation, object_store: RunningStore, tmp_path: Path
) -> None:
    (tmp_path / "0001_notes.py").write_text(REVISION)
    other = Extension(name="other", migrations={"other": str(tmp_path)})
    async with running_application(
        installation, database_url, object_store, extensions=[BUILTIN, other]
    ) as application:
        ready = await application.client.get("/api/health/ready")
    assert ready.status_code == 503
    assert "The tables of other are not up to date: run weyl db migrate" in ready.text
