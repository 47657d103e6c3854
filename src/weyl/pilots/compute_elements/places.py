"""The directories of pilots on the far side: what is laid there, and the program that runs a pilot in its own: pure."""

import io
import re
import tarfile
from collections.abc import Mapping, Sequence
from shlex import quote

from weyl.pilots.compute_elements.driver import PLACE_VARIABLE, STAMP_VARIABLE, Copy, DriverError, PilotSpec, job_name

JOB, EXIT_CODE, CANCELLED, IDENTITY = "job.sh", "exit-code", "cancelled", "id"
STDOUT, STDERR, LOG = "stdout.txt", "stderr.txt", "log.txt"
FILE_BYTES_MAX = 1024 * 1024
"""What is fetched of a file of a pilot: its end."""
HIDE_VARIABLE = "WEYL_PILOT_HIDE"

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

# A batch system may start a job twice and give it hardly any environment; both are met here. The end of a pilot is
# written down by itself, since batch systems forget.
_JOB = """\
#!/bin/sh
# Runs one pilot in its place, which is the first argument, and writes down how it ended.
umask 077
place=$1
mkdir "$place/started" || exit 125
PATH=${{PATH:-/usr/local/bin:/usr/bin:/bin}}
USER=${{USER:-$(id -un)}}
HOME=${{HOME:-$(getent passwd "$USER" | cut -d: -f6)}}
LOGNAME=$USER
{hide_variable}=${{place%/*}}
{place_variable}=$place/work
export PATH USER HOME LOGNAME {hide_variable} {place_variable}
{exports}
{identity}
[ -e "$place/id" ] || {{ printf '%s\\n' "$identity" >"$place/id.own" && mv "$place/id.own" "$place/id"; }}
. "$place/environment"
cd "$place/work" || exit 126
scratch={scratch}
here=
if [ -n "$scratch" ]; then
    here=$(mktemp -d "$scratch/weyl.XXXXXXXX") && cp -Rp . "$here" && cd "$here" || exit 126
fi
trap 'kill -TERM "$child" 2>/dev/null' TERM INT HUP
{command} >"$place/stdout.txt" 2>"$place/stderr.txt" &
child=$!
while :; do
    wait "$child"
    code=$?
    kill -0 "$child" 2>/dev/null || break
done
if [ -n "$here" ]; then cd / && rm -rf "$here"; fi
printf '%s\\n' "$code" >"$place/exit-code.new" && mv "$place/exit-code.new" "$place/exit-code"
exit "$code"
"""

# Lays out what came as an archive; prints "+ name" or "- name reason" for each copy, and "= directory".
PLACE = """
umask 077
mkdir -p -- "$1" && cd -- "$1" || exit 3
find . -maxdepth 1 -name '.batch-*' -mtime +0 -exec rm -rf {} +
find . -maxdepth 1 -name 'weyl-*' -mtime +30 -exec rm -rf {} +
batch=.batch-$2
lay_out() {
    cp -Rp "$batch/inputs/." "$new/work" && cp -p "$batch/job.sh" "$new" && mv "$new" "$name"
}
mkdir "$batch" && tar -xpof - -C "$batch" || { rm -rf "$batch"; exit 4; }
for name in $(ls "$batch/copies"); do
    new=$batch/copies/$name
    if [ -e "$name" ]; then
        echo "- $name it has been sent before"
    elif why=$(lay_out 2>&1); then
        echo "+ $name"
    else
        echo "- $name" $why
    fi
done
rm -rf "$batch"
echo "= $(pwd -P)"
"""

# Prints "name exit-code cancelled id" for every pilot of which there is a directory; "-" is what is not known.
LOOK = """
cd -- "$1" 2>/dev/null || exit 0
while read -r name; do
    [ -d "$name" ] || continue
    code=- cancelled=- id=-
    [ -s "$name/exit-code" ] && read -r code <"$name/exit-code"
    [ -e "$name/cancelled" ] && cancelled=yes
    [ -s "$name/id" ] && read -r id <"$name/id"
    printf '%s %s %s %s\\n' "$name" "$code" "$cancelled" "$id"
done
"""

MARK = """
cd -- "$1" 2>/dev/null || exit 0
while read -r name; do
    [ -d "$name" ] && ! [ -e "$name/exit-code" ] && : >"$name/cancelled"
done
exit 0
"""

REMOVE = """
cd -- "$1" 2>/dev/null || exit 0
while read -r name; do
    [ -d "$name" ] && rm -rf -- "$name"
done
exit 0
"""

# Prints "file size", a line break and that many bytes for each file that is there. A file may grow meanwhile.
FETCH = """
cd -- "$1/$2" 2>/dev/null || exit 0
for file in stdout.txt stderr.txt log.txt exit-code; do
    [ -f "$file" ] || continue
    size=$(wc -c <"$file")
    from=$((size > $3 ? size - $3 : 0))
    printf '%s %s\\n' "$file" $((size - from))
    tail -c +$((from + 1)) "$file" | head -c $((size - from))
done
"""

# Prints "name file size", a line break and that many bytes for each file of each pilot; "-" is the size of what is too
# large. A file may grow meanwhile; a link could lead anywhere.
CARRY = """
cd -- "$1" 2>/dev/null || exit 0
max=$2
shift 2
while read -r name; do
    for file in "$@"; do
        path=$name/work/$file
        [ -f "$path" ] && ! [ -h "$path" ] || continue
        size=$(wc -c <"$path")
        size=$((size))
        if [ "$size" -gt "$max" ]; then
            echo "$name $file -"
        else
            echo "$name $file $size"
            head -c "$size" <"$path"
        fi
    done
done
exit 0
"""


def is_name(text: str) -> bool:
    """Tell whether a text can be the name of a pilot's directory."""
    return _NAME.fullmatch(text) is not None


def archive(spec: PilotSpec, copies: Sequence[Copy], *, job: str) -> bytes:
    """Pack a submission: what all copies share is in it once."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for directory in ("inputs", "copies"):
            _add_directory(tar, directory)
        _add(tar, JOB, job.encode(), 0o700)
        for name, content in spec.inputs.items():
            _add(tar, f"inputs/{_plain(name)}", content, 0o700 if spec.executable == f"./{name}" else 0o600)
        for copy in copies:
            place = f"copies/{job_name(copy.stamp, spec.name)}"
            _add_directory(tar, place)
            _add_directory(tar, f"{place}/work")
            _add(
                tar, f"{place}/environment", _exports({**copy.environment, STAMP_VARIABLE: copy.stamp}).encode(), 0o600
            )
            for name, content in copy.secrets.items():
                _add(tar, f"{place}/work/{_plain(name)}", content, 0o600)
    return stream.getvalue()


def job_program(spec: PilotSpec, *, identity: str, scratch: str | None) -> str:
    """Return the program that runs a pilot; `identity` is shell that sets the batch system's name for the job."""
    return _JOB.format(
        hide_variable=HIDE_VARIABLE,
        place_variable=PLACE_VARIABLE,
        exports=_exports(spec.environment),
        identity=identity,
        scratch=f'"{scratch}"' if scratch else "",
        command=" ".join(quote(word) for word in (spec.executable, *spec.arguments)),
    )


def parse_files(content: bytes) -> dict[str, bytes]:
    """Read what FETCH printed."""
    files = {}
    while content:
        head, _, rest = content.partition(b"\n")
        name, _, size = head.decode(errors="replace").partition(" ")
        if not size.isdecimal() or len(rest) < int(size):
            raise DriverError("The files of the pilot could not be read to their end")
        files[name], content = rest[: int(size)], rest[int(size) :]
    return files


def parse_carried(content: bytes) -> dict[str, dict[str, bytes | None]]:
    """Read what CARRY printed: files by name of pilot and file, None for those that are too large."""
    found: dict[str, dict[str, bytes | None]] = {}
    while content:
        head, _, rest = content.partition(b"\n")
        words = head.decode(errors="replace").split(" ")
        if len(words) != 3 or not (words[2] == "-" or words[2].isdecimal()):
            raise DriverError("The files of pilots could not be read to their end")
        size = 0 if words[2] == "-" else int(words[2])
        if len(rest) < size:
            raise DriverError("The files of pilots could not be read to their end")
        found.setdefault(words[0], {})[words[1]] = None if words[2] == "-" else rest[:size]
        content = rest[size:]
    return found


def _exports(environment: Mapping[str, str]) -> str:
    for name in environment:
        if _VARIABLE.fullmatch(name) is None:
            raise DriverError(f"{name!r} is no name of an environment variable")
    return "".join(f"export {name}={quote(value)}\n" for name, value in environment.items())


def _plain(name: str) -> str:
    if "/" in name or name in ("", ".", ".."):
        raise DriverError(f"{name!r} is no name of a file beside the pilot")
    return name


def _add(tar: tarfile.TarFile, name: str, content: bytes, mode: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), mode
    tar.addfile(entry, io.BytesIO(content))


def _add_directory(tar: tarfile.TarFile, name: str) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode = tarfile.DIRTYPE, 0o700
    tar.addfile(entry)
