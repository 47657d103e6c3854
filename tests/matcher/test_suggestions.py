"""What people are advised about jobs that wait or are held: pure."""

from typing import Any

from weyl.jobs.holds import HoldReason
from weyl.kit.clock import utcnow
from weyl.matcher.models import Failing, HoldShown, Near
from weyl.matcher.statuses import told_of_hold
from weyl.matcher.suggestions import for_waiting


def near(site: str, pilots: int, offered: Any, wanted: Any = 512, title: str = "cores") -> Near:
    """Return pilots that one condition keeps away."""
    failing = Failing(condition="cores", title=title, unit=None, wanted=wanted, offered=offered)
    return Near(site=site, pilots=pilots, fails=[failing])


def advice(*nearest: Near) -> list[str]:
    """Return what is suggested where no pilot fits."""
    return [each.text for each in for_waiting(nearest, [], [], blocked=True, seen=False)]


def test_of_each_site_the_closest_offer_is_named_once() -> None:
    assert advice(near("A", 9, 1), near("A", 1, 64), near("B", 3, 8), near("A", 2, 2)) == [
        "1 pilot at A would fit if cores were 64 instead of 512",
        "3 pilots at B would fit if cores were 8 instead of 512",
    ]
    words = near("A", 2, ["el8"], ["el9"], "tags"), near("A", 1, ["sl7"], ["el9"], "tags"), near("A", 1, 2)
    assert len(advice(*words)) == 2


def test_who_waits_for_a_site_that_nobody_knows_is_told_to_look_at_its_name() -> None:
    def advised(reason: HoldReason) -> str:
        held = HoldShown(reason=reason, text="Held", waits_for=["site:A"], since=utcnow(), until=None, tries=0)
        [suggestion] = told_of_hold(held, now=utcnow()).suggestions
        return suggestion.text

    assert "weyl sites list" in advised(HoldReason.UNKNOWN_SITE)
    assert advised(HoldReason.CLOSED_SITE).startswith("Wait: ")
