"""What an offer could get, from masks: the same as one class after the other, and a sentence that names the cause."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.matcher.factories import a_class, an_offer, classes, offers

from weyl.matcher.evaluation import CONDITIONS, failures, needs_of
from weyl.matcher.index import Index
from weyl.matcher.offer_explanation import Circumstances, OfferFindings, Queue, examine_offer, offer_verdict
from weyl.matcher.offers import Acceptance, GpuOffer, PilotOffer
from weyl.matcher.waiting import Waiting
from weyl.task_queues.requirements import RequirementClass


def a_queue(waiting: list[tuple[RequirementClass, int]]) -> Queue:
    """Return the index of these classes and their jobs; the numbers of classes count from 1."""
    index = Index()
    index.build({number: made.document for number, (made, _) in enumerate(waiting, 1)})
    return Queue(index, Waiting((entry.bit, waiting[entry.class_id - 1][1]) for entry in index.entries()))


def _told(waiting: list[tuple[RequirementClass, int]], offer: PilotOffer, **circumstances: Any) -> tuple[Any, str]:
    queue = a_queue(waiting)
    found = examine_offer(queue, offer, Circumstances(**circumstances))
    return found, offer_verdict(found, queue, offer, closed_because="S1 is being repaired")


@given(st.lists(st.tuples(classes(), st.integers(1, 1000)), max_size=6), offers())
@settings(max_examples=60, deadline=None)
def test_masks_and_single_classes_agree(waiting: list[tuple[RequirementClass, int]], offer: PilotOffer) -> None:
    # Alike classes are one, as in the table.
    distinct = list({made.hash: (made, jobs) for made, jobs in waiting}.values())
    found: OfferFindings = _told(distinct, offer)[0]
    own = [(needs_of(made.document), jobs) for made, jobs in distinct if made.document["vo"] == offer.place.vo]
    failed = [(set(failures(needs, offer)), jobs) for needs, jobs in own]
    assert (found.classes, found.jobs) == (len(own), sum(jobs for _, jobs in own))
    left = failed
    for step in found.steps:
        kept = [each for each in left if step.condition not in each[0]]
        assert (step.classes_left, step.jobs_left) == (len(kept), sum(jobs for _, jobs in kept)), step
        assert step.classes_removed == len(left) - len(kept) > 0
        left = kept
    assert [step.condition for step in found.steps] == [
        condition for condition in CONDITIONS if condition in {step.condition for step in found.steps}
    ]
    assert (found.classes_left, found.jobs_left) == (
        sum(not names for names, _ in failed),
        sum(jobs for names, jobs in failed if not names),
    )
    near = {name: 0 for names, _ in failed for name in names}
    for names, jobs in failed:
        if len(names) == 1:
            near[next(iter(names))] += jobs
    assert {each.condition: each.jobs for each in found.nearest} == {name: jobs for name, jobs in near.items() if jobs}


GPU_BLOCK = {"vendor": "nvidia", "arch": "sm_80", "count": {"min": 1, "max": 1}}


@pytest.mark.parametrize(
    ("requirements", "context", "offer", "sentence"),
    [
        ({}, {"sites": ["S2", "S3"]}, {}, "Those left want other sites than S1, the most of them S2 and S3"),
        ({}, {"banned_sites": ["S1"]}, {}, "Those left must not run at S1"),
        ({}, {"avoid": {"hosts": ["wn1"]}}, {}, "Those left have failed on wn1, and keep off it for a time"),
        ({}, {"sites": ["S1"], "avoid": {"hosts": ["wn1"]}}, {}, "Those left have failed on wn1"),
        ({}, {}, {"closed": True}, "Only test jobs start there: S1 is being repaired"),
        (
            {},
            {},
            {"accept": Acceptance(job_types=frozenset({"Merge"}))},
            "It takes other jobs only, not those left, such as job type User, group user, owner alice",
        ),
        ({"system": {"name": "Darwin"}}, {}, {}, "Those left want Darwin; it runs Linux"),
        (
            {"cpu": {"architecture": {"name": "aarch64"}}},
            {},
            {},
            "Those left want other processors, the most of them aarch64; it offers x86_64",
        ),
        (
            {"cpu": {"num_cores": {"min": 16, "max": 16}}},
            {},
            {},
            "Those left want 16 of cores or more; it offers 8",
        ),
        (
            {"cpu": {"ram_mb": {"request": {"overhead": 65_536}}}},
            {},
            {},
            "Those left want 65,536 MiB of memory or more; it offers 16,384 MiB",
        ),
        ({"wall_time": 172_800}, {}, {}, "Those left want 172,800 s of time or more; it offers 86,400 s"),
        ({"io": {"scratch_mb": 51_200}}, {}, {}, "Those left want 51,200 MiB of scratch space or more"),
        (
            {"gpu": GPU_BLOCK},
            {},
            {},
            "Those left want GPUs, the most of them 1 GPU(s): nvidia, sm_80; it offers no GPU",
        ),
        (
            {},
            {},
            {"gpu": GpuOffer(1, "nvidia", "sm_80", 16_000, (12,))},
            "It has GPUs, and jobs that ask for none are kept off such nodes",
        ),
        ({"tags": "os:el8"}, {}, {}, "It lacks the tag os:el8, which the most of those left want"),
        ({"tags": "~a"}, {}, {"tags": frozenset("a")}, "It has the tag a, which the most of those left exclude"),
    ],
)
def test_the_cause_is_named(
    requirements: dict[str, Any], context: dict[str, Any], offer: dict[str, Any], sentence: str
) -> None:
    found, verdict = _told([(a_class(requirements, **context), 900)], an_offer(**offer))
    assert verdict.startswith(f"None of the 900 jobs that wait can run there. {sentence}"), verdict
    assert (found.classes_left, found.jobs_left, len(found.nearest)) == (0, 0, 1)


def test_what_is_left_is_counted_and_the_other_vo_does_not_exist() -> None:
    waiting = [(a_class(), 30), (a_class({"tags": "a"}), 12), (a_class(vo="vob"), 5_000)]
    found, verdict = _told(waiting, an_offer())
    assert verdict == "30 jobs of the 42 that wait could run there: a pilot with this offer gets one when it asks"
    [near] = found.nearest
    assert (near.condition, near.jobs, near.classes, near.class_id) == ("tags", 12, 1, 2)
    assert _told([(a_class(vo="vob"), 5)], an_offer())[1] == "No job of voa waits"


def test_a_host_that_breaks_jobs_and_limits_come_last() -> None:
    waiting = [(a_class(), 3), (a_class({"tags": "a"}), 4)]
    found, verdict = _told(waiting, an_offer(), host_is_closed=True)
    assert [step.condition for step in found.steps] == ["tags", "host_health"]
    assert verdict.endswith("The host wn1 breaks its jobs and gets none until it recovers")
    assert "A limit on what runs at S1 is reached" in _told(waiting[:1], an_offer(), shut=1)[1]


def test_cores_that_do_not_suffice_for_the_work_are_found_behind_the_masks() -> None:
    # Eight cores could do the work, the one core that the job takes cannot.
    work = {"cpu_work_db12": 5_000_000, "cpu": {"num_cores": {"min": 1, "max": 1}}}
    found, verdict = _told([(a_class(work), 7)], an_offer())
    assert [step.condition for step in found.steps] == ["cpu_work"]
    assert "do not suffice for those left with the cores that they would get" in verdict
