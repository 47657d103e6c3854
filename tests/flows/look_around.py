"""A payload: tells, as hashes, every word of whatever it can read. It must not be told what to look for."""

import hashlib
import os
import re
import sys
from pathlib import Path

WORD = re.compile(rb"[A-Za-z0-9_.+/=-]{8,}")
FILES_MAX, BYTES_MAX = 40_000, 1 << 20
PLACES = "/tmp /var/tmp /run /home /root /etc /var/log /var/lib/weyl /dev/shm /mnt /media /srv"
PASSED_BY = {"site-packages", "node_modules", ".git"}

seen: set[str] = set()


def take(content: bytes) -> None:
    """Note the words of a text, and their parts."""
    for word in WORD.findall(content):
        for part in (word, *re.split(rb"[/=:]", word)):
            if len(part) >= 8:
                seen.add(hashlib.sha256(part).hexdigest()[:24])


def read(path: Path) -> int:
    """Read a file if we may; returns whether we could."""
    try:
        if path.parts[1] != "proc" and not (path.is_file() and path.stat().st_size < BYTES_MAX):
            return 0
        with path.open("rb") as file:
            take(file.read(BYTES_MAX))
    except OSError:
        return 0
    return 1


def main() -> None:
    """Look everywhere."""
    for value in os.environ.values():
        take(value.encode())
    token = Path(os.environ["WEYL_JOB_TOKEN_FILE"])
    count = read(token)
    for process in Path("/proc").glob("[0-9]*"):
        count += read(process / "environ") + read(process / "cmdline")
    for place in (*sys.argv[1:], str(Path.cwd()), str(token.parent), *PLACES.split()):
        for parent, directories, files in os.walk(place):
            directories[:] = [name for name in directories if name not in PASSED_BY]
            count += sum(read(Path(parent) / name) for name in files if count < FILES_MAX)
    Path("seen.txt").write_text("\n".join(sorted(seen)))
    print(count, "files read")


main()
