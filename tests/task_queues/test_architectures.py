"""Levels, profiles and legacy platform strings."""

import pytest

from weyl.task_queues import architectures
from weyl.task_queues.platforms import need_of_platforms, own_platform, parse_platform, platforms_offered

V3 = architectures.features_of_level("x86-64-v3")


def test_flags_are_translated_and_levels_computed() -> None:
    flags = ["pni", "abm", *(V3 - {"sse3", "lzcnt"})]
    features = architectures.features_of_flags(flags)
    assert features >= V3
    assert architectures.x86_level(features) == 3
    assert architectures.x86_level(features - {"cx16"}) == 1
    assert architectures.x86_level(architectures.features_of_level("x86-64-v4")) == 4


def test_levels_and_profiles_are_chains() -> None:
    for lower, higher in [(1, 2), (2, 3), (3, 4)]:
        low = architectures.features_of_level(f"x86-64-v{lower}")
        assert low < architectures.features_of_level(f"x86-64-v{higher}")
    assert architectures.features_of_profile("armv8.5-a") == architectures.features_of_profile("armv9.0-a")
    assert architectures.features_of_profile("armv8.1-a") < architectures.features_of_profile("armv8.2-a")


@pytest.mark.parametrize("name", ["x86-64-v5", "x86-64-v0"])
def test_an_unknown_level_matches_no_processor(name: str) -> None:
    assert not architectures.features_of_level(name) <= frozenset().union(*architectures.KNOWN_FEATURES.values())


def test_an_unknown_profile_matches_no_processor() -> None:
    for name in ("armv9.9-a", "armv7.0-a", "armv8.x-a"):
        assert not architectures.features_of_profile(name) <= architectures.KNOWN_FEATURES["aarch64"]


def test_a_full_list_of_platforms_becomes_its_minimum() -> None:
    listed = [f"x86_64_v{level}-any" for level in (2, 3, 4)] + ["nehalem-any", "haswell-any", "skylake_avx512-any"]
    listed += [f"x86_64_v{level}-centos7" for level in (2, 3, 4)]
    need = need_of_platforms(listed)
    assert need.architecture == {"name": "x86_64", "level": "x86-64-v2"}
    assert need.tags == ""


def test_systems_become_tags() -> None:
    need = need_of_platforms(["x86_64_v3-el9", "x86_64_v4-el9", "x86_64_v3-el8", "x86_64_v4-el8"])
    assert need.architecture == {"name": "x86_64", "level": "x86-64-v3"}
    assert need.tags == "os:el8 | os:el9"


@pytest.mark.parametrize(
    "listed",
    [
        ["x86_64_v2-any", "x86_64_v4-any"],
        ["x86_64_v3-any", "armv8.2_a-any"],
        ["Linux_x86_64_glibc-2.17", "x86_64_v3-any"],
    ],
)
def test_anything_else_stays_an_exact_list(listed: list[str]) -> None:
    need = need_of_platforms(listed)
    assert need.architecture == {}
    assert all(f"platform:{name}" in need.tags for name in listed)


@pytest.mark.parametrize("text", ["x86_64_v3-el 9", "x86_64_v3-el9\ufeff", "x86_64-(a", "x86_64-é.avx2", "x86_64-"])
def test_a_system_that_cannot_be_a_tag_is_no_platform(text: str) -> None:
    assert parse_platform(text) is None


def test_any_is_no_constraint() -> None:
    for listed in (["ANY"], ["x86_64-el9", "any"], []):
        assert need_of_platforms(listed) == need_of_platforms(["ANY"])
        assert need_of_platforms(listed).tags == ""


def test_an_offer_has_its_own_platform_and_what_the_configuration_adds() -> None:
    own = own_platform("x86_64", V3, "el9")
    assert own == "x86_64_v3-el9"
    assert platforms_offered(own, {own: ["x86_64_v2-el9"]}) == {own, "x86_64_v2-el9"}
    assert own_platform("aarch64", architectures.features_of_profile("armv8.2-a"), None) == "armv8.2_a-any"
