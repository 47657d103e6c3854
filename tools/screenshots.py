"""Draws the pictures of the documentation from the pages as they are: `make screenshots`.

Starts an installation of its own with some jobs in it, and writes docs/images/*.webp, each below 100 kB.
"""

import base64
import contextlib
import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.browser.conftest import ARGUMENTS, CHROMIUM, fill_the_forms  # noqa: E402
from tools import web  # noqa: E402

from weyl.demo.installation import SITE, InstallationFiles  # noqa: E402
from weyl.demo.main_job import MANAGER, User, declare_fields  # noqa: E402
from weyl.demo.processes import ComponentFailed  # noqa: E402
from weyl.demo.stack import Stack, remove_directory  # noqa: E402

IMAGES = ROOT / "docs" / "images"
HOME = "/hep/user/a/alice"
BYTES_MAX = 100_000
PICTURES = {
    "home": "/",
    "jobs": "/jobs?f=&sel={job}",
    "submit": "/submit",
    "failures": "/failures",
    "accounting": "/accounting?by=status&range=-1d",
    "sites": f"/sites/{SITE}",
    "pilots": "/pilots?f=",
    "configuration": "/config",
    "workflow": "/submit",
    "workflow-job": "/jobs/{workflow}?tab=workflow",
    "files": "/files?f=Directory:under:" + HOME + "&cols=LFN,Size,Process,Events,CreationTime",
    "storage-elements": "/storage-elements",
}
CWL = ROOT / "examples" / "cwl"
WORKFLOW = ("workflow.cwl", "count.cwl")
JDL = """[
  JobName = "simulation %n"; JobGroup = "spring"; Executable = "{executable}"; Arguments = "%n";
  Parameters = {jobs}; StdOutput = "out.txt"; OutputSandbox = {{"out.txt"}}; {more}
]"""


def main() -> int:
    """Draw all of them; returns 1 if one is too large."""
    web.build()
    IMAGES.mkdir(parents=True, exist_ok=True)
    directory = Path(tempfile.mkdtemp(prefix="weyl-s-"))
    directory.chmod(0o755)
    try:
        with Stack(InstallationFiles(directory), say=print) as stack:
            user = User(stack)
            shown = {"job": _work(user), "workflow": _work_in_cwl(user)}
            _store_files(stack, user)
            return _draw(stack, shown, directory)
    finally:
        remove_directory(directory)


def _work(user: User) -> int:
    """Have jobs run, fail and wait; returns one that has run."""
    user.login()
    done = user.submit(JDL.format(executable="/bin/echo", jobs=6, more=""), "done")
    failed = user.submit(JDL.format(executable="/bin/false", jobs=2, more=""), "failed")
    user.submit(JDL.format(executable="/bin/echo", jobs=3, more="NumberOfProcessors = 64;"), "waiting")
    with contextlib.suppress(ComponentFailed):  # the command fails as jobs do
        user.run("jobs", "wait", *map(str, done + failed))
    return done[-1]


def _work_in_cwl(user: User) -> int:
    """Have a workflow run; returns its job."""
    told = user.run("jobs", "submit", str(CWL / "workflow.cwl"), str(CWL / "workflow.yml"), "-q")
    job = int(told.split()[0])
    user.run("jobs", "wait", str(job))
    return job


def _store_files(stack: Stack, user: User) -> None:
    """Put some files with metadata on storage."""
    declare_fields(User(stack, MANAGER, group="production"))
    for number in range(1, 7):
        file = user.directory / f"events-{number}.root"
        file.write_bytes(bytes(1_000 * number))
        values = ("--meta", "Process=Zmumu", "--meta", f"Events={number * 500}")
        user.run("data", "put", str(file), f"{HOME}/zmumu/run-{number % 2 + 1}/", *values)


def _draw(stack: Stack, shown: dict[str, int], directory: Path) -> int:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        context = browser.new_context(base_url=stack.url, viewport={"width": 1200, "height": 720})
        page = context.new_page()
        page.goto("/")
        fill_the_forms(page, "alice", "user", stack.files.passwords()["alice"])
        sizes = {name: _picture(page, name, path.format(**shown), directory) for name, path in PICTURES.items()}
        browser.close()
    for name, size in sizes.items():
        print(f"docs/images/{name}.webp  {size / 1000:.0f} kB")
    return int(max(sizes.values()) > BYTES_MAX)


def _choose_workflow(page: Page, directory: Path) -> None:
    """Choose a workflow of two files on the page for new jobs."""
    folder = directory / "chosen"
    folder.mkdir()
    for name in WORKFLOW:
        shutil.copy(CWL / name, folder)
    page.get_by_text("CWL", exact=True).click()
    page.locator("[data-chooses='Choose a folder for the workflow']").set_input_files(folder)
    page.get_by_role("heading", name="Steps").wait_for()


def _picture(page: Page, name: str, path: str, directory: Path) -> int:
    page.goto(path)
    page.locator("#main h1").first.wait_for()
    if name == "workflow":
        _choose_workflow(page, directory)
    page.locator(".waiting, .skeleton").first.wait_for(state="detached")
    page.wait_for_timeout(1_000)  # what is drawn by itself, such as charts, ends its movement
    told = page.context.new_cdp_session(page).send("Page.captureScreenshot", {"format": "webp", "quality": 70})
    content = base64.b64decode(told["data"])
    (IMAGES / f"{name}.webp").write_bytes(content)
    return len(content)


if __name__ == "__main__":
    sys.exit(main())
