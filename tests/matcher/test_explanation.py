"""Why a job waits: the condition that keeps it from running is named in a sentence, in every situation."""

from typing import Any

import pytest
from tests.matcher.factories import a_class, an_offer

from weyl.matcher.evaluation import needs_of
from weyl.matcher.explanation import Candidate, Findings, examine, false_atoms, verdict
from weyl.matcher.offers import Acceptance, GpuOffer, Place
from weyl.task_queues import architectures, tags

GPU = GpuOffer(count=2, vendor="nvidia", arch="sm_70", vram_mb=16_000, runtime=(12,))


def _seen(pilots: int = 10, closed: str | None = None, **changes: Any) -> Candidate:
    return Candidate(an_offer(closed=closed is not None, **changes), pilots, closed)


def _examine(requirements: dict[str, Any] | None = None, *candidates: Candidate, **context: Any) -> Findings:
    return examine(needs_of(a_class(requirements, **context).document), candidates)


S2 = Place("voa", "S2", "ce2", "q")

SITUATIONS: list[tuple[dict[str, Any], dict[str, Any], list[Candidate], str, str]] = [
    ({}, {}, [], "", "No pilot of voa has asked for work in the last 24 h"),
    (
        {},
        {"sites": ["S9"]},
        [_seen()],
        "site",
        "No pilot came from S9 in the last 24 h; pilots came from S1",
    ),
    ({}, {"banned_sites": ["S1"]}, [_seen()], "site", "Pilots came from S1 only, and the job must not run at S1"),
    (
        {},
        {"banned_sites": ["S1"], "avoid": {"hosts": ["wn7"]}},
        [_seen()],
        "site",
        "Pilots came from S1 only, and the job must not run at S1",
    ),
    ({}, {}, [_seen(closed="S1: flooded")], "site_status", "Closed for jobs: S1: flooded"),
    (
        {"cpu": {"ram_mb": {"request": {"overhead": 32_768}}}},
        {},
        [_seen(), _seen(ram_mb=8_000, place=S2)],
        "ram",
        "No pilot of the last 24 h at S1 and S2 offers memory: 32,768 MiB; the most was 16,384 MiB",
    ),
    (
        {"cpu": {"num_cores": {"min": 16, "max": 16}}},
        {},
        [_seen()],
        "cores",
        "No pilot of the last 24 h at S1 offers cores: 16; the most was 8",
    ),
    (
        {"wall_time": 172_800},
        {},
        [_seen()],
        "wall_time",
        "No pilot of the last 24 h at S1 offers time: 172,800 s; the most was 86,400 s",
    ),
    (
        {"gpu": {"vendor": "nvidia", "arch": "sm_80", "count": {"min": 1, "max": 1}}},
        {},
        [_seen(gpu=GPU), _seen()],
        "gpu",
        "No pilot of the last 24 h at S1 offers 1 GPU(s): nvidia, sm_80; "
        "offered: 2 GPU(s): nvidia, sm_70, 16000 MiB each and no GPU",
    ),
    ({}, {}, [_seen(gpu=GPU)], "gpu", "Every pilot left at S1 has GPUs, and jobs that ask for none are kept off"),
    (
        {"tags": "cvmfs:lhcb.cern.hc"},
        {},
        [_seen(tags=frozenset({"cvmfs:lhcb.cern.ch"}))],
        "tags",
        "No pilot of the last 24 h at S1 has the tag cvmfs:lhcb.cern.hc; did you mean cvmfs:lhcb.cern.ch?",
    ),
    (
        {"tags": "~network:wan-degraded"},
        {},
        [_seen(tags=frozenset({"network:wan-degraded"}))],
        "tags",
        "Every pilot of the last 24 h at S1 has the tag network:wan-degraded, which the job excludes",
    ),
    (
        {"cpu": {"architecture": {"name": "aarch64"}}},
        {},
        [_seen()],
        "architecture",
        "No pilot of the last 24 h at S1 has aarch64 processors; offered: x86_64",
    ),
    (
        {"cpu": {"architecture": {"name": "x86_64", "level": "x86-64-v4"}}},
        {},
        [_seen(features=architectures.features_of_level("x86-64-v3"))],
        "features",
        "No pilot of the last 24 h at S1 has processors with avx512bw, avx512cd, avx512dq, avx512f and avx512vl",
    ),
    (
        {"io": {"scratch_mb": 100_000}},
        {},
        [_seen()],
        "scratch",
        "No pilot of the last 24 h at S1 offers scratch space: 100,352 MiB; the most was 40,960 MiB",
    ),
    (
        {},
        {"job_type": "Merge"},
        [_seen(accept=Acceptance(job_types=frozenset({"User"})))],
        "accept",
        "The pilots at S1 take other jobs only, not job type Merge, group user, owner alice",
    ),
    ({}, {}, [_seen(system="Darwin")], "os", "No pilot of the last 24 h at S1 runs Linux"),
]


@pytest.mark.parametrize(("requirements", "context", "candidates", "blocked_by", "sentence"), SITUATIONS)
def test_the_right_cause_is_named(
    requirements: dict[str, Any],
    context: dict[str, Any],
    *,
    candidates: list[Candidate],
    blocked_by: str,
    sentence: str,
) -> None:
    findings = _examine(requirements, *candidates, **context)
    assert (findings.blocked_by or "") == blocked_by
    assert verdict(findings).startswith(sentence)


def test_each_step_tells_what_it_removed_and_what_it_left() -> None:
    small = _seen(3, ram_mb=2_048, place=S2)
    findings = _examine(
        {"cpu": {"ram_mb": {"request": {"overhead": 4_096}}}}, small, _seen(4), _seen(5, place=S2, cores=0)
    )
    cores, ram = findings.steps
    assert (cores.condition, cores.pilots_removed, cores.pilots_left, cores.sites_removed) == ("cores", 5, 7, 0)
    assert (ram.condition, ram.wanted, ram.best_offered) == ("ram", 4_096, 2_048)
    assert (ram.sites_removed, ram.pilots_removed, ram.sites_left, ram.pilots_left) == (1, 3, 1, 4)
    assert findings.blocked_by is None
    assert verdict(findings) == "4 pilots of the last 24 h, at S1, could run it: it waits for its turn"


def test_the_nearest_are_those_that_one_condition_keeps_away_the_most_pilots_first() -> None:
    wanted = {"cpu": {"ram_mb": {"request": {"overhead": 4_096}}}}
    few, many = _seen(2, ram_mb=2_048), _seen(9, place=S2)
    far = _seen(50, place=S2, ram_mb=1_024)
    findings = _examine(wanted, few, many, far, sites=["S1"])
    assert [(near.site, near.pilots, [fail.condition for fail in near.fails]) for near in findings.nearest] == [
        ("S2", 9, ["site"]),
        ("S1", 2, ["ram"]),
    ]
    assert findings.nearest[1].fails[0].offered == 2_048


def test_of_several_alternatives_the_one_that_comes_nearest_is_told() -> None:
    gpu = _examine({"gpu": {"vendor": "nvidia", "arch": "sm_80", "count": {"min": 1, "max": 1}}}, _seen())
    site = _examine({}, _seen(), sites=["S9"])
    nearest = max([site, gpu], key=lambda findings: findings.progress)
    assert nearest is gpu
    assert verdict(nearest, alternatives=2).startswith(
        "None of its 2 alternatives fits. The one that comes nearest: No"
    )


@pytest.mark.parametrize(
    ("expression", "offered", "false"),
    [("a & b", {"a"}, ["b"]), ("a | b", set(), ["a", "b"]), ("~a & b", {"a", "b"}, ["~a"]), ("a", {"a"}, [])],
)
def test_the_tags_that_make_an_expression_false_are_named(expression: str, offered: set[str], false: list[str]) -> None:
    assert false_atoms(tags.parse(expression), frozenset(offered)) == false
