"""The arithmetic of one class against one offer, condition by condition."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.matcher.factories import a_class, an_offer

from weyl.matcher.evaluation import CONDITIONS, allocate, failures, first_failure, needs_of
from weyl.matcher.models import Offer
from weyl.matcher.offers import (
    Acceptance,
    GpuOffer,
    Place,
    PlaceFacts,
    pilot_offer,
    registered_form,
    version_of,
)

GPU = {"vendor": "nvidia", "arch": "sm_80", "count": {"min": 1, "max": 4}}
A100 = GpuOffer(2, "nvidia", "sm_80", 40_000, (12, 2))


def test_a_plain_job_gets_one_core_and_the_time_of_the_offer() -> None:
    got = allocate(a_class().document, an_offer())
    assert got is not None
    assert got.allocated() == {"cores": 1, "ram_mb": None, "gpus": 0, "scratch_mb": 0}
    assert (got.limit_ram_mb, got.limit_wall_s) == (None, 86_400)


@pytest.mark.parametrize(
    ("requirements", "context", "changes", "condition"),
    [
        ({}, {"vo": "vob"}, {}, "vo"),
        ({}, {"sites": ["S2"]}, {}, "site"),
        ({}, {"banned_sites": ["S1"]}, {}, "site"),
        ({}, {"avoid": {"hosts": ["wn1"]}}, {}, "site"),
        ({}, {"avoid": {"sites": ["S1"]}}, {}, "site"),
        ({}, {}, {"closed": True}, "site_status"),
        ({}, {}, {"accept": Acceptance(job_types=frozenset(["Merge"]))}, "accept"),
        ({}, {}, {"accept": Acceptance(required_tags=frozenset(["a"]))}, "accept"),
        ({}, {}, {"accept": Acceptance(banned_job_types=frozenset(["User"]))}, "accept"),
        ({"system": {"name": "Darwin"}}, {}, {}, "os"),
        ({"cpu": {"architecture": {"name": "aarch64"}}}, {}, {}, "architecture"),
        ({"cpu": {"architecture": {"name": "x86_64", "level": "x86-64-v4"}}}, {}, {}, "features"),
        ({"cpu": {"num_cores": {"min": 9, "max": 9}}}, {}, {}, "cores"),
        ({"cpu": {"whole_node": True, "num_cores": {"min": 1}}}, {}, {}, "cores"),
        ({"cpu": {"ram_mb": {"request": {"overhead": 20_000}}}}, {}, {}, "ram"),
        ({"wall_time": 90_000}, {}, {}, "wall_time"),
        ({"cpu_work_db12": 1_000_000}, {}, {}, "cpu_work"),
        ({}, {}, {"gpu": A100}, "gpu"),
        ({"gpu": GPU}, {}, {}, "gpu"),
        ({"io": {"scratch_mb": 50_000}}, {}, {}, "scratch"),
        ({"tags": "a"}, {}, {}, "tags"),
    ],
)
def test_each_condition_alone_keeps_a_job_away(
    requirements: dict[str, Any], context: dict[str, Any], changes: dict[str, Any], condition: str
) -> None:
    needs, offer = needs_of(a_class(requirements, **context).document), an_offer(**changes)
    assert list(failures(needs, offer)) == [condition]
    assert first_failure(needs, offer) == condition
    assert condition in CONDITIONS
    assert allocate(a_class(requirements, **context).document, offer) is None


def test_a_job_without_upper_bound_fills_the_offer_as_far_as_memory_goes() -> None:
    cpu: dict[str, Any] = {"num_cores": {"min": 2}, "ram_mb": {"request": {"overhead": 1024, "per_core": 2048}}}
    got = allocate(a_class({"cpu": cpu}).document, an_offer(ram_mb=10_000))
    assert got is not None
    assert (got.cores, got.ram_mb) == (4, 1024 + 4 * 2048)
    assert allocate(a_class({"cpu": cpu}).document, an_offer(ram_mb=5_000)) is None
    unknown = allocate(a_class({"cpu": cpu}).document, an_offer(ram_mb=None))
    assert unknown is not None
    assert unknown.cores == 8


def test_work_scales_with_cores_and_wall_time_does_not() -> None:
    cpu: dict[str, Any] = {"num_cores": {"min": 1, "max": 8}}
    assert allocate(a_class({"cpu": cpu, "cpu_work_db12": 6_000_000}).document, an_offer())
    assert allocate(a_class({"cpu_work_db12": 6_000_000}).document, an_offer()) is None
    assert allocate(a_class({"cpu": cpu, "wall_time": 172_800}).document, an_offer()) is None


def test_a_whole_node_job_takes_the_whole_node_or_nothing() -> None:
    whole = {"cpu": {"whole_node": True, "num_cores": {"min": 4}}}
    got = allocate(a_class(whole).document, an_offer(whole_node=True))
    assert got is not None
    assert got.cores == 8
    bounded = {"cpu": {"whole_node": True, "num_cores": {"min": 4, "max": 7}}}
    assert allocate(a_class(bounded).document, an_offer(whole_node=True)) is None


def test_the_memory_limit_leaves_room_unless_it_is_said() -> None:
    def limit(ram: dict[str, Any]) -> int | None:
        got = allocate(a_class({"cpu": {"ram_mb": ram}}).document, an_offer())
        assert got is not None
        return got.limit_ram_mb

    assert limit({"request": {"overhead": 4096}}) == 6144
    assert limit({"request": {"overhead": 512}}) == 1024
    assert limit({"request": {"overhead": 512}, "limit": {"overhead": 640, "per_core": 64}}) == 704


@pytest.mark.parametrize(
    ("gpu", "granted"),
    [
        (A100, 2),
        (GpuOffer(8, "nvidia", "sm_90", 40_000, (12, 2)), 4),
        (GpuOffer(1, "nvidia", "sm_75", 40_000, (12, 2)), None),
        (GpuOffer(1, "amd", "sm_80", 40_000, (12, 2)), None),
        (GpuOffer(1, "nvidia", "sm_80", 8_000, (12, 2)), None),
        (GpuOffer(1, "nvidia", "sm_80", 40_000, (11, 8)), None),
    ],
)
def test_gpus_are_of_the_generation_asked_for_or_newer(gpu: GpuOffer, granted: int | None) -> None:
    wanted = {"gpu": {**GPU, "vram_mb_per_gpu": 16_384, "min_runtime_version": "12.0"}}
    got = allocate(a_class(wanted).document, an_offer(gpu=gpu))
    assert (got.gpus if got else None) == granted


def test_a_generation_with_a_letter_is_exact() -> None:
    wanted = {"gpu": {**GPU, "arch": "sm_90a"}}
    assert allocate(a_class(wanted).document, an_offer(gpu=GpuOffer(1, "nvidia", "sm_90a", 1, ())))
    assert allocate(a_class(wanted).document, an_offer(gpu=GpuOffer(1, "nvidia", "sm_100", 1, ()))) is None


def test_an_optional_gpu_needs_the_agreement_of_both_sides() -> None:
    wanted = {"tags": "gpu:opportunistic-cpu-ok", "gpu": {**GPU, "count": {"min": 0, "max": 1}}}
    agreed = an_offer(tags=frozenset(["gpu:opportunistic-cpu-ok"]))
    assert allocate(a_class(wanted).document, agreed)
    assert allocate(a_class(wanted).document, an_offer()) is None


def test_test_jobs_reach_closed_sites() -> None:
    assert allocate(a_class(job_type="Test").document, an_offer(closed=True))


def test_what_is_left_beside_a_job() -> None:
    left = an_offer(whole_node=True).without(cores=3, ram_mb=4_000, gpus=0, scratch_mb=960)
    assert left is not None
    assert (left.cores, left.ram_mb, left.scratch_mb, left.whole_node) == (5, 12_384, 40_000, False)
    assert an_offer().without(cores=8, ram_mb=None, gpus=0, scratch_mb=0) is None


WIRE = {
    "host": "wn042", "system": {"name": "Linux"}, "wall_time": 82_800, "cpu_power_db12": 11.5,
    "cpu": {"num_nodes": 1, "num_cores": 8, "ram_mb": 16_384,
            "architecture": {"name": "x86_64", "features": ["pni", "sse4_2", "abm"]}},
    "gpu": {"count": 0}, "io": {"scratch_mb": 40_960},
    "tags": ["os:el9", "cvmfs:lhcb.cern.ch", "platform:forged", "ce:forged"],
}  # fmt: skip


NOW = datetime(2026, 11, 25, tzinfo=UTC)


@pytest.mark.parametrize(("hours", "left_s"), [(24, 82_800), (2, 6_300), (0.25, 0), (-1, 0)])
def test_where_a_place_stops_the_pilot_offers_the_time_until_a_quarter_of_an_hour_before(
    hours: float, left_s: int
) -> None:
    facts = PlaceFacts(ends_at=NOW + timedelta(hours=hours))
    assert pilot_offer(Offer.model_validate(WIRE), Place("voa", "S1"), facts, now=NOW).wall_time_s == left_s


def test_an_offer_gets_the_tags_that_only_the_server_gives() -> None:
    facts = PlaceFacts(tags=frozenset(["network:lhcone"]), compatibility={"x86_64_v1-el9": ["x86_64_v1-el8"]})
    made = pilot_offer(Offer.model_validate(WIRE), Place("voa", "S1", "ce1"), facts, now=NOW)
    assert made.tags == {
        "os:el9", "cvmfs:lhcb.cern.ch", "network:lhcone", "ce:ce1", "arch:x86_64",
        "platform:x86_64_v1-el9", "platform:x86_64_v1-el8",
    }  # fmt: skip
    assert {"sse3", "lzcnt"} <= made.features


def test_offers_are_remembered_without_host_and_odd_seconds() -> None:
    left = registered_form(Offer.model_validate(WIRE))
    right = registered_form(Offer.model_validate({**WIRE, "host": "wn7", "wall_time": 83_000}))
    assert left == right
    assert left != registered_form(Offer.model_validate({**WIRE, "wall_time": 90_000}))


@pytest.mark.parametrize(
    "change",
    [
        {"wall_time": -1},
        {"cpu_power_db12": float("nan")},
        {"cpu_power_db12": float("inf")},
        {"cpu_power_db12": 0},
        {"cpu": {"num_cores": 0, "architecture": {"name": "x86_64"}}},
        {"gpu": {"count": 1}},
        {"gpu": None},
        {"tags": ["not a tag"]},
        {"tags": ["x"] * 600},
    ],
)
def test_malformed_offers_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        Offer.model_validate({**WIRE, **change})


def test_versions_compare_by_their_numbers() -> None:
    assert version_of("12") == version_of("12.0.0")
    assert version_of("9.10") > version_of("9.9.9")
