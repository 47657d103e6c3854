"""Requirement classes: hashing, defaults, rounding and validation."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weyl.task_queues.errors import InvalidRequirements
from weyl.task_queues.requirements import RequirementClass, make_class, quantised_wall_time, quantised_work

PEOPLE = {"vo": "lhcb", "group": "lhcb_user", "owner": "ada", "job_type": "User"}


def a_class(requirements: dict[str, Any] | None = None, **context: Any) -> RequirementClass:
    wanted = {"cpu_work_db12": 1000} if requirements is None else requirements
    return make_class(wanted, **{**PEOPLE, **context})  # type: ignore[typeddict-item]


def problems(requirements: dict[str, Any], **context: Any) -> dict[str, str | None]:
    with pytest.raises(InvalidRequirements) as caught:
        a_class(requirements, **context)
    assert caught.value.status == 400
    return {problem.pointer: problem.suggestion for problem in caught.value.problems}


def test_equal_meaning_has_an_equal_hash() -> None:
    left = a_class({"cpu_work_db12": 1000, "tags": "b & a"}, sites=["S2", "S1"])
    right = a_class({"tags": "a&b", "cpu_work_db12": 1000, "cpu": {"num_cores": None}}, sites=["S1", "S2", "S1"])
    assert left.hash == right.hash
    assert left.document == right.document
    assert len(left.hash) == 32


@pytest.mark.parametrize(
    "context",
    [
        {"vo": "ska"},
        {"group": "g"},
        {"owner": "o"},
        {"job_type": "Merge"},
        {"user_priority": 5},
        {"sites": ["S"]},
        {"banned_sites": ["S"]},
        {"avoid": {"hosts": ["wn1"]}},
        {"local_data": ["S"]},
    ],
)
def test_everything_that_decides_is_in_the_hash(context: dict[str, Any]) -> None:
    assert a_class().hash != a_class(**context).hash


def test_the_time_for_which_a_host_is_avoided_is_in_the_hash() -> None:
    for_ever, *until = [a_class(avoid={"hosts": ["wn1"]}, avoid_hosts_until=at) for at in (None, 300, 600)]
    assert len({for_ever.hash, *(each.hash for each in until)}) == 3
    assert a_class(avoid_hosts_until=300).hash == a_class().hash


@pytest.mark.parametrize(
    ("made", "digest"),
    [
        (a_class(), "081859b6df467bc12237347a6941a108d833d94436dfbd93f85960160221a60c"),
        (
            a_class(banned_sites=["S1"], avoid={"hosts": ["wn1"]}),
            "7d2abc503be264c3e8b1d883c031d79c9249aa4edcb666eee05f7ef7ee2277b2",
        ),
    ],
)
def test_a_class_keeps_its_hash_from_release_to_release(made: RequirementClass, digest: str) -> None:
    """With another, jobs that come after an upgrade would not stand in line behind those that wait for the same."""
    assert made.hash.hex() == digest


def test_the_canonical_form_reads_back_and_has_integers_only() -> None:
    made = a_class({"cpu_work_db12": 7, "wall_time": 10, "gpu": None, "io": {"scratch_mb": 1}})
    assert json.loads(made.canonical) == made.document
    assert made.document["requirements"]["io"] == {"scratch_mb": 512}
    assert made.document["requirements"]["wall_time"] == 300


def test_hard_defaults_are_one_core_on_linux() -> None:
    resolved = a_class().document["requirements"]
    assert resolved["cpu"] == {"num_cores": {"min": 1, "max": 1}, "whole_node": False}
    assert resolved["system"] == {"name": "Linux"}
    unbounded = a_class({"cpu_work_db12": 1, "cpu": {"num_cores": {"min": 2}}})
    assert unbounded.document["requirements"]["cpu"]["num_cores"] == {"min": 2, "max": None}


def test_a_level_is_expanded_once_for_all() -> None:
    made = a_class({"cpu_work_db12": 1, "cpu": {"architecture": {"name": "x86_64", "level": "x86-64-v3"}}})
    assert {"avx2", "fma", "sse4_2"} <= set(made.document["features"])


@given(st.integers(1, 31_536_000))
def test_wall_times_are_rounded_up_once(seconds: int) -> None:
    rounded = quantised_wall_time(seconds)
    assert seconds <= rounded < seconds + 3_600
    assert quantised_wall_time(rounded) == rounded


@pytest.mark.parametrize("seconds", [86_400, 259_200, 172_800, 3_600, 43_200])
def test_standard_queue_lengths_stay_what_they_are(seconds: int) -> None:
    assert quantised_wall_time(seconds) == seconds


@given(st.integers(1, 10**12))
def test_work_is_rounded_up_by_at_most_one_step(work: int) -> None:
    rounded = quantised_work(work)
    assert work <= rounded <= work * 2 ** (1 / 16) + 1
    assert quantised_work(rounded) == rounded


def test_every_violation_is_listed_with_the_nearest_word() -> None:
    found = problems({"cpu_work_db12": 0, "wal_time": 5, "cpu": {"num_cores": {"mn": 1}}})
    assert found == {"/cpu_work_db12": None, "/wal_time": "wall_time", "/cpu/num_cores/mn": "min"}


@pytest.mark.parametrize(
    ("requirements", "pointer"),
    [
        ({}, ""),
        ({"cpu_work_db12": True}, "/cpu_work_db12"),
        ({"cpu_work_db12": 1.5}, "/cpu_work_db12"),
        ({"cpu_work_db12": 1, "cpu": {"num_cores": {"min": 4, "max": 2}}}, "/cpu/num_cores"),
        ({"cpu_work_db12": 1, "cpu": []}, "/cpu"),
        ({"cpu_work_db12": 1, "cpu": {"ram_mb": {"request": {"overhead": 9}, "limit": {"overhead": 8}}}},
         "/cpu/ram_mb/limit/overhead"),
        ({"cpu_work_db12": 1, "cpu": {"architecture": {"name": "aarch64", "level": "x86-64-v2"}}},
         "/cpu/architecture/level"),
        ({"cpu_work_db12": 1, "cpu": {"architecture": {"name": "x86_64", "required_features": ["avx3"]}}},
         "/cpu/architecture/required_features/0"),
        ({"cpu_work_db12": 1, "tags": "arch:riscv64", "cpu": {"architecture": {"name": "x86_64"}}},
         "/cpu/architecture/name"),
        ({"cpu_work_db12": 1, "gpu": {"count": {"min": 1, "max": 1}}}, "/gpu/vendor"),
        ({"cpu_work_db12": 1, "gpu": {"vendor": "nvidia", "arch": "sm_80", "count": {"min": 0, "max": 1}}},
         "/gpu/count/min"),
        ({"cpu_work_db12": 1, "tags": "a &"}, "/tags"),
        ({"cpu_work_db12": 1, "tags": "a & ~a"}, "/tags"),
        ({"cpu_work_db12": 1, "tags": "a & (~a | b) & ~b"}, "/tags"),
    ],
)  # fmt: skip
def test_a_broken_rule_is_refused_where_it_is(requirements: dict[str, Any], pointer: str) -> None:
    assert pointer in problems(requirements)


def test_a_gpu_may_be_optional_with_the_required_tag() -> None:
    made = a_class(
        {"cpu_work_db12": 1, "tags": "gpu:opportunistic-cpu-ok",
         "gpu": {"vendor": "nvidia", "arch": "sm_80", "count": {"min": 0, "max": 1}}}
    )  # fmt: skip
    assert made.document["requirements"]["gpu"]["count"] == {"min": 0, "max": 1}


def test_priorities_and_avoided_places_are_bounded() -> None:
    assert "/user_priority" in problems({"cpu_work_db12": 1}, user_priority=11)
    assert "/avoid/hosts" in problems({"cpu_work_db12": 1}, avoid={"hosts": [f"wn{n}" for n in range(9)]})
    assert "/sites" in problems({"cpu_work_db12": 1}, sites=[f"S{n}" for n in range(1001)])
