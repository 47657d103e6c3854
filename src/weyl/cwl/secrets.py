"""Texts that look like credentials: nobody should write one into a document or an input."""

import re
from collections.abc import Iterator, Mapping

from weyl.cwl.problems import Problem, problem

# Each alternative begins where a word does and is bounded: a text may be a megabyte of anything.
_SECRET = re.compile(
    r"(?<![\w-])eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8}"  # a JSON web token
    r"|-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----"
    r"|\b(?:ghp|gho|ghs|github_pat|glpat|xox[abp])[-_][\w-]{16}"
    r"|\bAKIA[0-9A-Z]{16}\b"
    r"|(?<![a-z0-9+.-])[a-z][a-z0-9+.-]{0,15}://[^/\s:@\"]{1,256}:[^/\s@\"]{1,256}@",  # a password in a URL
    re.ASCII,
)
# One of them is in whatever the expression finds: to look for them takes next to nothing.
_SIGNS = ("eyJ", "PRIVATE KEY", "ghp", "gho", "ghs", "github_pat", "glpat", "xox", "AKIA", "://")
_FOUND_MAX = 10


def looks_secret(text: str) -> bool:
    """Tell whether a text has something in it that looks like a token, a key or a password."""
    return any(sign in text for sign in _SIGNS) and _SECRET.search(text) is not None


def secrets_in(files: Mapping[str, bytes]) -> Iterator[Problem]:
    """Yield a warning for each line of a document that looks as if a credential stood in it."""
    found = 0
    for path, content in files.items():
        text = content.decode(errors="replace")
        for match in _SECRET.finditer(text):
            if (found := found + 1) > _FOUND_MAX:
                return
            line = text.count("\n", 0, match.start()) + 1
            column = match.start() - text.rfind("\n", 0, match.start())
            yield problem(
                "secret-like",
                "looks like a credential: everybody in your VO can read the document",
                file=path,
                line=line,
                column=column,
            )
