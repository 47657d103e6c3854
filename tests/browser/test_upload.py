"""Files are chosen on the page, uploaded by the browser, and reach the jobs as they were."""

import hashlib
import io
import json
import random
import re
import sys
import tarfile
from typing import Any

import pytest
from playwright.sync_api import Page, Route

from tests.browser.conftest import PICTURES, Complaints, Login, accessibility_problems, fill_the_forms
from tests.infra.expectations import expect
from weyl.demo.main_job import User

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

EDITOR = "Job description in JDL"
SHOWN = "What is submitted"
SCRIPT = "<img src=x onerror=alert(1)>"
STORE = re.compile("^http://127[.].*/sandboxes$")
WAITS = '[\n  Executable = "/bin/echo"; NumberOfProcessors = 500;\n]'


def _write(page: Page, text: str) -> None:
    page.get_by_label(EDITOR, exact=True).fill(text)


def _choose(page: Page, **files: bytes) -> None:
    """Choose files by their names, in which `__` stands for a dot."""
    _give(page, {name.replace("__", "."): content for name, content in files.items()})


def _give(page: Page, files: dict[str, bytes]) -> None:
    page.locator("input[type=file]").set_input_files(
        [{"name": name, "mimeType": "text/plain", "buffer": content} for name, content in files.items()]
    )


def _files(page: Page) -> list[str]:
    return page.get_by_label("Input files").locator(".files .mono").all_inner_texts()


def _submit(page: Page) -> int:
    page.get_by_role("button", name="Submit", exact=True).click()
    done = page.get_by_role("status").filter(has_text="1 job submitted")
    expect(done).to_be_visible()
    found = re.search(r"submitted: (\d+)", done.inner_text())
    assert found
    return int(found[1])


def _archive(page: Page, pfn: str) -> tarfile.TarFile:
    """Read a sandbox by the API and by nothing that the pages or the command line bring."""
    told = page.request.get("/api/jobs/sandbox", params={"pfn": pfn}).json()
    packed = page.request.get(told["url"]).body()
    return tarfile.open(fileobj=io.BytesIO(zstd.decompress(packed)), mode="r:")


def test_chosen_files_reach_the_job_byte_by_byte(logged_in: Login, alice: User) -> None:
    content = random.Random(7).randbytes(300_001)
    files = {
        "run.sh": b"#!/bin/sh\ncat *.bin | sha256sum; ls\n",
        "größe 1.bin": content,
        "leer": b"",
        "n" * 150: b"long",
    }
    page = logged_in("/submit")
    _write(page, '[\n  Executable = "run.sh"; InputSandbox = {"run.sh"};\n  StdOutput = "o"; OutputSandbox = {"o"};\n]')
    _give(page, files)
    expect(page.get_by_label("Input files")).to_contain_text("300 kB")
    page.get_by_text("Description as submitted").click()
    shown = page.get_by_label(SHOWN)
    expect(shown).to_contain_text(re.compile(r'InputSandbox = \{"SB:SandboxSE\|/S3/[^"]+tar[.]zst", "run[.]sh"\}'))
    expect(page.get_by_label("Preview")).to_contain_text("1 job")
    written = shown.inner_text()
    job_id = _submit(page)

    listed: list[dict[str, Any]] = json.loads(alice.run("jobs", "sandbox", "list", str(job_id), "-o", "json"))
    [pfn] = [each["PFN"] for each in listed if each["Type"] == "Input"]
    assert pfn.removeprefix("SB:SandboxSE|") in written
    with _archive(page, pfn) as archive:
        members = archive.getmembers()
        assert [member.name for member in members] == sorted(files)
        assert {member.name: archive.extractfile(member).read() for member in members} == files  # type: ignore[union-attr]
        assert {member.name for member in members if member.mode == 0o755} == {"run.sh"}
        assert {(member.mtime, member.uid, member.gid) for member in members} == {(0, 0, 0)}
    alice.run("jobs", "sandbox", "get", pfn, "-d", "uploaded")
    assert {name: (alice.directory / "uploaded" / name).read_bytes() for name in files} == files
    alice.run("jobs", "wait", str(job_id))
    said = alice.run("jobs", "sandbox", "peek", str(job_id), "o")
    assert "größe 1.bin" in said
    assert hashlib.sha256(content).hexdigest() in said


def test_the_same_files_are_uploaded_once_and_json_gets_them_too(logged_in: Login) -> None:
    page = logged_in("/submit")
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if STORE.match(request.url) else None)
    _write(page, WAITS)
    _choose(page, a__txt=b"the same", b__txt=b"files")
    first = _submit(page)
    page.get_by_text("JSON", exact=True).click()
    page.get_by_label("Job description in JSON").fill('{"executable": "/bin/echo", "number_of_processors": 500}')
    expect(page.get_by_label("Input files")).to_contain_text(
        re.compile(r"SB:SandboxSE\|/S3/.* is added to input_sandbox")
    )
    expect(page.get_by_label("Preview")).to_contain_text("1 job")
    second = _submit(page)
    assert len(sent) == 1
    names = [page.request.get(f"/api/jobs/{job_id}/sandbox/input").json() for job_id in (first, second)]
    assert names[0] == names[1] != []


def test_what_may_not_be_uploaded_is_said_in_words_and_takes_nothing_away(logged_in: Login) -> None:
    page = logged_in("/submit")
    page.on("dialog", lambda dialog: pytest.fail(f"A script ran: {dialog.message}"))
    said = page.get_by_label("Input files").get_by_role("alert")
    _give(page, {"a.txt": b"1", SCRIPT: b"2"})
    _give(page, {"a.txt": b"3", "b.txt": b"4"})
    expect(said).to_contain_text("A file named “a.txt” is already chosen")
    _give(page, {"..": b"5", "back\\slash": b"6"})
    expect(said).to_contain_text("“back\\slash” is not a valid file name")
    assert _files(page) == ["a.txt", SCRIPT, "b.txt"]
    assert page.locator("#main img").count() == 0
    page.get_by_role("button", name="Remove a.txt").click()
    expect(page.get_by_role("button", name="Choose files")).to_be_focused()
    expect(said).to_have_count(0)
    assert _files(page) == [SCRIPT, "b.txt"]


def test_files_that_are_too_large_are_refused_before_they_are_sent(logged_in: Login) -> None:
    page = logged_in("/submit")
    rules = page.request.get("/api/jobs/sandbox/rules").json()
    page.route("**/api/jobs/sandbox/rules", lambda route: route.fulfill(json={**rules, "bytes_max": 8_000}))
    page.goto("/submit")
    _write(page, WAITS)
    _choose(page, a__bin=b"x" * 4_000, b__bin=b"y" * 4_000)
    expect(page.get_by_role("alert")).to_contain_text("the limit is 8.0 kB (8,000 bytes)")
    expect(page.get_by_label("Preview")).to_contain_text("1 job")
    expect(page.get_by_role("button", name="Submit", exact=True)).to_be_disabled()
    page.get_by_role("button", name="Remove b.bin").click()
    expect(page.get_by_role("button", name="Submit", exact=True)).to_be_enabled()


def test_files_are_dropped_on_the_page(logged_in: Login) -> None:
    page = logged_in("/submit")
    handle = page.evaluate_handle(
        "() => { const data = new DataTransfer(); data.items.add(new File(['dropped'], 'd.txt')); return data; }"
    )
    editor = page.get_by_label(EDITOR, exact=True)
    editor.dispatch_event("dragover", {"dataTransfer": handle})
    expect(page.locator(".written[data-over]")).to_have_count(1)
    editor.dispatch_event("drop", {"dataTransfer": handle})
    expect(page.locator(".written[data-over]")).to_have_count(0)
    assert _files(page) == ["d.txt"]


def test_a_store_that_cannot_be_reached_is_said_with_what_to_do_and_nothing_is_lost(
    logged_in: Login, complaints: Complaints
) -> None:
    page = logged_in("/submit")
    _write(page, WAITS)
    _choose(page, a__txt=random.Random().randbytes(32))
    page.route(STORE, lambda route: route.abort("connectionrefused"))
    expect(page.get_by_role("button", name="Submit", exact=True)).to_be_enabled()
    page.get_by_role("button", name="Submit", exact=True).click()
    said = page.get_by_role("alert")
    expect(said).to_contain_text("nothing was submitted")
    expect(said).to_contain_text("Your browser cannot reach the object store at http://127.")
    expect(said).to_contain_text("must allow POST from http://")
    page.unroute(STORE)
    refused = "<Error><Code>AccessDenied</Code><Message>Invalid according to Policy: expired</Message></Error>"
    headers = {"Access-Control-Allow-Origin": "*"}
    page.route(STORE, lambda route: route.fulfill(status=403, body=refused, headers=headers))
    said.get_by_role("button", name="Try again").click()
    expect(said).to_contain_text("The object store refused the files: Invalid according to Policy: expired")
    page.unroute(STORE)
    assert _files(page) == ["a.txt"]
    expect(page.get_by_label(EDITOR, exact=True)).to_have_value(WAITS)
    said.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("status").filter(has_text="1 job submitted")).to_be_visible()
    complaints.found = [each for each in complaints.found if "ERR_CONNECTION_REFUSED" not in each]


def test_an_upload_shows_how_far_it_is_and_can_be_stopped(logged_in: Login) -> None:
    page = logged_in("/submit")
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route(STORE, hold)
    _write(page, WAITS)
    _choose(page, a__txt=random.Random().randbytes(32))
    page.get_by_role("button", name="Submit", exact=True).click()
    expect(page.get_by_role("progressbar", name="Upload of the files")).to_be_visible()
    assert accessibility_problems(page) == []
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("progressbar")).to_have_count(0)
    expect(page.get_by_role("alert")).to_have_count(0)
    page.unroute(STORE)
    _submit(page)


def test_files_stay_while_another_page_is_looked_at_and_a_reload_says_what_is_gone(logged_in: Login) -> None:
    page = logged_in("/submit")
    _choose(page, a__txt=b"1", b__txt=b"2")
    page.get_by_role("link", name="Accounting", exact=True).click()
    page.get_by_role("link", name="Submit", exact=True).click()
    assert _files(page) == ["a.txt", "b.txt"]
    page.reload()
    said = page.get_by_label("Input files").get_by_role("alert")
    expect(said).to_contain_text("Choose them again: a.txt, b.txt")
    expect(page.get_by_role("button", name="Submit", exact=True)).to_be_disabled()
    _choose(page, a__txt=b"1")
    expect(said).to_contain_text("Choose them again: b.txt")
    page.get_by_role("button", name="Submit without them").click()
    expect(said).to_have_count(0)
    expect(page.get_by_role("button", name="Submit", exact=True)).to_be_enabled()


def test_a_login_that_has_ended_keeps_the_files(logged_in: Login) -> None:
    page = logged_in("/submit", fresh=True)
    _write(page, WAITS)
    _choose(page, a__txt=random.Random().randbytes(32))
    expect(page.get_by_role("button", name="Submit", exact=True)).to_be_enabled()
    page.context.clear_cookies()
    page.get_by_role("button", name="Submit", exact=True).click()
    ended = page.get_by_role("dialog", name="Your login has ended")
    with page.expect_popup() as other:
        ended.get_by_role("link", name="another tab").click()
    fill_the_forms(other.value, "alice", "user")
    ended.get_by_role("button", name="I have logged in").click()
    expect(page.get_by_role("status").filter(has_text="You are logged in again.")).to_be_visible()
    assert _files(page) == ["a.txt"]
    _submit(page)


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_choose_files(logged_in: Login, width: int, scheme: str) -> None:
    page = logged_in("/submit", color_scheme=scheme, viewport={"width": width, "height": 800})
    _give(page, {"a.txt": b"1", "n" * 200: b"2"})
    _give(page, {"a.txt": b"3"})
    page.get_by_text("Description as submitted").click()
    expect(page.get_by_label(SHOWN)).to_be_visible()
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / f"upload-{width}-{scheme}.png", animations="disabled", full_page=True)
    assert accessibility_problems(page) == []
    assert not page.evaluate("document.documentElement.scrollWidth > window.innerWidth")
