"""What the author of a description probably did not mean is told, or refused where that is asked for."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from weyl.descriptions.advice import missing_program
from weyl.descriptions.attributes import misspelled
from weyl.descriptions.description import Owner
from weyl.descriptions.errors import BadSubmission
from weyl.descriptions.requirements import Limits
from weyl.descriptions.texts import Form, prepare

STRICT = replace(Limits(), is_strict=True)


def told(text: str, *, limits: Limits = STRICT, form: Form = "jdl") -> Sequence[str]:
    [found] = prepare([text], Owner(vo="v", group="g", name="o"), limits, jobs_max=50, form=form).descriptions
    return found.warnings


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("InputSandbx", "InputSandbox"),
        ("OutputSanbox", "OutputSandbox"),
        ("Arguements", "Arguments"),
        ("StdOut", "StdOutput"),
        ("Prioritiy", "Priority"),
        ("MaxCPUTimes", "CPUTime"),
        ("Paramters.seed", "Parameters.seed"),
        ("input_sandbx", "InputSandbox"),
        ("Campain", "Campaign"),
    ],
)
def test_a_name_close_to_a_known_one_is_told(name: str, meant: str) -> None:
    assert list(misspelled([name], ["Campaign"])) == [
        f"{name} is not a known attribute and is ignored: did you mean {meant}?"
    ]


@pytest.mark.parametrize(
    "name", ["Campaign", "InputDataType", "OutputDataStep", "jobname", "Sites", "Parameters.x", "DIRACSetup", "MyRun"]
)
def test_names_of_others_and_known_ones_are_not_told(name: str) -> None:
    assert not list(misspelled([name], ["campaign"]))


def test_of_very_many_or_very_long_names_few_are_compared() -> None:
    many = [f"Executble{number}" for number in range(10_000)]
    assert 0 < len(list(misspelled(many))) < 1_000
    assert not list(misspelled(["Executabl" + "e" * 1_000_000]))


def test_misspelled_attributes_are_accepted_with_a_warning_in_both_forms() -> None:
    [warning] = told('Executable = "/bin/true"; Arguement = "x";')
    assert "did you mean Arguments?" in warning
    [warning] = told('{"executable": "/bin/true", "output_sanbox": ["a"]}', form="json")
    assert warning.startswith("output_sanbox")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('Arguments = "%(sed)s"; Parameters.seed = 3;', r"Arguments: has %\(sed\)s, .* did you mean %\(seed\)s"),
        ('Arguments = "%(seed)s";', r"there is no series 'seed': give its values, as Parameters\.seed"),
        ('OutputSandbox = {"a", "%(run)s.root"}; Parameters = 3;', "OutputSandbox"),
        ("Priority = 11;", "Priority: must be between 0 and 10 in your VO, not 11"),
        ("Priority = -1;", "Priority"),
        ("CPUTime = 5;", "CPUTime: must be between 100 and 500000 seconds in your VO, not 5"),
        ("CPUTime = 500001;", "CPUTime"),
        ("Priority = %s; Parameters = {3, 99};", "Priority: must be between 0 and 10 in your VO, not 99"),
        ("NumberOfProcessors = 0;", "NumberOfProcessors: must be between 1"),
        ("MaxRAM = 99999999999;", "MaxRAM: must be between 0 and"),
    ],
)
def test_what_is_out_of_bounds_or_stands_for_nothing_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(BadSubmission, match=sentence):
        told('Executable = "/bin/true"; ' + text)


def test_without_strictness_the_contract_holds() -> None:
    text = 'Executable = "/bin/true"; Arguments = "%(seed)s"; Priority = 99; CPUTime = 5;'
    assert not told(text, limits=Limits())


def test_placeholders_in_attributes_without_a_meaning_are_left_alone() -> None:
    assert not told('Executable = "/bin/true"; MyNote = "%(x)s";')


def test_a_placeholder_without_a_name_beside_named_series_is_told() -> None:
    [warning] = told('Executable = "/bin/echo"; Arguments = "%s"; Parameters.seed = 3;')
    assert warning == "Arguments has %s, but the parameters have names: did you mean %(seed)s?"


@pytest.mark.parametrize(
    ("program", "brought"),
    [
        ("/opt/run.sh", []),
        ("python3", []),
        ("dirac-jobexec", []),
        ("run.sh", ["run.sh"]),
        ("./run.sh", ["run.sh"]),
        ("bin/run.sh", ["bin"]),
        ("run.sh", ["code.tar.gz"]),
        ("run.sh", None),
        ("%s", []),
        ("", []),
    ],
)
def test_a_program_that_may_be_there_is_not_told(program: str, brought: list[str] | None) -> None:
    assert missing_program(program, brought) is None


@pytest.mark.parametrize(("program", "brought"), [("run.sh", []), ("run.sh", ["rn.sh"]), ("bin/run.sh", ["run.sh"])])
def test_a_program_that_nothing_brings_is_told(program: str, brought: list[str]) -> None:
    assert f"Executable {program} is neither" in str(missing_program(program, brought))
    assert ("Did you mean rn.sh?" in str(missing_program(program, brought))) == ("rn.sh" in brought)


def test_programs_are_looked_for_among_what_the_description_brings() -> None:
    [warning] = told('Executable = "run.sh"; InputSandbox = {"LFN:/v/rum.sh"};')
    assert "Did you mean rum.sh?" in warning
    assert not told('Executable = "run.sh"; InputSandbox = {"LFN:/v/run.sh"};')
    assert not told('Executable = "run.sh"; InputSandbox = {"SB:SE|/S3/x"};')
    assert not told(
        'Executable = "run.sh"; InputData = %(InputData)s; Parameters.InputData = {{"/v/run.sh"}, {"/v/b"}};'
    )
