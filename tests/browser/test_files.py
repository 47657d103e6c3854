"""Files in a browser: the tree, queries with metadata, one file with its replicas, directories, fields and elements."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, Page

from tests.browser.conftest import Login, accessibility_problems, settle
from tests.browser.test_every_page import look
from tests.infra.expectations import expect, expect_gone

HOME = "/hep/user/a/alice"
RUNS = f"{HOME}/runs"
FILES = {f"{RUNS}/run-{number}.root": {"Run": number, "Particle": "gamma"} for number in range(1, 7)}
MERGED = f"{HOME}/merged.root"
FIELDS: list[dict[str, Any]] = [
    {"name": "Run", "type": "int", "on": "file", "indexed": True, "help": "The number of the run"},
    {"name": "Particle", "type": "text", "on": "both", "values": ["gamma", "proton"]},
    {"name": "Energy", "type": "float", "on": "both", "unit": "GeV"},
]
FILLED: dict[str, int] = {}

Send = Callable[..., Any]


def send(page: Page, method: str, path: str, body: Any, *, allowed: tuple[int, ...] = (200, 201)) -> Any:
    """Return what the API answers to the person of a page."""
    ask = """async ([method, path, body]) => {
      const headers = {"Content-Type": "application/json"};
      const answer = await fetch(path, {method, headers, body: JSON.stringify(body)});
      return [answer.status, await answer.text()];
    }"""
    status, text = page.evaluate(ask, [method, path, body])
    assert status in allowed, (path, status, text)
    return json.loads(text)


@pytest.fixture
def files(logged_in: Login) -> dict[str, int]:
    """The ids of alice's files, with metadata and replicas, and of one that was made from the others."""
    if FILLED:
        return FILLED
    alice = logged_in("/")
    send(alice, "POST", "/api/files/directories", {"paths": [RUNS, f"{HOME}/empty"]})
    manager = logged_in("/", user="ada", group="files-admin")
    for field in FIELDS:
        send(manager, "POST", "/api/files/fields", field, allowed=(201, 409))
    replicas = [{"se": "DISK-A"}, {"se": "TAPE"}]
    new = [
        {"lfn": lfn, "size": 1_000_000 * number, "checksums": {"adler32": "0a1b2c3d"}, "replicas": replicas}
        for number, lfn in enumerate(FILES, 1)
    ]
    merged = {**new[0], "lfn": MERGED, "ancestors": list(FILES)[:2]}
    for each in (new, [merged]):
        done = send(manager, "POST", "/api/files/register", {"files": each})
        assert done["failed"] == {}
        FILLED.update({lfn: found["file_id"] for lfn, found in done["success"].items()})
    values: dict[str, Any] = {**FILES, HOME: {"Energy": 7.5}}
    assert send(manager, "POST", "/api/files/metadata/set", {"set": values})["failed"] == {}
    broken = {"lfns": [MERGED], "se": "TAPE", "status": "Bad", "reason": "lost"}
    assert send(manager, "POST", "/api/files/replicas/status", broken)["failed"] == {}
    return FILLED


def tree(page: Page, name: str) -> Locator:
    """A directory in the tree."""
    return page.get_by_role("tree").get_by_role("treeitem", name=name, exact=True)


def rows(page: Page) -> Locator:
    """The files that the list shows."""
    return page.get_by_role("table", name="Files").get_by_role("row").filter(has=page.get_by_role("cell"))


def ask(page: Page, query: str) -> None:
    """Type a query."""
    page.get_by_label("Filter", exact=True).fill(query)
    page.get_by_label("Filter", exact=True).press("Enter")


def test_files_are_found_in_the_tree_and_by_their_metadata(logged_in: Login, files: dict[str, int]) -> None:
    page = logged_in("/files")
    # It begins at home, which the tree has opened the way to.
    expect(tree(page, "alice")).to_be_visible()
    expect(rows(page)).to_have_count(len(files))
    tree(page, "alice").locator(".twist").click()
    tree(page, "runs").click()
    expect(rows(page)).to_have_count(len(FILES))
    expect(tree(page, "runs")).to_have_attribute("aria-selected", "true")
    assert "f=Directory:under:/hep/user/a/alice/runs" in page.url
    ask(page, "Run between 2 and 4 and Particle = gamma")
    expect(rows(page)).to_have_count(3)
    # A column of metadata.
    page.get_by_role("button", name="Columns").click()
    page.get_by_role("dialog").get_by_label("Run", exact=True).check()
    page.get_by_role("button", name="Apply").click()
    expect(page.get_by_role("columnheader", name="Run")).to_be_visible()
    # Two is also how many replicas it has.
    expect(rows(page).nth(1).get_by_role("cell", name="3", exact=True)).to_be_visible()
    # The same address shows the same.
    page.reload()
    expect(rows(page)).to_have_count(3)
    expect(page.get_by_role("columnheader", name="Run")).to_be_visible()


def test_what_is_wrong_with_a_query_is_marked_where_it_is(logged_in: Login, files: dict[str, int]) -> None:
    page = logged_in(f"/files?f=Directory:under:{RUNS}")
    expect(rows(page)).to_have_count(len(FILES))
    ask(page, "Run between 2 Particle = gamma")
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("expected `and` and the larger value")
    expect(alert.locator("mark")).to_have_text("Particle")
    assert accessibility_problems(page) == []
    ask(page, "Runn = 2")
    expect(alert).to_contain_text("There is no column Runn")
    # What only the server knows.
    ask(page, "Run = two")
    expect(alert).to_contain_text("Run: 'two' is not a whole number")
    page.get_by_role("button", name="Remove Run = two").click()
    expect_gone(alert)
    # A field without an index is told of.
    ask(page, "Energy > 7")
    expect(page.get_by_text("not indexed, so each file is looked at: Energy")).to_be_visible()
    expect(rows(page)).to_have_count(len(FILES))
    assert accessibility_problems(page) == []


def test_the_tree_is_walked_by_keyboard(logged_in: Login, files: dict[str, int]) -> None:
    page = logged_in("/files")
    expect(tree(page, "alice")).to_be_visible()
    expect(rows(page)).to_have_count(len(files))
    tree(page, "alice").focus()
    page.keyboard.press("ArrowRight")
    expect(tree(page, "runs")).to_be_visible()
    page.keyboard.press("ArrowDown")
    expect(tree(page, "empty")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_text("No matches.")).to_be_visible()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(rows(page)).to_have_count(len(FILES))
    page.keyboard.press("ArrowLeft")
    expect(tree(page, "alice")).to_be_focused()
    page.keyboard.press("ArrowLeft")
    expect(tree(page, "alice")).to_have_attribute("aria-expanded", "false")


def test_a_file_says_where_it_is_and_what_it_was_made_from(logged_in: Login, files: dict[str, int]) -> None:
    page = logged_in(f"/files/{files[MERGED]}")
    expect(page.get_by_text(MERGED, exact=True)).to_be_visible()
    expect(page.get_by_text("adler32:0a1b2c3d")).to_be_visible()
    page.get_by_role("tab", name="Replicas").click()
    tape = page.get_by_role("row").filter(has_text="TAPE")
    expect(tape).to_contain_text("Bad")
    expect(tape).to_contain_text("The replica is bad")
    page.get_by_role("tab", name="Ancestors").click()
    page.get_by_role("link", name=f"{RUNS}/run-1.root").click()
    expect(page.get_by_text(f"{RUNS}/run-1.root", exact=True)).to_be_visible()
    page.get_by_role("tab", name="Descendants").click()
    expect(page.get_by_role("link", name=MERGED)).to_be_visible()
    page.get_by_role("tab", name="Used by").click()
    expect(page.get_by_text("None.")).to_be_visible()


def test_metadata_is_set_where_somebody_may_write(logged_in: Login, files: dict[str, int]) -> None:
    page = logged_in(f"/files/{files[MERGED]}?tab=metadata")
    energy = page.get_by_role("row").filter(has_text="Energy")
    expect(energy).to_contain_text("7.5 GeV")
    expect(energy).to_contain_text(HOME)
    page.get_by_label("Set another field").select_option("Run")
    page.get_by_role("tabpanel").get_by_label("Run", exact=False).last.fill("1.5")
    page.get_by_role("button", name="Set", exact=True).click()
    expect(page.get_by_text("Enter a whole number.")).to_be_visible()
    assert accessibility_problems(page) == []
    page.get_by_role("tabpanel").get_by_label("Run", exact=False).last.fill("17")
    page.get_by_role("button", name="Set", exact=True).click()
    run = page.get_by_role("row").filter(has_text="Run")
    expect(run).to_contain_text("its own")
    expect(run).to_contain_text("17")
    page.get_by_role("button", name="Remove its own Run").click()
    expect_gone(run)
    # Whoever may only read sees the same, and nothing to change it with.
    other = logged_in(f"/files/{files[MERGED]}?tab=metadata", user="max", group="operator")
    expect(other.get_by_role("row").filter(has_text="Energy")).to_contain_text("7.5 GeV")
    expect_gone(other.get_by_label("Set another field"))


def test_a_file_is_deleted_for_a_reason_and_brought_back(logged_in: Login, files: dict[str, int]) -> None:
    lfn = f"{RUNS}/run-6.root"
    page = logged_in(f"/files/{files[lfn]}")
    page.get_by_role("button", name="Delete").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Delete 1").click()
    expect(dialog.get_by_text("This field is required.")).to_be_visible()
    dialog.get_by_label("Reason").fill("It was taken with the lid on")
    dialog.get_by_role("button", name="Delete 1").click()
    expect(page.locator(".detail-head .status")).to_have_text("Trash")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".detail-head .status")).to_have_text("Good")
    # Without the message: from the list of what is in the trash.
    page.goto(f"/files?f=Directory:under:{RUNS}&sel={files[lfn]}")
    page.get_by_role("button", name="Delete").click()
    dialog.get_by_label("Reason").fill("The lid was on")
    dialog.get_by_role("button", name="Delete 1").click()
    expect(rows(page)).to_have_count(len(FILES) - 1)
    ask(page, "Status = Trash")
    expect(rows(page)).to_have_count(1)
    page.get_by_role("button", name="Restore").first.click()
    dialog.get_by_role("button", name="Restore").click()
    expect(rows(page)).to_have_count(0)
    page.goto(f"/files?f=Directory:under:{RUNS}")
    expect(rows(page)).to_have_count(len(FILES))


def test_a_directory_says_what_is_used_where(logged_in: Login, files: dict[str, int]) -> None:
    page = logged_in(f"/files?f=Directory:under:{RUNS}")
    page.get_by_role("link", name="Directory page").click()
    expect(page.get_by_role("heading", name=f"Directory {RUNS}")).to_be_visible()
    page.get_by_role("tab", name="Usage").click()
    expect(page.get_by_role("row").filter(has_text="DISK-A")).to_contain_text("21.0 MB")
    page.get_by_role("tab", name="Files").click()
    expect(page.get_by_role("link", name=re.compile("Show in Files"))).to_be_visible()


def test_storage_elements_say_what_may_be_done_there(logged_in: Login, files: dict[str, int]) -> None:
    page = logged_in("/storage-elements")
    row = page.get_by_role("row").filter(has_text="DISK-A")
    expect(row).to_contain_text("disk")
    row.click()
    page.get_by_role("tab", name="Status").click()
    expect(page.get_by_role("tabpanel").get_by_role("row").filter(has_text="read")).to_be_visible()
    page.get_by_role("tab", name="Files").click()
    expect(page.get_by_role("tabpanel").get_by_role("link", name=re.compile("run-1.root")).first).to_be_visible()


def test_owners_of_data_declare_fields(logged_in: Login, files: dict[str, int]) -> None:
    page = logged_in("/metadata-fields", user="ada", group="files-admin")
    page.get_by_role("button", name="Add a field").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("Weather")
    dialog.get_by_label("Values").fill("sun\nrain")
    dialog.get_by_label("Meaning").fill("Above the detector")
    dialog.get_by_role("button", name="Add a field").click()
    row = page.get_by_role("row").filter(has_text="Weather")
    expect(row).to_contain_text("sun, rain")
    row.click()
    page.get_by_role("button", name="Edit").click()
    expect(dialog.get_by_label("Meaning")).to_have_value("Above the detector")
    dialog.get_by_label("Meaning").fill("Above the roof")
    dialog.get_by_role("button", name="Edit").click()
    expect(row).to_contain_text("Above the roof")
    page.get_by_role("button", name="Delete").first.click()
    dialog.get_by_label("I understand that this cannot be undone").check()
    dialog.get_by_role("button", name="Delete").click()
    expect_gone(page.get_by_role("row").filter(has_text="Weather"))
    other = logged_in("/metadata-fields")
    expect(other.get_by_role("row").filter(has_text="Energy")).to_be_visible()
    expect_gone(other.get_by_role("button", name="Add a field"))


def test_everybody_can_use_the_pages_of_data(logged_in: Login, files: dict[str, int]) -> None:
    page = logged_in("/", user="ada", group="files-admin")
    wrong: list[str] = []
    one = f"/files/{files[MERGED]}"
    pages = {
        "files": f"/files?f=Directory:under:{HOME}&cols=LFN,Size,Run,Particle,Energy",
        "files-open": f"/files?f=Directory:under:{RUNS}&sel={files[MERGED]}",
        **{f"file-{tab}": f"{one}?tab={tab}" for tab in ("overview", "metadata", "replicas", "ancestors", "used-by")},
        **{
            f"directory-{tab}": f"/directories/{HOME.replace('/', '%2F')}?tab={tab}"
            for tab in ("overview", "usage", "metadata", "files")
        },
        "metadata-fields": "/metadata-fields?sel=Run",
        "storage-elements": "/storage-elements?sel=DISK-A",
        "storage-element-status": "/storage-elements/DISK-A?tab=status",
    }
    for name, path in pages.items():
        page.goto(path)
        expect(page.locator("#main > *").first).to_be_visible()
        settle(page)
        wrong += look(page, name)
    assert wrong == []
