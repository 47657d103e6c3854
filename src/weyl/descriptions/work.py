"""The work document: what a pilot needs to know to run one job, made from its description."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from weyl.descriptions import jdl
from weyl.descriptions.attributes import integer_of, text_of, texts_of
from weyl.descriptions.parametric import fill

STOP_SIGNAL = ("StopSigNumber", "StopSigStartSeconds", "StopSigFinishSeconds")
ATTRIBUTES = (
    *("Executable", "Arguments", "StdOutput", "StdError", "InputSandbox", "OutputSandbox", "InputData", "OutputData"),
    *("OutputSE", "OutputPath", "ExecutionEnvironment", "JobName", "JobType", "JobGroup", "LogLevel", "CPUTime"),
    *STOP_SIGNAL,
    "StopSigRegex",
)
"""What is read of a description that its user may write."""
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def work_document(document: Mapping[str, Any], parameters: Mapping[str, Any] | None, job_id: int) -> dict[str, Any]:
    """Return what the wrapper of job `job_id` needs; `document` is the stored description, with placeholders."""
    job = fill(dict(document), parameters, job_id)
    return {**read_work(job), "jdl": jdl.render(job)}


def read_work(job: Mapping[str, Any]) -> dict[str, Any]:
    """Return the work document of a filled description, all but its text; raises `BadAttribute`."""
    std_output = text_of(job, "StdOutput") or "std.out"
    std_error = text_of(job, "StdError") or "std.err"
    output_sandbox = texts_of(job, "OutputSandbox") if "OutputSandbox" in job else [std_output, std_error]
    return {
        "executable": text_of(job, "Executable") or "",
        "arguments": _arguments(job),
        "std_output": std_output,
        "std_error": std_error,
        "input_sandbox": texts_of(job, "InputSandbox"),
        "output_sandbox": output_sandbox,
        "input_data": texts_of(job, "InputData"),
        "output_data": texts_of(job, "OutputData"),
        "output_se": texts_of(job, "OutputSE"),
        "output_path": text_of(job, "OutputPath") or "",
        "environment": environment(job),
        "job_name": text_of(job, "JobName") or "Unknown",
        "job_type": text_of(job, "JobType") or "User",
        "job_group": text_of(job, "JobGroup") or "00000000",
        "owner": text_of(job, "Owner") or "",
        "owner_group": text_of(job, "OwnerGroup") or "",
        "vo": text_of(job, "VirtualOrganization") or "",
        "log_level": text_of(job, "LogLevel") or "INFO",
        "cpu_time_s": integer_of(job, "CPUTime"),
        "stop_signal": _stop_signal(job),
    }


def environment(job: Mapping[str, Any]) -> dict[str, str]:
    """Return the variables of ExecutionEnvironment: `NAME=value` items, percent-encoded by DIRAC's client."""
    value = job.get("ExecutionEnvironment")
    items = value.split(";") if isinstance(value, str) else texts_of(job, "ExecutionEnvironment")
    variables: dict[str, str] = {}
    for item in items:
        name, equals, content = item.strip().partition("=")
        if equals and _NAME.fullmatch(name.strip()):
            variables[name.strip()] = unquote(content)
    return variables


def _arguments(job: Mapping[str, Any]) -> str:
    """One text, which the wrapper splits as a shell would; a list is its items with blanks between them."""
    value = job.get("Arguments")
    return " ".join(texts_of(job, "Arguments")) if isinstance(value, list) else text_of(job, "Arguments") or ""


def _stop_signal(job: Mapping[str, Any]) -> dict[str, Any] | None:
    number, start_s, finish_s = (integer_of(job, name) for name in STOP_SIGNAL)
    if number is None:
        return None
    return {
        "number": number,
        "start_seconds": start_s if start_s is not None else 300,
        "finish_seconds": finish_s if finish_s is not None else 60,
        "regex": text_of(job, "StopSigRegex") or "",
    }
