"""Holds: how long they last, and which of them count together."""

import pytest

from weyl.jobs.holds import Hold, HoldReason, tries_of


@pytest.mark.parametrize(
    ("reason", "tries", "seconds"),
    [
        (HoldReason.CATALOG_UNREACHABLE, 0, 60),
        (HoldReason.CATALOG_UNREACHABLE, 3, 480),
        (HoldReason.CATALOG_UNREACHABLE, 6, 3_600),
        (HoldReason.CATALOG_UNREACHABLE, 100_000, 3_600),
        (HoldReason.REPLICAS_UNAVAILABLE, 5, 600),
        (HoldReason.CLOSED_SITE, 5, 300),
        (HoldReason.STAGING, 0, None),
    ],
)
def test_how_long_a_hold_lasts(reason: HoldReason, tries: int, seconds: int | None) -> None:
    assert Hold(reason, "").seconds(tries) == seconds


def test_only_holds_for_the_same_reason_count_together() -> None:
    catalog, staging = Hold(HoldReason.CATALOG_UNREACHABLE, ""), Hold(HoldReason.STAGING, "")
    stager = Hold(HoldReason.STAGER_UNREACHABLE, "")
    assert tries_of(catalog, None) == tries_of(catalog, ("closed_site", 4)) == tries_of(staging, None) == 0
    assert tries_of(catalog, ("catalog_unreachable", 4)) == tries_of(staging, ("stager_unreachable", 4)) == 5
    assert tries_of(stager, ("staging", 4)) == 4
