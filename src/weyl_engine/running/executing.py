"""cwltool, set up for a node: steps in parallel inside the allocation, directories with names, outputs left in place.

Only its extension points are used: subclasses, the executor, the contexts and the JavaScript engine of cwl-utils.
"""

import itertools
import logging
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import reduce
from operator import mul
from pathlib import Path
from typing import Any, cast

from cwltool.context import LoadingContext, RuntimeContext
from cwltool.executors import MultithreadedJobExecutor
from cwltool.process import Process, shortname
from cwltool.utils import aslist
from cwltool.workflow import Workflow, WorkflowStep, default_make_tool
from cwltool.workflow_job import WorkflowJob, WorkflowJobStep, object_from_state

from weyl_engine.running.progress import Progress, StepPath
from weyl_engine.running.workplace import Workplace

# cwltool tells its threads of each end, but before the task counts as over: who hears too early waits again.
LOOK_EVERY_S = 0.1
# What tools of CWL v1.0 get when they ask for nothing; of later versions less.
UNASKED_RAM_MB_MAX = 1024


class Directories:
    """Makes the working directories of tools, named for their steps: `work/simulate`, `work/simulate_2`."""

    def __init__(self, work: Path) -> None:
        self._work = work
        self._numbers: defaultdict[str, Iterator[int]] = defaultdict(lambda: itertools.count(1))

    def make(self, name: str) -> str:
        """Return a new, empty directory."""
        plain = re.sub(r"[^\w.+-]", "_", name)[:64].lstrip(".") or "tool"
        while True:
            number = next(self._numbers[plain])
            path = self._work / (plain if number == 1 else f"{plain}_{number}")
            try:
                path.mkdir(parents=True)
            except FileExistsError:
                continue
            return str(path)


class NodeContext(RuntimeContext):
    """What cwltool asks while it runs; copies of it share the directories."""

    directories: Directories
    tool_name: str = ""

    def create_outdir(self) -> str:
        """Return a new directory for the outputs of a tool."""
        return self.directories.make(self.name or self.tool_name)


class StepContext(LoadingContext):
    """What cwltool asks while it loads; it knows which step it is in, and whom to tell of it."""

    progress: Progress
    executor: "Executor"
    step_path: StepPath = ()


class Executor(MultithreadedJobExecutor):
    """Runs tools side by side, in what the job was allocated, and remembers how it ended."""

    def __init__(self, place: Workplace, progress: Progress) -> None:
        super().__init__(max_parallel=place.cores)
        self.max_cores = place.cores
        self.max_ram = place.tool_ram_mb or self.max_ram
        self.status: str | None = None
        self._progress = progress
        self._steps: dict[str, tuple[WorkflowJob, WorkflowJobStep]] = {}
        self._open: list[WorkflowJob] = []

    def execute(self, process: Process, job_order_object: Any, runtime_context: Any, logger: Any = None) -> Any:
        """Run the process; how it ended is kept in `status`."""
        logger = logger or logging.getLogger("cwltool")
        outputs, self.status = super().execute(process, job_order_object, runtime_context, logger)
        return outputs, self.status

    def select_resources(self, request: dict[str, Any], runtime_context: Any) -> dict[str, Any]:
        """Return what a tool gets of the allocation. Raises WorkflowException for one that needs more."""
        if self.max_ram < request["ramMin"] <= UNASKED_RAM_MB_MAX:
            # Whoever asks has been given it: this is what cwltool puts where a document says nothing.
            request = {**request, "ramMin": self.max_ram, "ramMax": self.max_ram}
        return super().select_resources(request, runtime_context)

    def run_jobs(self, process: Process, job_order_object: Any, logger: Any, runtime_context: Any) -> None:
        """Run everything, and forget the directories: those in the list are removed, and outputs still lie there."""
        super().run_jobs(process, job_order_object, logger, runtime_context)
        self.output_dirs.clear()

    def run_job(self, job: Any, runtime_context: Any) -> None:
        """Take what is to be run next; of a workflow, note its steps."""
        if isinstance(job, WorkflowJob):
            self._open.append(job)
            self._steps.update((step.name, (job, step)) for step in job.steps)
            for step in job.steps:
                self._progress.knows(_path(step))
        super().run_job(job, runtime_context)

    def wait_for_next_completion(self, runtime_context: Any) -> None:
        """Wait a little for a task to end. Raises what went wrong in one, and then lets the others end."""
        self.note_steps()
        runtime_context.workflow_eval_lock.wait(timeout=LOOK_EVERY_S)
        if self.exceptions:
            # Those that still run take this lock to end, and whoever gets the error joins them.
            runtime_context.workflow_eval_lock.release()
            raise self.exceptions[0]

    def items_of(self, name: str) -> int:
        """Return how many items a step has, by its name in the run: 1, unless it scatters. Asked at its first one."""
        job, step = self._steps.pop(name, (None, None))
        if job is None or step is None or "scatter" not in step.tool:
            return 1
        arrays = object_from_state(job.state, step.tool["inputs"], False, True, "source") or {}
        sizes = [len(cast(list[Any], arrays[key])) for key in aslist(step.tool["scatter"])]
        return sizes[0] if step.tool.get("scatterMethod", "dotproduct") == "dotproduct" else reduce(mul, sizes)

    def note_steps(self) -> None:
        """Tell the progress of steps that are over without an item of theirs having said so."""
        for job in self._open:
            for step in job.steps:
                if step.completed:
                    self._progress.passes(_path(step))
        self._open = [job for job in self._open if not all(step.completed for step in job.steps)]


class Step(WorkflowStep):
    """A step that tells of the beginning and the end of each of its items."""

    def __init__(self, toolpath_object: Any, pos: int, loading: StepContext, provenance: Any = None) -> None:
        self._progress, self._executor = loading.progress, loading.executor
        self.path = loading.step_path
        super().__init__(toolpath_object, pos, loading, provenance)

    def job(self, job_order: Any, output_callbacks: Any, runtimeContext: Any) -> Any:  # noqa: N803
        """Yield what is to run for one item."""
        # Its name in this run: a workflow inside a scattered step has each of its steps many times.
        more = self._executor.items_of(runtimeContext.part_of) - 1
        self._progress.begins(self.path, more=more)
        yield from super().job(job_order, output_callbacks, runtimeContext)

    def receive_output(self, output_callback: Any, jobout: Any, processStatus: str) -> None:  # noqa: N803
        """Hand on what an item gave."""
        self._progress.ends(self.path, processStatus)
        super().receive_output(output_callback, jobout, processStatus)


class TrackedWorkflow(Workflow):
    """A workflow whose steps tell how they are."""

    def __init__(self, toolpath_object: Any, loading: StepContext) -> None:
        self._path = loading.step_path
        super().__init__(toolpath_object, loading)

    def make_workflow_step(self, toolpath_object: Any, pos: int, loadingContext: Any, *rest: Any) -> WorkflowStep:  # noqa: N803
        """Return a step that knows where it stands."""
        inner = loadingContext.copy()
        inner.step_path = (*self._path, shortname(toolpath_object["id"]))
        return Step(toolpath_object, pos, inner, *rest)


def _path(step: WorkflowJobStep) -> StepPath:
    assert isinstance(step.step, Step)
    return step.step.path


def make_tool(toolpath_object: Any, loadingContext: Any) -> Process:  # noqa: N803
    """Return the process for a document; all but workflows are cwltool's own."""
    if toolpath_object.get("class") == "Workflow":
        return TrackedWorkflow(toolpath_object, loadingContext)
    return default_make_tool(toolpath_object, loadingContext)
