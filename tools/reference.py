"""Writes the reference pages that are made from the code: settings and commands. `--check` only tells what is stale."""

import sys
from pathlib import Path

from weyl.cli.reference import render_reference
from weyl.settings import Settings

DOCS = Path(__file__).resolve().parent.parent / "docs"
HINT = "<!-- Made by `make docs` from the code; do not edit. -->\n\n"


def settings_page() -> str:
    """Return the page of all environment variables."""
    lines = [
        HINT + "# Settings",
        "",
        "Every environment variable that `weyl serve`, `weyl worker` and `weyl db` read. Lists and the like are JSON.",
        "",
        "| variable | default | meaning |",
        "|---|---|---|",
    ]
    for name, field in Settings.model_fields.items():
        default = field.get_default(call_default_factory=True)
        shown = default.get_secret_value() if hasattr(default, "get_secret_value") else default
        text = " ".join((field.description or "").split()).replace("|", "\\|")
        lines.append(f"| `WEYL_{name.upper()}` | {f'`{shown}`' if shown not in (None, '', []) else ''} | {text} |")
    return "\n".join(lines) + "\n"


def pages() -> dict[Path, str]:
    """Return every generated page with its text."""
    return {
        DOCS / "admin" / "settings.md": settings_page(),
        DOCS / "user" / "commands.md": HINT + render_reference(),
    }


def main() -> int:
    """Write the pages, or tell which are stale."""
    stale = [path for path, text in pages().items() if not path.exists() or path.read_text() != text]
    if "--check" in sys.argv[1:]:
        for path in stale:
            print(f"{path.relative_to(DOCS.parent)} is stale: make docs", file=sys.stderr)
        return 1 if stale else 0
    for path in stale:
        path.write_text(pages()[path])
    return 0


if __name__ == "__main__":
    sys.exit(main())
