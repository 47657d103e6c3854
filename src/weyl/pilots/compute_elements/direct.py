"""No batch system at all: pilots are processes of the machine that the commands run on."""

from collections.abc import Collection, Mapping, Sequence

from weyl.pilots.compute_elements.driver import Capacity, CEState, CEStatus, DriverError, PilotSpec
from weyl.pilots.compute_elements.far_side import Taken
from weyl.remote.transport import Transport

GRACE_S = 60
"""What a pilot has to end its payloads before it is killed."""
WAIT_S = 3

# A process is known by its machine, its number and its start in ticks since boot: numbers are used again.
_PROCESSES = """
start_of() {
    read -r stat 2>/dev/null <"/proc/$1/stat" || return 1
    set -- ${stat##*) }
    case $1 in Z | X) return 1 ;; esac
    shift 19
    echo "$1"
}
is_alive() {
    rest=${1#*:}
    [ "${1%%:*}" = "$(uname -n)" ] && start=$(start_of "${rest%:*}") && [ "$start" = "${rest##*:}" ]
}
"""
_IDENTITY = _PROCESSES + "identity=$(uname -n):$$:$(start_of $$)"

_SUBMIT = (
    _PROCESSES
    + """
base=$1 free=$2
if [ -n "$free" ]; then
    for file in "$base"/*/id; do
        [ -s "$file" ] && read -r id <"$file" && is_alive "$id" && free=$((free - 1))
    done
fi
while read -r name; do
    place=$base/$name
    if [ -n "$free" ]; then
        if [ "$free" -le 0 ]; then
            echo "- $name the $2 places of this computing element are taken"
            continue
        fi
        free=$((free - 1))
    fi
    setsid /bin/sh "$place/job.sh" "$place" </dev/null >>"$place/log.txt" 2>&1 &
    pid=$!
    id=$(uname -n):$pid:$(start_of $pid)
    [ -e "$place/id" ] || { echo "$id" >"$place/id.new" && mv "$place/id.new" "$place/id"; }
    # What it wrote down itself counts: when it has ended already, its start can no longer be seen from here.
    read -r id <"$place/id"
    echo "+ $name $id"
done
"""
)

_STATES = (
    _PROCESSES
    + """
here=$(uname -n)
while read -r name id; do
    if [ "${id%%:*}" != "$here" ]; then
        echo "? $name $here"
    elif is_alive "$id"; then
        echo "+ $name"
    else
        echo "- $name"
    fi
done
"""
)

# Who does not end is killed later, by a process of its own: nobody waits for that.
_CANCEL = (
    _PROCESSES
    + """
left=
while read -r name id; do
    is_alive "$id" || continue
    rest=${id#*:}
    kill -TERM "${rest%:*}" 2>/dev/null
    left="$left $id"
done
tries=$(($1 * 5))
while [ -n "$left" ] && [ "$tries" -gt 0 ]; do
    sleep 0.2
    tries=$((tries - 1))
    still=
    for id in $left; do is_alive "$id" && still="$still $id"; done
    left=$still
done
for id in $left; do
    rest=${id#*:}
    (
        trap '' HUP
        sleep "$2"
        is_alive "$id" && kill -KILL "-${rest%:*}"
    ) </dev/null >/dev/null 2>&1 &
done
exit 0
"""
)

_RUNNING = (
    _PROCESSES
    + """
running=0
for file in "$1"/*/id; do
    [ -s "$file" ] && read -r id <"$file" && is_alive "$id" && running=$((running + 1))
done
echo "$running"
"""
)


class DirectScheduler:
    """Starts pilots in sessions of their own, which stay when the connection goes."""

    identity = _IDENTITY

    def __init__(self, transport: Transport, *, directory: str, running_max: int | None, timeout_s: float) -> None:
        self._transport = transport
        self._directory = directory
        self._running_max = running_max
        self._timeout_s = timeout_s

    async def submit(self, spec: PilotSpec, base: str, names: Sequence[str]) -> Taken:
        """Start as many as there is room for."""
        limit = "" if self._running_max is None else str(self._running_max)
        return taken(await self._run(_SUBMIT, base, limit, stdin=_lines(dict.fromkeys(names, ""))))

    async def states(self, ids: Mapping[str, str]) -> dict[str, CEStatus]:
        """Look at the process table."""
        states = {}
        for line in await self._run(_STATES, stdin=_lines(ids)):
            sign, _, rest = line.partition(" ")
            name, _, host = rest.partition(" ")
            if sign == "?":
                origin = ids[name].partition(":")[0]
                states[name] = CEStatus(CEState.UNKNOWN, f"it runs on {origin}, and {host} answers")
            elif sign == "+":
                states[name] = CEStatus(CEState.RUNNING, "process runs")
            elif sign == "-":
                states[name] = CEStatus(CEState.ABORTED, "the process is gone and left no exit code")
        return states

    async def cancel(self, ids: Mapping[str, str]) -> dict[str, str]:
        """Ask pilots to end, and kill their process groups if they do not within their grace time."""
        await self._run(_CANCEL, str(WAIT_S), str(GRACE_S), stdin=_lines(ids))
        return {}

    async def find(self, names: Collection[str]) -> dict[str, str]:
        """Return nothing: every pilot writes down its process itself."""
        return {}

    async def capacity(self) -> Capacity | None:
        """Count pilots that run."""
        lines = await self._run(_RUNNING, self._directory)
        running = int(lines[0]) if lines and lines[0].isdecimal() else 0
        limit = self._running_max
        return Capacity(waiting=0, running=running, free=None if limit is None else max(0, limit - running))

    async def _run(self, script: str, *arguments: str, stdin: bytes = b"") -> list[str]:
        finished = await self._transport.run(script, *arguments, stdin=stdin, timeout_s=self._timeout_s)
        if finished.code:
            raise DriverError(finished.complaint or f"The commands ended with {finished.code}")
        return finished.lines


def taken(lines: Sequence[str]) -> Taken:
    """Read "+ name id" and "- name reason"."""
    ids, refusals = {}, {}
    for line in lines:
        sign, _, rest = line.partition(" ")
        name, _, word = rest.partition(" ")
        if sign == "+" and word:
            ids[name] = word
        elif sign == "-":
            refusals[name] = word.strip()
    return Taken(ids, refusals)


def _lines(ids: Mapping[str, str]) -> bytes:
    return "".join(f"{name} {id_}".rstrip() + "\n" for name, id_ in ids.items()).encode()
