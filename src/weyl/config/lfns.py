"""How the names of files are written: `/vo/directory/file`, everywhere in the configuration and in descriptions."""

import re

LENGTH_MAX = 1024
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def fault_of(lfn: str) -> str | None:
    """Return what is wrong with the name of a file, or None."""
    if not lfn.startswith("/"):
        return "does not begin with /"
    if len(lfn) > LENGTH_MAX:
        return f"has more than {LENGTH_MAX} characters"
    if _CONTROL.search(lfn):
        return "has characters that no name has"
    if "//" in lfn:
        return "has // in it"
    if lfn.endswith("/"):
        return "is the name of a directory: it ends with /"
    parts = lfn.split("/")[1:]
    if len(parts) < 2:
        return "names a VO and no file"
    return "has . or .. as a directory" if {".", ".."} & set(parts) else None
