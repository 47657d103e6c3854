"""Where a browser may be sent after its login: pages of ours, and nothing else."""

import re

from weyl.auth.errors import ForeignReturn

# It travels in the `state`, three times its size, through the identity provider.
LENGTH_MAX = 2048
# One slash at the start and not two, which name a host; browsers take a backslash for a slash and skip control codes.
_LOCAL = re.compile(r"/(?!/)[^\\\x00-\x20\x7f-\x9f\u2028\u2029]*")
_NO_PAGES = ("/api/", "/.well-known/")


def local_path(text: str) -> str:
    """Return the path of a page of ours, with its query and fragment, or raise `ForeignReturn`."""
    if len(text) > LENGTH_MAX:
        raise ForeignReturn(f"return_to is longer than {LENGTH_MAX} characters: log in, then open the page again")
    path = re.split("[?#]", text, maxsplit=1)[0]
    has_dots = not {".", ".."}.isdisjoint(re.sub("%2e", ".", path, flags=re.IGNORECASE).split("/"))
    if not _LOCAL.fullmatch(text) or has_dots or path.startswith(_NO_PAGES):
        raise ForeignReturn("return_to must be the path of a page here, such as /jobs: it starts with one slash")
    return text
