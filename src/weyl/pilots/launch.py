"""What is handed to a computing element so that a pilot starts there: pure."""

from collections.abc import Mapping

from weyl.config.operations import Operations
from weyl.pilots.archive import ARCHIVE_NAME
from weyl.pilots.bundles import BUNDLE, Demand
from weyl.pilots.compute_elements.driver import PilotSpec
from weyl.pilots.need import Target

STARTER = "weyl-pilot.sh"
SECRET_FILE = "pilot-secret"
LOG_FILE = "pilot.log"

# Nodes differ in what their Python is called, and the pilot needs nothing but one.
_STARTER_SCRIPT = f"""\
#!/bin/sh
# Finds a Python that can run the pilot, and becomes it.
for python in "$WEYL_PYTHON" python3 python3.13 python3.12 python3.11 python3.10 python3.9 python; do
    [ -n "$python" ] && command -v "$python" >/dev/null 2>&1 || continue
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 9))' 2>/dev/null || continue
    exec "$python" {ARCHIVE_NAME} "$@"
done
echo "This node has no Python 3.9 or newer, which the pilot needs" >&2
rm -f {SECRET_FILE}
exit 127
"""


def bundle_spec(
    target: Target, demand: Demand, *, archive: bytes, inputs: Mapping[str, bytes], options: Operations
) -> PilotSpec:
    """Return the job of a computing element that runs one of our jobs without a network; copies differ in their bundle.

    No driver gives what it was not asked for: the wrapper on the node holds the payload to the same figures.
    """
    queue = target.queue
    numbers: dict[str, int | float | None] = {
        "--cores": demand.cores,
        "--memory-mb": demand.memory_mb,
        "--scratch-mb": demand.scratch_mb,
        "--wall-s": demand.wall_s,
        "--gpus": demand.gpus,
        "--power-db12": queue.power_db12,
        "--report-every-s": options.job_health.report_every,
    }
    arguments = ["--bundle", BUNDLE]
    for name, value in numbers.items():
        if value is not None:
            arguments += [name, f"{value:g}" if isinstance(value, float) else str(value)]
    if queue.whole_node:
        arguments.append("--whole-node")
    for path in queue.payload.software:
        arguments += ["--software", path]
    return PilotSpec(
        executable=f"./{STARTER}",
        arguments=tuple(arguments),
        inputs={STARTER: _STARTER_SCRIPT.encode(), ARCHIVE_NAME: archive, **inputs},
        cores=demand.cores,
        memory_mb=demand.memory_mb,
        wall_s=demand.wall_s,
        queue=target.key.queue,
        gpus=demand.gpus,
        scratch_mb=demand.scratch_mb,
    )


def pilot_spec(target: Target, *, url: str, archive: bytes, options: Operations) -> PilotSpec:
    """Return the job that every pilot of a queue is; what differs between copies is their secret."""
    queue = target.queue
    numbers: dict[str, int | float | None] = {
        "--cores": queue.cores,
        "--memory-mb": queue.memory_mb,
        "--scratch-mb": queue.scratch_mb,
        "--wall-s": queue.wall_time,
        "--gpus": queue.gpus,
        "--power-db12": queue.power_db12,
        "--idle-s": options.pilots.idle_after,
        "--empty-max": options.pilots.empty_matches_max,
        "--report-every-s": options.job_health.report_every,
    }
    arguments = ["--url", url, "--secret-file", SECRET_FILE, "--site", target.key.site]
    for name, value in numbers.items():
        if value is not None:
            arguments += [name, f"{value:g}" if isinstance(value, float) else str(value)]
    if queue.whole_node:
        arguments.append("--whole-node")
    for path in queue.payload.software:
        arguments += ["--software", path]
    return PilotSpec(
        executable=f"./{STARTER}",
        arguments=tuple(arguments),
        inputs={STARTER: _STARTER_SCRIPT.encode(), ARCHIVE_NAME: archive},
        outputs=(LOG_FILE,),
        cores=queue.cores,
        memory_mb=queue.memory_mb,
        wall_s=queue.wall_time,
        queue=target.key.queue,
        gpus=queue.gpus,
        scratch_mb=queue.scratch_mb,
    )
