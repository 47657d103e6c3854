"""What extensions add to the pages: views, parts of views, files, and what stops the start."""

from pathlib import Path

import pytest
from tests.infra.app import Installation, running_application

from weyl.activation import activate, problems
from weyl.builtin import BUILTIN
from weyl.demo.seaweedfs import RunningStore
from weyl.extension import Extension, ExtensionConflict
from weyl.kit.views import ApiCall, Column, Tab, View, ViewAddition

LEDGER = View(
    name="ledger",
    title="Ledger",
    icon="book",
    nav_group="Work",
    id_column="Site",
    search=ApiCall(method="POST", path="/api/jobs/summary", body={"grouping": ["Site"], "search": []}),
    columns=(Column(name="Site", title="Site"), Column(name="count", title="Jobs", type="int")),
    default_columns=("Site", "count"),
    needs=("Bookkeeper",),
)
JOBS = ViewAddition(
    view="jobs",
    columns=(Column(name="Campaign", title="Campaign"),),
    tabs=(Tab(name="plot", title="Plot", kind="module", module="plot.js"),),
)


async def test_an_extension_adds_a_view_parts_of_one_and_files(
    installation: Installation,
    database_url: str,
    object_store: RunningStore,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "bookkeeping_pages" / "static").mkdir(parents=True)
    (tmp_path / "bookkeeping_pages" / "static" / "plot.js").write_text("export default () => null")
    monkeypatch.syspath_prepend(str(tmp_path))
    extension = Extension(
        name="bookkeeping",
        properties=["Bookkeeper"],
        views=[LEDGER, JOBS],
        assets={"bookkeeping": "bookkeeping_pages:static"},
    )
    started = running_application(installation, database_url, object_store, extensions=[BUILTIN, extension])
    async with started as application:
        client = application.client
        answer = await client.get("/api/ui/views", headers=application.login(properties=["Bookkeeper"]))
        views = {view["name"]: view for view in answer.json()["views"]}
        assert views["ledger"]["title"] == "Ledger"
        assert views["jobs"]["columns"][-1]["name"] == "Campaign"
        assert views["jobs"]["tabs"][-1]["module"] == "plot.js"
        answer = await client.get("/api/ui/views", headers=application.login())
        assert "ledger" not in {view["name"] for view in answer.json()["views"]}
        assert (await client.get("/ext/bookkeeping/plot.js")).text == "export default () => null"
        assert (await client.get("/ext/bookkeeping/other.js")).status_code == 404


@pytest.mark.parametrize(
    ("extension", "sentence"),
    [
        (Extension(name="x", views=[LEDGER]), "The view ledger needs Bookkeeper, which is no property"),
        (Extension(name="x", views=[ViewAddition(view="job")]), "x adds to the view job, which is no view; did you"),
        (
            Extension(name="x", views=[LEDGER.model_copy(update={"name": "jobs"})]),
            "The view jobs is claimed by weyl and by x",
        ),
        (
            Extension(name="x", views=[ViewAddition(view="jobs", columns=(Column(name="Site", title="Site"),))]),
            "The column Site of the view jobs is claimed by weyl and by x",
        ),
        (
            Extension(
                name="x",
                views=[
                    ViewAddition(
                        view="jobs",
                        tabs=(Tab(name="y", title="Y", kind="text", call=ApiCall(method="GET", path="/api/y")),),
                    )
                ],
            ),
            "The view jobs asks for GET /api/y in the tab y, which is no route",
        ),
        (Extension(name="x", assets={"x": "package"}), "'package' is not a package and a folder"),
    ],
)
def test_what_cannot_be_shown_stops_the_start(extension: Extension, sentence: str) -> None:
    assert any(sentence in problem for problem in problems([BUILTIN, extension]))
    with pytest.raises(ExtensionConflict):
        activate([BUILTIN, extension])
