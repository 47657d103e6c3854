"""What a document's tools ask for becomes the requirements of the one job that runs them all."""

from typing import Any

import pytest
from tests.cwl.test_hints import CAMERA, IRI, Camera, hint

from weyl.config.cwl import CWLOptions
from weyl.cwl.additions import HintKind
from weyl.cwl.hints import Written, effective, overriding, read_hints
from weyl.cwl.job_document import Frame, Said, attributes
from weyl.cwl.requirements import Derived, NoRequirement, Site, derived, refusals
from weyl.descriptions.description import Description
from weyl.descriptions.errors import BadAttribute
from weyl.descriptions.requirements import Limits, resolve

LIMITS = Limits(default_cpu_time_s=1000, db12_per_cpu_time=2.0)
SOFTWARE = Site({"root": "cvmfs:sft.cern.ch & os:el9", "https://spack.io/x": "cvmfs:x.org"}, 300)


def tool(name: str = "reco.cwl", **more: Any) -> dict[str, Any]:
    made = {"id": more.pop("id", name), "name": name, "file": name, "after": more.pop("after", [])}
    return {**made, "resources": more.pop("resources", None), **more}


def come_to(*tools: dict[str, Any], version: str = "v1.2", numbers: list[Any] | None = None) -> Derived:
    def pick(value: Any) -> Any:
        return numbers[value["expression"]] if isinstance(value, dict) and numbers is not None else value

    return derived(tools, pick, SOFTWARE, version=version)


def frame(document: Any = None, submission: Any = None, *, limits: Limits = LIMITS, options: Any = None) -> Frame:
    return Frame.of(said(document, submission, options=options), limits)


def said(document: Any = None, submission: Any = None, *, options: Any = None, **more: Any) -> Said:
    own, over = read_hints([hint(document or {})], {}), overriding(submission or {}, {})
    held = effective(own, over, CWLOptions.model_validate(options or {}), vo="voa")
    return Said(held, own, over, {}, **more)


def test_no_resources_at_all_leave_it_to_the_vo() -> None:
    made = come_to(tool())
    assert made.requirements == {"tags": "hostfeat:cwl"}
    found, problems = frame().requirements(made)
    assert problems == []
    assert found == {"cpu": {}, "tags": "hostfeat:cwl", "system": {"name": "Linux"}, "cpu_work_db12": 2000}


@pytest.mark.parametrize(
    ("resources", "cores", "ram", "limit", "scratch"),
    [
        ({"coresMin": 2}, (2, 2), 256, None, 2048),
        ({"coresMax": 4}, (4, 4), 256, None, 2048),
        ({"coresMin": 1.5, "coresMax": 7.2}, (2, 8), 256, None, 2048),
        ({"coresMin": 0}, (1, 1), 256, None, 2048),
        ({"ramMin": 1000.5}, (1, 1), 1001, None, 2048),
        ({"ramMax": 3000}, (1, 1), 3000, 3000, 2048),
        ({"ramMin": 1000, "ramMax": 3000}, (1, 1), 1000, 3000, 2048),
        ({"tmpdirMin": 0, "outdirMin": 5}, (1, 1), 256, None, 5),
        ({"tmpdirMax": 10}, (1, 1), 256, None, 1034),
    ],
)
def test_what_is_left_out_has_cwls_own_defaults(
    resources: dict[str, Any], cores: tuple[int, int], ram: int, limit: int | None, scratch: int
) -> None:
    found = come_to(tool(resources=resources)).requirements
    assert found["cpu"]["num_cores"] == {"min": cores[0], "max": cores[1]}
    memory = {"request": {"overhead": ram + 128, "per_core": 0}}
    if limit is not None:
        memory["limit"] = {"overhead": limit + 128, "per_core": 0}
    assert found["cpu"]["ram_mb"] == memory
    assert found["io"] == {"scratch_mb": scratch}


def test_an_expression_of_a_conditional_step_that_comes_to_null_asks_for_nothing() -> None:
    resources = {"coresMin": {"expression": 0}, "ramMin": 3000, "ramMax": {"expression": 0}}
    found = come_to(tool(resources=resources, when=True), numbers=[None]).requirements
    assert found["cpu"]["num_cores"] == {"min": 1, "max": 1}
    assert found["cpu"]["ram_mb"] == {"request": {"overhead": 3128, "per_core": 0}}


def test_version_one_asked_for_more_memory() -> None:
    assert come_to(tool(resources={"coresMin": 1}), version="v1.0").ram_mb == 1024


def test_a_workflow_needs_the_most_of_its_tools_and_the_scratch_of_all() -> None:
    made = come_to(
        tool("a.cwl", resources={"coresMin": 4, "ramMin": 100, "tmpdirMin": 10, "outdirMin": 1}),
        tool("b.cwl", resources={"coresMin": 1, "ramMin": 2000, "tmpdirMin": 50, "outdirMin": 2}),
        tool("c.cwl"),
    )
    assert made.requirements["cpu"]["num_cores"] == {"min": 4, "max": 4}
    assert made.requirements["cpu"]["ram_mb"] == {"request": {"overhead": 2128, "per_core": 0}}
    assert made.requirements["io"] == {"scratch_mb": 1024 + 1 + 2 + 1024}
    assert {pointer: (origin.word, origin.tool) for pointer, origin in made.origins.items()} == {
        "/cpu/num_cores": ("coresMin", "a.cwl"),
        "/cpu/ram_mb": ("ramMin", "b.cwl"),
        "/io/scratch_mb": ("tmpdirMin and outdirMin", "c.cwl"),
    }


def test_a_limit_of_memory_leaves_room_for_tools_without_one() -> None:
    tools = tool("a", resources={"ramMin": 1000}), tool("b", resources={"ramMin": 500, "ramMax": 600})
    assert come_to(*tools).requirements["cpu"]["ram_mb"]["limit"] == {"overhead": 1512 + 128, "per_core": 0}


def test_wall_time_is_that_of_the_longest_path_if_every_tool_has_a_limit() -> None:
    a, b, c, d = (
        tool("a", time_limit=100),
        tool("b", time_limit=50, after=["a"]),
        tool("c", time_limit=10, after=["a"]),
        tool("d", time_limit=7, after=["b", "c"]),
    )
    assert come_to(d, c, b, a).requirements["wall_time"] == 157 + 300
    assert "wall_time" not in come_to(a, tool("e")).requirements
    assert "wall_time" not in come_to(a, tool("e", time_limit=0)).requirements
    assert "wall_time" not in come_to(a, tool("e", time_limit=5, scatter=True)).requirements
    found, _ = frame().requirements(come_to(a))
    assert "cpu_work_db12" not in found
    found, _ = frame({"cpu_work": 10_000}).requirements(come_to(a))
    assert (found["wall_time"], found["cpu_work_db12"]) == (400, 20_000)


def test_paths_that_never_end_do_not_hang() -> None:
    assert come_to(tool("a", time_limit=1, after=["b"]), tool("b", time_limit=1, after=["a"])).requirements["wall_time"]


def test_network_software_and_gpus_are_tags_and_a_block() -> None:
    cuda = {"cudaVersionMin": "11.4", "cudaComputeCapability": ["8.6", "8.0"], "cudaDeviceCountMin": 1}
    packages = [{"package": "root", "version": ["6"]}, {"package": "x", "specs": ["https://spack.io/x"]}]
    made = come_to(tool(network=True, software={"level": "requirement", "packages": packages}, cuda=cuda))
    assert made.requirements["tags"] == "cvmfs:sft.cern.ch & cvmfs:x.org & hostfeat:cwl & network:outbound & os:el9"
    assert made.requirements["gpu"] == {
        "vendor": "nvidia",
        "arch": "sm_80",
        "count": {"min": 1, "max": 1},
        "min_runtime_version": "11.4",
    }
    assert made.origins["/tags/network:outbound"].word == "NetworkAccess"
    assert made.origins["/tags/os:el9"].word == "SoftwareRequirement root"


@pytest.mark.parametrize(
    ("more", "code", "severity"),
    [
        ({"docker": {"level": "requirement", "image": "x"}}, "unsupported-requirement", "error"),
        ({"mpi": {"level": "requirement"}}, "unsupported-requirement", "error"),
        ({"software": {"level": "requirement", "packages": [{"package": "y"}]}}, "unknown-package", "error"),
        ({"software": {"level": "hint", "packages": [{"package": "y"}]}}, "unknown-package", "warning"),
    ],
)
def test_what_no_node_has_is_refused_at_its_line(more: dict[str, Any], code: str, severity: str) -> None:
    place = {"file": "tools/a.cwl", "pointer": "/requirements/0", "line": 9, "column": 5}
    word = {"mpi": "MPIRequirement"}.get(next(iter(more)), next(iter(more)))
    [found] = refusals([tool(places={word: place}, **more)], SOFTWARE)
    assert (found.code, found.severity, found.file, found.line) == (code, severity, "tools/a.cwl", 9)


def test_a_container_as_a_hint_is_passed_by() -> None:
    assert list(refusals([tool(docker={"level": "hint", "image": "x"}, mpi=None)], SOFTWARE)) == []


def test_expressions_are_taken_row_by_row() -> None:
    asking = tool(resources={"ramMin": {"expression": 0}, "coresMin": 1})
    assert come_to(asking, numbers=[1000]).ram_mb == 1000
    for value in ("1000", True, None, -1, 2**31, float("nan")):
        with pytest.raises(NoRequirement) as caught:
            come_to(asking, numbers=[value])
        assert caught.value.problem.code == "bad-expression"


def test_a_maximum_below_the_minimum_is_a_contradiction() -> None:
    with pytest.raises(NoRequirement) as caught:
        come_to(tool(resources={"coresMin": 4, "coresMax": 2}))
    assert caught.value.problem.code == "contradiction"


def test_shorthands_lie_below_what_cwl_requires_and_templates_above() -> None:
    document = {
        "platform": "x86_64-el9",
        "tags": ["os:el9", "8Processors", "voa:big"],
        "requirements_template": {"cpu": {"ram_mb": {"request": {"per_core": 10}}}, "tags": "~network:wan-degraded"},
    }
    found, problems = frame(document).requirements(come_to(tool(resources={"coresMin": 2, "ramMin": 100})))
    assert problems == []
    assert isinstance(found, dict)
    assert found["cpu"]["num_cores"] == {"min": 2, "max": 2}
    assert found["cpu"]["architecture"] == {"name": "x86_64"}
    assert found["cpu"]["ram_mb"] == {"request": {"overhead": 228, "per_core": 10}}
    assert found["tags"] == "hostfeat:cwl & os:el9 & voa:big & ~network:wan-degraded"


def test_alternatives_are_each_laid_over_the_same() -> None:
    document = {"requirements_template": [{"gpu": {"count": {"min": 1, "max": 1}}}, {"wall_time": 60}]}
    found, _ = frame(document).requirements(come_to(tool(resources={"coresMin": 2})))
    assert isinstance(found, list)
    assert [each["cpu"]["num_cores"]["min"] for each in found] == [2, 2]
    assert ["cpu_work_db12" in each for each in found] == [True, False]


def test_tags_of_the_vo_hold_unless_a_template_says_tags() -> None:
    limits = Limits(defaults={"tags": "os:el9"})
    found, _ = frame(limits=limits).requirements(come_to(tool()))
    assert isinstance(found, dict)
    assert found["tags"] == "hostfeat:cwl & os:el9"
    found, _ = frame({"requirements_template": {"tags": "os:el10"}}, limits=limits).requirements(come_to(tool()))
    assert isinstance(found, dict)
    assert found["tags"] == "hostfeat:cwl & os:el10"


@pytest.mark.parametrize(
    ("template", "pointer"),
    [
        ({"cpu": {"num_cores": {"min": 1, "max": 2}}}, "/cpu/num_cores/min"),
        ({"cpu": {"num_cores": {"min": 2, "max": 1}}}, "/cpu/num_cores/max"),
        ({"cpu": {"ram_mb": {"request": {"overhead": 100}}}}, "/cpu/ram_mb/request"),
    ],
)
def test_a_template_may_not_go_below_what_the_document_needs(template: dict[str, Any], pointer: str) -> None:
    made = come_to(tool(resources={"coresMin": 2, "ramMin": 500}))
    [found] = frame({"requirements_template": template}).requirements(made)[1]
    assert (found.code, found.file) == ("contradiction", "main.cwl")
    assert found.pointer == f"/hints/dirac:Job/requirements_template{pointer}"
    assert "reco.cwl" in found.detail
    [found] = frame({}, {"requirements_template": template}).requirements(made)[1]
    assert (found.file, found.pointer) == (None, f"/hints/requirements_template{pointer}")
    enough = {"cpu": {"ram_mb": {"request": {"overhead": 100, "per_core": 200}}}}
    assert frame({"requirements_template": enough}).requirements(made)[1] == []


def test_a_shorthand_that_means_nothing_is_refused() -> None:
    with pytest.raises(BadAttribute):
        frame({"tags": ["os:el99"]})


def test_hints_become_attributes() -> None:
    document = {
        "job_type": "Test",
        "group": "g",
        "priority": 3,
        "sites": ["A"],
        "banned_sites": ["B"],
        "log_level": "DEBUG",
        "output_sandbox": ["*.log", {"source": "out"}],
    }
    found, problems = attributes(said(document, outputs=["out"]), LIMITS)
    assert problems == []
    assert found == {
        "JobType": "Test",
        "JobGroup": "g",
        "Priority": 3,
        "Site": ["A"],
        "BannedSites": ["B"],
        "LogLevel": "DEBUG",
        "OutputSandbox": ["std.out", "std.err", "*.log"],
    }
    assert attributes(said(), LIMITS)[0] == {"JobType": "User", "OutputSandbox": ["std.out", "std.err"]}


def test_a_type_that_the_vo_does_not_allow_is_refused_with_the_nearest() -> None:
    [found] = attributes(said({"job_type": "Tset"}), LIMITS)[1]
    assert (found.code, found.pointer, found.did_you_mean) == ("unknown-job-type", "/hints/dirac:Job/job_type", "Test")


def test_sources_name_what_the_document_declares() -> None:
    document = {"output_sandbox": [{"source": "lnes"}], "input_data": [{"source": "events"}]}
    found = attributes(said(document, inputs=["events"], outputs=["lines"]), LIMITS)[1]
    assert [(each.code, each.pointer, each.did_you_mean) for each in found] == [
        ("schema", "/hints/dirac:Job/output_sandbox/0/source", "lines")
    ]


def test_hints_of_extensions_add_attributes_and_requirements_below_the_template() -> None:
    kind = HintKind(
        Camera,
        "Which camera.",
        attributes=lambda camera: {"CameraGain": camera.gain, "Requirements": {"wall_time": 60, "tags": "voa:camera"}},
    )
    own = read_hints([Written(IRI, "ex:Camera", {"gain": 3}, "a", "/hints/0"), hint({})], {IRI: kind})
    held = effective(own, overriding({}, {}), CWLOptions(), vo="voa")
    spoken = Said(held, own, overriding({}, {}), {IRI: kind})
    found, problems = attributes(spoken, LIMITS)
    assert (found["CameraGain"], problems, "Requirements" in found) == (3, [], False)
    required, _ = Frame.of(spoken, LIMITS).requirements(come_to(tool()))
    assert isinstance(required, dict)
    assert (required["wall_time"], required["tags"]) == (60, "hostfeat:cwl & voa:camera")
    assert CAMERA.attributes(Camera(gain=1)) == {"CameraGain": 1}


def test_a_job_description_takes_what_results() -> None:
    found, _ = frame({"tags": ["os:el9"]}).requirements(come_to(tool(resources={"coresMin": 2}, time_limit=60)))
    description = Description.read({"Requirements": found})  # type: ignore[dict-item]
    [resolved] = resolve(description, LIMITS).alternatives
    assert resolved["wall_time"] == 360


def test_software_that_the_configuration_spells_wrong_is_told() -> None:
    asking = tool(software={"level": "requirement", "packages": [{"package": "root"}]})
    with pytest.raises(NoRequirement) as caught:
        derived([asking], lambda value: value, Site({"root": "cvmfs:a & & b"}), version=None)
    assert caught.value.problem.code == "requirements"
