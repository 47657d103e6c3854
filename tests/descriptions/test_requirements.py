"""A job description is read as the requirements that pilots are matched by."""

from typing import Any

import pytest

from weyl.descriptions.description import Description
from weyl.descriptions.errors import BadAttribute
from weyl.descriptions.jdl import parse
from weyl.descriptions.requirements import Limits, Resolved, resolve, site_column
from weyl.task_queues.requirements import make_class

UNSPECIFIC = "No architecture is asked for: the job may run on any, such as x86_64 or aarch64"
_LIMITS = Limits(db12_per_cpu_time=1.5)


def _resolve(text: str, limits: Limits = _LIMITS) -> Resolved:
    resolved = resolve(Description.read(parse(text)), limits)
    make_class(_only(resolved), vo="v", group="g", owner="o", job_type="User", sites=resolved.sites)
    return resolved


def _only(resolved: Resolved) -> dict[str, Any]:
    [requirements] = resolved.alternatives
    return requirements


def test_nothing_said_means_one_core_anywhere_with_the_default_work() -> None:
    assert _resolve("") == Resolved(
        ({"system": {"name": "Linux"}, "cpu": {}, "cpu_work_db12": 129_600, "tags": ""},),
        ("",),
        sites=None,
        banned_sites=(),
        job_type="User",
        priority=1,
        warnings=(UNSPECIFIC,),
    )


@pytest.mark.parametrize(
    ("text", "cpu"),
    [
        ("NumberOfProcessors = 4;", {"num_cores": {"min": 4, "max": 4}}),
        ("NumberOfProcessors = 4; MinNumberOfProcessors = 2;", {"num_cores": {"min": 4, "max": 4}}),
        ("MinNumberOfProcessors = 2; MaxNumberOfProcessors = 8;", {"num_cores": {"min": 2, "max": 8}}),
        ("MaxNumberOfProcessors = 8;", {"num_cores": {"min": 1, "max": 8}}),
        ("MinNumberOfProcessors = 2;", {"num_cores": {"min": 2, "max": None}}),
        ('Tag = {"8Processors", "MultiProcessor"};', {"num_cores": {"min": 8, "max": 8}}),
        ("WholeNode = true;", {"whole_node": True, "num_cores": {"min": 1, "max": None}}),
        ('Tags = "WholeNode";', {"whole_node": True, "num_cores": {"min": 1, "max": None}}),
        ("WholeNode = no;", {}),
        (
            "MinRAM = 2048; MaxRAM = 4096;",
            {"ram_mb": {"request": {"overhead": 2048, "per_core": 0}, "limit": {"overhead": 4096, "per_core": 0}}},
        ),
        ('Platform = "x86_64_v3-any";', {"architecture": {"name": "x86_64", "level": "x86-64-v3"}}),
        ('Platform = {"haswell-any", "ANY"};', {}),
    ],
)
def test_what_is_asked_of_the_processor(text: str, cpu: dict[str, Any]) -> None:
    assert _only(_resolve(text))["cpu"] == cpu


@pytest.mark.parametrize(
    ("text", "expression"),
    [
        ('Tag = {"os:el9", "b", "a"};', "a & b & os:el9"),
        ('Platform = "x86_64_v2-el9";', "os:el9"),
        ('Platform = {"Linux_x86_64_glibc-2.17", "x86_64-el9"};',
         "platform:Linux_x86_64_glibc-2.17 | platform:x86_64-el9"),
        ('GridCE = "ce1.example.org";', "ce:ce1.example.org"),
        ('GridCE = {"ce1", "ce2"}; Tags = "x";', "(ce:ce1 | ce:ce2) & x"),
        ('GridCE = "ANY";', ""),
    ],
)  # fmt: skip
def test_what_has_no_field_becomes_a_tag(text: str, expression: str) -> None:
    assert _only(_resolve(text))["tags"] == expression


def test_a_gpu_tag_asks_for_one_gpu_unless_the_vo_says_which() -> None:
    assert _only(_resolve('Tags = "GPU";'))["gpu"] == {
        "vendor": "nvidia",
        "arch": "sm_50",
        "count": {"min": 1, "max": 1},
    }
    configured = {"vendor": "nvidia", "arch": "sm_80", "count": {"min": 1, "max": 2}}
    assert _only(_resolve('Tags = "GPU";', Limits(defaults={"gpu": configured})))["gpu"] == configured


def test_defaults_of_the_vo_fill_what_the_job_leaves_out() -> None:
    defaults = {"cpu": {"num_cores": {"min": 2, "max": 2}, "ram_mb": {"request": {"overhead": 512}}}, "tags": "site-x"}
    requirements = _only(_resolve('NumberOfProcessors = 3; Tags = "y";', Limits(defaults=defaults)))
    assert requirements["cpu"] == {"num_cores": {"min": 3, "max": 3}, "ram_mb": {"request": {"overhead": 512}}}
    assert requirements["tags"] == "site-x & y"
    assert defaults["tags"] == "site-x"


@pytest.mark.parametrize(
    ("text", "work", "priority"),
    [
        ("CPUTime = 1000; Priority = 5;", 1500, 5),
        ('CPUTime = "1000"; Priority = "5";', 1500, 5),
        ("CPUTime = 1; Priority = -4;", 150, 0),
        ("MaxCPUTime = 99999999; Priority = 99;", 750_000, 10),
    ],
)
def test_time_and_priority_stay_within_the_bounds_of_the_vo(text: str, work: int, priority: int) -> None:
    resolved = _resolve(text)
    assert (_only(resolved)["cpu_work_db12"], resolved.priority) == (work, priority)


def test_sites() -> None:
    assert _resolve('Site = "B, A"; BannedSites = {"B"};').sites == ("A",)
    assert _resolve('Site = {"A", "B"}; BannedSites = {"B"};').warnings
    assert _resolve('BannedSites = {"B"}; Site = "ANY";').banned_sites == ("B",)
    assert _resolve('BannedSites = {"B"}; Site = "ANY";').sites is None


@pytest.mark.parametrize(
    ("text", "column"),
    [('Site = "A";', "A"), ('Site = {"A", "B"};', "Multiple"), ("", "ANY"), ('Site = "any";', "ANY")],
)
def test_the_site_that_a_job_shows_at_first(text: str, column: str) -> None:
    assert site_column(Description.read(parse(text)).sites) == column


@pytest.mark.parametrize(
    ("text", "attribute"),
    [
        ("CPUTime = 2 * 3600;", "CPUTime"),
        ('Priority = "high";', "Priority"),
        ("NumberOfProcessors = 0;", "NumberOfProcessors"),
        ("MinNumberOfProcessors = 4; MaxNumberOfProcessors = 2;", "MaxNumberOfProcessors"),
        ("MinRAM = 4; MaxRAM = 2;", "MaxRAM"),
        ('Tags = "a b";', "Tags"),
        ('Tags = "os:el99";', "Tags"),
        ('Tags = "site:X";', "Tags"),
        ('WholeNode = "perhaps";', "WholeNode"),
        ('Platform = "what is this";', "Platform"),
        ("Site = {[a = 1]};", "Site"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(text: str, attribute: str) -> None:
    with pytest.raises(BadAttribute, match=attribute):
        _resolve(text)
