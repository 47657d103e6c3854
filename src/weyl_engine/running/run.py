"""Runs one CWL job: `python -I -m weyl_engine run JOB.json`, in the directory that the wrapper has made ready."""

import errno
import io
import logging
import os
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from cwl_utils.sandboxjs import set_js_engine
from cwltool.argparser import arg_parser
from cwltool.main import main as cwltool_main

from weyl_engine.running import spelling
from weyl_engine.running.downloads import Downloads
from weyl_engine.running.executing import Directories, Executor, NodeContext, StepContext, make_tool
from weyl_engine.running.gathering import Escaped, Gathering
from weyl_engine.running.javascript import SECONDS_MAX, QuickJs
from weyl_engine.running.locations import BadInput, Locations
from weyl_engine.running.progress import Progress
from weyl_engine.running.workplace import Workplace

RESULT, PROGRESS, RESOLVED = "result.json", "progress.json", ".inputs.json"
MESSAGE_MAX = 2000
COMPLAINTS_MAX = 3
# What cwltool says after a reason, of each tool, step and workflow that the reason ends.
_FOLLOWS = (" completed permanentFail", " status is permanentFail")
_OF_THE_HOST = (errno.ENOSPC, errno.EDQUOT, errno.EIO)

Result = dict[str, Any]


class Complaints(logging.StreamHandler[Any]):
    """The log of the run on standard error, and the first things that went wrong in it."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)
        self._errors: list[str] = []
        self._warnings: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, and keep what it complains about."""
        super().emit(record)
        kept = self._errors if record.levelno >= logging.ERROR else self._warnings
        said = record.getMessage().strip()
        if record.levelno >= logging.WARNING and len(kept) < COMPLAINTS_MAX and not said.endswith(_FOLLOWS):
            kept.append(said)

    def text(self) -> str:
        """Return why the run failed."""
        return "\n".join(self._errors or self._warnings) or "cwltool does not say why"


class Outlet:
    """Standard output for tools that write to no file. It has no `close`: cwltool would call that after the first."""

    def fileno(self) -> int:
        """Return the descriptor that tools inherit."""
        return 1


def main(argv: list[str]) -> int:
    """Run the job of a `job.json` and leave `result.json` beside it; the exit code is 0 when it succeeded."""
    place = Workplace.read(Path(argv[0]))
    os.chdir(place.base)
    complaints = Complaints()
    locations = Locations(place)
    progress = Progress(place.base / PROGRESS)
    try:
        _write_inputs(place, locations)
        result = _run(place, progress, complaints)
        if result["status"] == "success":
            result["outputs"] = _gathered(place, locations, result["outputs"])
        else:
            result["message"] = "\n".join([*locations.missing, result["message"]])[:MESSAGE_MAX]
    except (BadInput, Escaped) as error:
        result = _failed(str(error))
    progress.write()
    _leave(place.base / RESULT, result)
    return 0 if result["status"] == "success" else 1


def _write_inputs(place: Workplace, locations: Locations) -> None:
    inputs = spelling.load(place.input_object.read_bytes())
    (place.base / RESOLVED).write_text(spelling.dump(locations.resolved(inputs)), encoding="utf-8")


def _gathered(place: Workplace, locations: Locations, outputs: Any) -> Any:
    """Gather the outputs; what tools and expressions have made up may be anything, and is their fault."""
    try:
        return Gathering(place, locations).gathered(outputs)
    except (OSError, ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
        if isinstance(error, OSError) and error.errno in _OF_THE_HOST:
            raise
        raise Escaped(f"the outputs cannot be gathered: {type(error).__name__}: {error}") from error


def _run(place: Workplace, progress: Progress, complaints: Complaints) -> Result:
    """Let cwltool run it. The output object is read from what it prints: so it prints it for everybody."""
    set_js_engine(QuickJs())
    executor = Executor(place, progress)
    printed = io.StringIO()
    arguments = arg_parser().parse_args(_words(place))
    code = cwltool_main(
        args=arguments,
        executor=executor,
        loadingContext=_loading(arguments, progress, executor),
        runtimeContext=_runtime(place, arguments, executor),
        logger_handler=complaints,
        stdout=printed,
        versionfunc=_version,
    )
    executor.note_steps()
    status = executor.status or "permanentFail"
    if code == 0 and status == "success":
        return {"status": status, "exit_code": 0, "message": "", "outputs": spelling.load(printed.getvalue())}
    return _failed(complaints.text(), code or 1, status)


def _version() -> str:
    return f"cwltool {version('cwltool')}"


def _words(place: Workplace) -> list[str]:
    temporary = os.environ.get("TMPDIR") or "/tmp"
    options = ["--no-container", "--relax-path-checks", "--disable-js-validation", "--leave-outputs", "--disable-color"]
    if place.gpus:
        options.append("--enable-ext")
    options += ["--eval-timeout", str(SECONDS_MAX), "--tmpdir-prefix", f"{temporary}/cwl-"]
    return [*options, "--tmp-outdir-prefix", f"{place.work}{os.sep}", place.document_uri, RESOLVED]


def _loading(arguments: Any, progress: Progress, executor: Executor) -> StepContext:
    loading = StepContext(vars(arguments))
    loading.construct_tool_object = make_tool
    loading.progress, loading.executor = progress, executor
    return loading


def _runtime(place: Workplace, arguments: Any, executor: Executor) -> NodeContext:
    runtime = NodeContext(vars(arguments))
    runtime.directories = Directories(place.work)
    runtime.tool_name = Path(place.entry).stem
    runtime.select_resources = executor.select_resources
    runtime.path_mapper = Downloads().path_mapper  # type: ignore[assignment]
    runtime.default_stdout = Outlet()  # type: ignore[assignment]
    return runtime


def _failed(message: str, code: int = 1, status: str = "permanentFail") -> Result:
    is_known = status in ("permanentFail", "temporaryFail")
    return {
        "status": status if is_known else "permanentFail",
        "exit_code": code,
        "message": message[:MESSAGE_MAX],
        "outputs": {},
    }


def _leave(path: Path, result: Result) -> None:
    """Write the result in one step: whoever finds it finds all of it."""
    fresh = path.with_name(f".{path.name}")
    with fresh.open("w", encoding="utf-8") as stream:
        stream.write(spelling.dump(result))
        stream.flush()
        os.fsync(stream.fileno())
    fresh.replace(path)
