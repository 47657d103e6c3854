"""Pages of data with real parts: bytes from storage, files that jobs read and wrote, long trees and searches."""

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import Login, accessibility_problems
from tests.browser.test_files import HOME, ask, rows, send, tree
from tests.infra.expectations import expect, expect_gone
from weyl.demo.installation import S3_ELEMENT, SITE
from weyl.demo.main_job import User

CHILDREN = 230
MANY = 500
CONTENT = os.urandom(300_000)
JDL = """[
  Executable = "/bin/sh"; Arguments = "-c 'wc -c < read.bin > wrote.txt'";
  InputData = {{"LFN:{read}"}}; OutputData = {{"LFN:{wrote}"}}; OutputSE = "{se}"; Site = "{site}";
]"""


# Where much is made: others count what alice has.
HOME_OF_ADA = "/hep/user/a/ada"


@pytest.fixture(scope="module")
def stored(alice: User) -> Iterator[dict[str, Any]]:
    """A file of alice's on a storage element: its LFN and id; at the end nothing is left of it and of its jobs."""
    file = alice.directory / "read.bin"
    file.write_bytes(CONTENT)
    lfn = f"{HOME}/real/read.bin"
    alice.run("data", "put", str(file), lfn, "--se", S3_ELEMENT)
    [found] = json.loads(alice.run("data", "stat", lfn, "-o", "json"))
    yield {"lfn": lfn, **found}
    alice.run("data", "rm", "-r", f"{HOME}/real", "--undo", "0", "--yes")
    alice.run("data", "rmdir", f"{HOME}/real")


def test_a_file_is_downloaded_as_it_was(logged_in: Login, stored: dict[str, Any], tmp_path: Path) -> None:
    page = logged_in(f"/files/{stored['file_id']}")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    download.value.save_as(tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_a_file_and_a_job_that_read_it_lead_to_each_other(
    logged_in: Login, alice: User, stored: dict[str, Any]
) -> None:
    wrote = f"{HOME}/real/wrote.txt"
    text = JDL.format(read=stored["lfn"], wrote=wrote, se=S3_ELEMENT, site=SITE)
    (job_id,) = alice.submit(text, "reads")
    alice.run("jobs", "wait", str(job_id), "--for", "Done", "--timeout", "3m")
    page = logged_in(f"/files/{stored['file_id']}?tab=used-by")
    page.get_by_role("link", name=str(job_id), exact=True).click()
    expect(page.get_by_role("heading", name=f"Job {job_id}")).to_be_visible()
    page.get_by_role("tab", name="Files").click()
    read = page.get_by_role("row").filter(has=page.get_by_role("link", name=stored["lfn"], exact=True))
    expect(read).to_contain_text("300 kB")
    page.get_by_role("link", name=wrote, exact=True).click()
    expect(page.get_by_role("heading", name=re.compile("wrote.txt"))).to_be_visible()
    expect(page.get_by_role("link", name=str(job_id), exact=True)).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    assert Path(download.value.path()).read_text().strip() == str(len(CONTENT))


@contextmanager
def query_budget(admin: Page, seconds: float) -> Iterator[None]:
    """Change for a while how long a page of a search of files may take."""

    def commit(text: str, message: str) -> str:
        newest = admin.request.get("/api/config/history").json()[0]["Revision"]
        before = admin.request.get(f"/api/config/revisions/{newest}").json()
        document = text or json.dumps(_with_budget(before["Document"], seconds))
        order = {"base": newest, "document": document, "message": message}
        assert send(admin, "POST", "/api/config/changes", order)["problems"] == []
        return str(before["Text"])

    text = commit("", "Search in short slices")
    yield
    commit(text, "Search as before")


def _with_budget(document: dict[str, Any], seconds: float) -> dict[str, Any]:
    document["Operations"]["Defaults"].setdefault("DataManagement", {})["QueryBudget"] = seconds
    return document


def test_a_search_that_takes_too_long_goes_on(logged_in: Login) -> None:
    manager = logged_in("/", user="ada", group="files-admin")
    directory = f"{HOME_OF_ADA}/many"
    assert send(manager, "POST", "/api/files/directories", {"paths": [directory]})["failed"] == {}
    fields = {"name": "Kind", "type": "text", "on": "both"}
    send(manager, "POST", "/api/files/fields", fields, allowed=(201, 409))
    lfns = [f"{directory}/{number:04}.root" for number in range(MANY)]
    where = [{"se": S3_ELEMENT}]
    new = [{"lfn": lfn, "size": 1, "checksums": {"adler32": "0a1b2c3d"}, "replicas": where} for lfn in lfns]
    assert send(manager, "POST", "/api/files/register", {"files": new})["failed"] == {}
    last = {lfn: {"Kind": "rare"} for lfn in lfns[-2:]}
    assert send(manager, "POST", "/api/files/metadata/set", {"set": last})["failed"] == {}
    with query_budget(logged_in("/", user="ada", group="config-admin"), 0.000_001):
        go_on_until_found(logged_in(f"/files?f=Directory:under:{directory}"), len(last))


def go_on_until_found(page: Page, count: int) -> None:
    """Ask for the rare ones of many files, and go on whenever the search has stopped."""
    expect(rows(page).first).to_be_visible()
    ask(page, "Kind = rare")
    strip = page.get_by_role("status").filter(has_text="The search was stopped because it took too long.")
    expect(strip).to_contain_text("0 files so far.")
    assert accessibility_problems(page) == []
    go_on = page.get_by_role("button", name="Go on")
    for _ in range(MANY // 100):
        expect(go_on.or_(rows(page).first).first).to_be_visible()
        if rows(page).count() > 0:
            break
        with page.expect_response(lambda answer: "/api/files/search" in answer.url):
            go_on.click()
    expect(rows(page)).to_have_count(count)
    expect_gone(strip)


def test_a_directory_of_many_is_shown_in_parts(logged_in: Login) -> None:
    page = logged_in("/", user="ada", group="files-admin")
    names = [f"part-{number:03}" for number in range(CHILDREN)]
    paths = [f"{HOME_OF_ADA}/wide/{name}" for name in names]
    assert send(page, "POST", "/api/files/directories", {"paths": paths})["failed"] == {}
    page.goto("/files")
    tree(page, "ada").focus()
    page.keyboard.press("ArrowRight")
    tree(page, "wide").focus()
    page.keyboard.press("ArrowRight")
    expect(tree(page, names[0])).to_be_visible()
    expect(tree(page, names[-1])).to_have_count(0)
    # The keyboard reaches what asks for more as it reaches everything else.
    tree(page, "Show more").focus()
    page.keyboard.press("Enter")
    expect(tree(page, names[-1])).to_be_attached()
    assert page.get_by_role("treeitem", name=re.compile("^part-")).count() == CHILDREN
    expect(tree(page, names[-1])).to_have_attribute("aria-setsize", str(CHILDREN))
    assert accessibility_problems(page) == []


def test_unit_and_meaning_of_a_field_can_be_cleared(logged_in: Login) -> None:
    page = logged_in("/metadata-fields", user="ada", group="files-admin")
    field = {"name": "Mass", "type": "float", "on": "file", "unit": "GeV", "help": "At rest"}
    send(page, "POST", "/api/files/fields", field, allowed=(201, 409))
    page.reload()
    row = page.get_by_role("row").filter(has_text="Mass")
    expect(row).to_contain_text("At rest")
    row.click()
    page.get_by_role("button", name="Edit").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Unit").fill("")
    dialog.get_by_label("Meaning").fill("")
    dialog.get_by_role("button", name="Edit").click()
    expect(row).not_to_contain_text("At rest")
    expect(row).not_to_contain_text("GeV")
