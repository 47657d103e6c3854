"""Makes the documentation part of the pages: HTML without scripts in `src/weyl/web/static/docs`, for `/docs/`.

Every server hands out the documentation of its own version, also where there is no network. `tools/web.py build` runs
this; `make docs` makes the site with search from the same files.
"""

import html
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import markdown  # type: ignore[import-untyped]
import yaml

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PLACE = ROOT / "src" / "weyl" / "web" / "static" / "docs"
STYLE = Path(__file__).with_suffix(".css")

_LINK = re.compile(r'(href=")(?!https?:|mailto:|#)([^"#]*?)\.md(#[^"]*)?"')
_TITLE = re.compile(r"^# (.+)$", re.MULTILINE)
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} · weyl</title>
<link rel="icon" href="/favicon.svg">
<link rel="stylesheet" href="{up}style.css">
</head>
<body>
<header>
<a href="/">weyl</a> <a href="{up}index.html">Documentation</a> <a href="{up}user/glossary.html">Glossary</a>
</header>
<details class="contents"><summary>Contents</summary>{contents}</details>
<div class="sides">
<nav aria-label="Contents">{contents}</nav>
<main>
{body}
</main>
</div>
</body>
</html>
"""


class _Names(yaml.SafeLoader):
    """Reads mkdocs.yml, whose names of Python functions mean nothing here."""


_Names.add_multi_constructor("tag:yaml.org,2002:python/", lambda *_: None)


def build(place: Path = PLACE) -> list[Path]:
    """Write every page of `docs` as HTML, with its pictures, in place of what was there; returns the pages."""
    shutil.rmtree(place, ignore_errors=True)
    contents = yaml.load(ROOT.joinpath("mkdocs.yml").read_text(), Loader=_Names)["nav"]
    pages = []
    for source in sorted(DOCS.rglob("*.md")):
        path = source.relative_to(DOCS)
        target = (place / path).with_suffix(".html")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(page(path.as_posix(), source.read_text(), contents))
        pages.append(target)
    shutil.copytree(DOCS / "images", place / "images")
    shutil.copy(STYLE, place / "style.css")
    return pages


def page(path: str, text: str, contents: list[object]) -> str:
    """Return a page of the documentation, by its path below `docs`, as HTML."""
    up = "../" * path.count("/")
    body = markdown.markdown(text, extensions=["tables", "toc", "attr_list", "admonition", "pymdownx.superfences"])
    title = found[1] if (found := _TITLE.search(text)) else path
    links = "".join(_entries(contents, up, path))
    return _PAGE.format(
        title=html.escape(title.replace("`", "")), up=up, contents=f"<ul>{links}</ul>", body=_LINK.sub(_linked, body)
    )


def _linked(found: re.Match[str]) -> str:
    return f'{found[1]}{found[2]}.html{found[3] or ""}"'


def _entries(contents: list[object], up: str, here: str) -> Iterator[str]:
    for entry in contents:
        assert isinstance(entry, dict), "each entry of the contents has a title"
        for title, target in entry.items():
            if isinstance(target, list):
                yield f"<li>{html.escape(title)}<ul>{''.join(_entries(target, up, here))}</ul></li>"
            else:
                current = ' aria-current="page"' if target == here else ""
                yield f'<li><a href="{up}{target.removesuffix(".md")}.html"{current}>{html.escape(title)}</a></li>'


if __name__ == "__main__":
    print(f"{len(build())} pages of documentation", file=sys.stderr)
