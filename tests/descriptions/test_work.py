"""A pilot gets everything that it needs to run a job, filled in."""

from weyl.descriptions.description import environment_of
from weyl.descriptions.jdl import parse
from weyl.descriptions.work import work_document


def test_a_job_with_everything() -> None:
    text = """
    Executable = "run.sh"; Arguments = "--seed %s --job %j"; StdOutput = "out.%n"; StdError = "err";
    InputSandbox = {"SB:SandboxSE|/S3/b/vo/g/u/sha256:0.tar.zst", "run.sh"}; OutputSandbox = {"out.%n", "hist.json"};
    OutputData = "LFN:/vo/x"; OutputSE = {"SE1", "SE2"}; ExecutionEnvironment = {"A=b%20c", "D=1=2", "bad"};
    JobName = "sim"; JobGroup = "g1"; JobType = "Test";
    Owner = "alice"; OwnerGroup = "users"; VirtualOrganization = "vo";
    StopSigNumber = 10; StopSigRegex = "python"; LogLevel = "DEBUG"; ParameterCount = 20;
    """
    work = work_document(parse(text), {"ParameterNumber": 7, "Parameter": 1.5}, 42)
    assert work["jdl"].count("--seed 1.5 --job 42")
    del work["jdl"]
    assert work == {
        "executable": "run.sh",
        "workflow": None,
        "arguments": "--seed 1.5 --job 42",
        "std_output": "out.07",
        "std_error": "err",
        "input_sandbox": ["SB:SandboxSE|/S3/b/vo/g/u/sha256:0.tar.zst", "run.sh"],
        "output_sandbox": ["out.07", "hist.json"],
        "input_data": [],
        "output_data": ["LFN:/vo/x"],
        "wants_outputs": True,
        "wants_inputs": False,
        "output_se": ["SE1", "SE2"],
        "output_path": "",
        "environment": {"A": "b c", "D": "1=2"},
        "job_name": "sim",
        "job_type": "Test",
        "job_group": "g1",
        "owner": "alice",
        "owner_group": "users",
        "vo": "vo",
        "log_level": "DEBUG",
        "cpu_time_s": None,
        "stop_signal": {"number": 10, "start_seconds": 300, "finish_seconds": 60, "regex": "python"},
    }


def test_a_job_with_nothing_keeps_its_standard_streams() -> None:
    work = work_document(parse('Executable = "/bin/true";'), None, 1)
    assert (work["std_output"], work["std_error"]) == ("std.out", "std.err")
    assert work["output_sandbox"] == ["std.out", "std.err"]
    assert work_document(parse('Executable = "a"; OutputSandbox = {};'), None, 1)["output_sandbox"] == []


def test_arguments_may_be_a_list() -> None:
    assert work_document(parse('Executable = "a"; Arguments = {"x", 3};'), None, 1)["arguments"] == "x 3"


def test_the_environment_in_one_text() -> None:
    assert environment_of("A=1;B=a%3Bb", "ExecutionEnvironment") == {"A": "1", "B": "a;b"}
