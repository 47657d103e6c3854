"""Draws the pictures of the documentation from the pages as they are: `make screenshots`.

Starts an installation of its own with some jobs in it, and writes docs/images/*.webp, each below 100 kB.
"""

import base64
import contextlib
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.browser.conftest import ARGUMENTS, CHROMIUM, fill_the_forms  # noqa: E402
from tools import web  # noqa: E402

from weyl.demo.installation import SITE, InstallationFiles  # noqa: E402
from weyl.demo.main_job import User  # noqa: E402
from weyl.demo.processes import ComponentFailed  # noqa: E402
from weyl.demo.stack import Stack, remove_directory  # noqa: E402

IMAGES = ROOT / "docs" / "images"
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
}
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
            job = _work(User(stack))
            return _draw(stack, job)
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


def _draw(stack: Stack, job: int) -> int:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        context = browser.new_context(base_url=stack.url, viewport={"width": 1200, "height": 720})
        page = context.new_page()
        page.goto("/")
        fill_the_forms(page, "alice", "user")
        sizes = {name: _picture(page, name, path.format(job=job)) for name, path in PICTURES.items()}
        browser.close()
    for name, size in sizes.items():
        print(f"docs/images/{name}.webp  {size / 1000:.0f} kB")
    return int(max(sizes.values()) > BYTES_MAX)


def _picture(page: Page, name: str, path: str) -> int:
    page.goto(path)
    page.locator("#main h1").first.wait_for()
    page.locator(".waiting, .skeleton").first.wait_for(state="detached")
    page.wait_for_timeout(1_000)  # what is drawn by itself, such as charts, ends its movement
    told = page.context.new_cdp_session(page).send("Page.captureScreenshot", {"format": "webp", "quality": 70})
    content = base64.b64decode(told["data"])
    (IMAGES / f"{name}.webp").write_bytes(content)
    return len(content)


if __name__ == "__main__":
    sys.exit(main())
