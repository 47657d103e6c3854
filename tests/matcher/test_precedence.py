"""What comes before a waiting job: what the order of service says of every job that is tried first."""

from tests.matcher.factories import an_offer
from tests.matcher.test_ranking import a_ledger, an_index

from weyl.matcher.index import Index
from weyl.matcher.precedence import Rivals, before, rivals_of
from weyl.matcher.shares import JobTypes, Ledger
from weyl.matcher.waiting import Waiting


def rivals(index: Index, ledger: Ledger, *, class_id: int = 1, job_id: int = 50) -> Rivals:
    """Return the rivals of a job where each class has ten jobs more than the one before it."""
    entry = index.get(class_id)
    assert entry is not None
    waiting = Waiting((each.bit, each.class_id * 10) for each in index.entries())
    return rivals_of(entry, job_id, index.eligible(an_offer()), index=index, ledger=ledger, waiting=waiting)


def test_of_the_owner_more_urgent_and_older_jobs_come_first() -> None:
    index = an_index(
        *[("user", "alice", 1, 40), ("user", "alice", 1, 7), ("user", "alice", 1, 60), ("user", "alice", 5, 99)],
        ("user", "alice", 0, 1),
    )
    assert rivals(index, a_ledger()) == Rivals(more_urgent=40, older=[2])


def test_owners_and_groups_that_used_less_come_first() -> None:
    index = an_index(*((group, owner, 1, 1) for group in ("user", "prod") for owner in ("alice", "bob")))
    ledger = a_ledger()
    assert rivals(index, ledger) == Rivals()
    ledger.charge("voa", "user", "alice", 5.0)
    assert rivals(index, ledger) == Rivals(owners=1, of_owners=20, groups=1, of_groups=70)
    ledger.charge("voa", "prod", "bob", 9.0)
    assert rivals(index, ledger) == Rivals(owners=1, of_owners=20)


def test_in_a_group_that_shares_older_jobs_of_everybody_come_first() -> None:
    index = an_index(("prod", "alice", 1, 40), ("prod", "bob", 9, 7), ("prod", "carol", 1, 60))
    found = rivals(index, a_ledger(one_queue=frozenset({"prod"})))
    assert found == Rivals(older=[2], is_one_queue=True)
    assert [each.what for each in before(found, of_kind=0, older=3)] == ["of its group, which are older"]


def test_types_of_earlier_tiers_come_first_and_those_of_later_ones_do_not() -> None:
    people = [("user", "alice", 1, 40), ("user", "bob", 1, 1), ("user", "carol", 1, 1)]
    index = an_index(*people, job_types=("User", "Merge", "Other"))
    ledger = a_ledger(tiers=(JobTypes(("Merge",)), JobTypes(("User",))))
    ledger.charge("voa", "user", "alice", 5.0)
    assert rivals(index, ledger) == Rivals(of_earlier_types=20)
    assert rivals(index, ledger, class_id=3) == Rivals(of_earlier_types=30)


def test_what_comes_first_is_told_in_the_order_of_service_and_nothing_of_what_does_not() -> None:
    assert before(Rivals(), of_kind=0, older=0) == []
    found = Rivals(of_earlier_types=1, groups=2, of_groups=3, owners=1, of_owners=4, more_urgent=5, older=[1])
    assert [(each.jobs, each.what) for each in before(found, of_kind=7, older=6)] == [
        (7, "of the same kind"),
        (6, "of its owner, older"),
        (5, "of its owner with a higher priority"),
        (4, "of another owner in its group who used less"),
        (3, "of 2 other groups that used less of their share"),
        (1, "of types that the VO serves first"),
    ]
