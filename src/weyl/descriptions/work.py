"""The work document: what a pilot needs to know to run one job, made from its description."""

from collections.abc import Mapping
from typing import Any

from weyl.descriptions import jdl
from weyl.descriptions.description import Description
from weyl.descriptions.input_files import files_of
from weyl.descriptions.jdl import Document
from weyl.descriptions.parametric import fill

STOP_SIGNAL = ("StopSigNumber", "StopSigStartSeconds", "StopSigFinishSeconds")
ATTRIBUTES = (
    *("Executable", "Arguments", "StdOutput", "StdError", "InputSandbox", "OutputSandbox", "InputData", "OutputData"),
    *("OutputSE", "OutputPath", "ExecutionEnvironment", "JobName", "JobType", "JobGroup", "LogLevel", "CPUTime"),
    *STOP_SIGNAL,
    "StopSigRegex",
)
"""What is read of a description that its user may write."""
_READ = frozenset({*ATTRIBUTES, "Owner", "OwnerGroup", "VirtualOrganization", "Workflow"})


def work_document(document: Mapping[str, Any], parameters: Mapping[str, Any] | None, job_id: int) -> dict[str, Any]:
    """Return what the wrapper of job `job_id` needs; `document` is the stored description, with placeholders."""
    return work_of(fill(dict(document), parameters, job_id))


def work_of(job: Document) -> dict[str, Any]:
    """Return the work document of a filled description, its text included; raises `BadAttribute`."""
    description = Description.read(job, only=_READ)
    std_streams = (description.std_output, description.std_error)
    return {
        "executable": description.executable or "",
        "workflow": _workflow(description),
        "arguments": description.arguments,
        "std_output": description.std_output,
        "std_error": description.std_error,
        "input_sandbox": list(description.input_sandbox),
        "output_sandbox": list(std_streams if description.output_sandbox is None else description.output_sandbox),
        "input_data": list(description.input_data),
        "output_data": list(description.output_data),
        "wants_outputs": bool(description.output_data),
        "wants_inputs": bool(files_of(description).lfns),
        "output_se": list(description.output_se),
        "output_path": description.output_path,
        "environment": description.environment,
        "job_name": description.job_name or "Unknown",
        "job_type": description.job_type or "User",
        "job_group": description.job_group or "00000000",
        "owner": description.owner,
        "owner_group": description.owner_group,
        "vo": description.vo,
        "log_level": description.log_level,
        "cpu_time_s": None if description.cpu_time_s is None else max(0, description.cpu_time_s),
        "stop_signal": _stop_signal(description),
        "jdl": jdl.render(job),
    }


def _workflow(description: Description) -> dict[str, Any] | None:
    workflow = description.workflow
    return None if workflow is None else {"bundle": workflow.bundle, "fragment": workflow.fragment}


def _stop_signal(description: Description) -> dict[str, Any] | None:
    if description.stop_signal is None:
        return None
    return {
        "number": description.stop_signal,
        "start_seconds": description.stop_signal_start_s,
        "finish_seconds": description.stop_signal_finish_s,
        "regex": description.stop_signal_regex,
    }
