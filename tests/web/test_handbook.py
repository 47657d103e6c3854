"""The documentation that servers hand out: all of it, without scripts, with links that lead somewhere."""

import re
from pathlib import Path

from tools import handbook

_TARGET = re.compile(r'(?:href|src)="([^"]+)"')


def test_every_page_is_there_and_its_links_lead_to_pages(tmp_path: Path) -> None:
    place = tmp_path / "docs"
    pages = handbook.build(place)
    assert {"index.html", "user/glossary.html", "user/quick-start.html", "admin/install.html"} <= {
        page.relative_to(place).as_posix() for page in pages
    }
    lost = [
        f"{page.relative_to(place)}: {target}"
        for page in pages
        for target in _TARGET.findall(page.read_text())
        if not target.startswith(("http://", "https://", "mailto:", "#", "/"))
        and not (page.parent / target.partition("#")[0]).exists()
    ]
    assert lost == []


def test_nothing_in_it_runs() -> None:
    made = handbook.page("user/x.md", "# A `title`\n\n| a |\n|---|\n| [b](jobs.md#ids) |\n", [{"X": "user/x.md"}])
    assert "<script" not in made
    assert 'href="jobs.html#ids"' in made
    assert '<a href="../user/x.html" aria-current="page">X</a>' in made
    assert "<title>A title · weyl</title>" in made
