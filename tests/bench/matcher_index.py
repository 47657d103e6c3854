"""Measures the matcher's index without a server: how its cost grows with ten times as many classes."""

import random
import time
from itertools import islice
from typing import Any

from tests.bench import matcher_shape as shape
from tests.bench.verdicts import alternate
from weyl.kit.clock import utcnow
from weyl.matcher.index import Index
from weyl.matcher.models import Offer
from weyl.matcher.offer_explanation import Circumstances, Queue, examine_offer, offer_verdict
from weyl.matcher.offers import Place, PlaceFacts, pilot_offer
from weyl.matcher.waiting import Waiting

CLASSES = 100_000
SEED = 20260328
OFFERS = 200


class Classes:
    """Classes of a queue, and what their index takes."""

    def __init__(self, classes: int, sites: int) -> None:
        waiting = shape.scaled(random.Random(SEED), classes=classes, jobs=classes, sites=sites)
        self._documents = {number: each.made.document for number, each in enumerate(waiting, start=1)}
        self._jobs = [each.jobs for each in waiting]
        self._sites = sites
        self._index = Index()

    def build_s(self) -> float:
        """Build the index; returns the seconds."""
        self._index, began = Index(), time.perf_counter()
        self._index.build(self._documents)
        return time.perf_counter() - began

    def explain_ms(self) -> float:
        """Explain what offers could get; returns the median milliseconds. Each offer is new to the index."""
        counted = Waiting((entry.bit, self._jobs[entry.class_id - 1]) for entry in self._index.entries())
        chance, taken = random.Random(SEED), []
        made = islice(shape.offers(chance, sites=self._sites, tags=shape.site_tags(chance, self._sites)), OFFERS)
        for site, document in made:
            offer = pilot_offer(Offer.model_validate(document), Place(shape.VO, site), PlaceFacts(), now=utcnow())
            began = time.perf_counter()
            queue = Queue(self._index, counted)
            offer_verdict(examine_offer(queue, offer, Circumstances()), queue, offer, closed_because=None)
            taken.append((time.perf_counter() - began) * 1000)
        return sorted(taken)[len(taken) // 2]


def measure_index(sites: int, *, turns: int) -> dict[str, Any]:
    """Measure 10^5 classes and 10^4 in turn."""
    many, few = Classes(CLASSES, sites), Classes(CLASSES // 10, sites)
    return {
        "classes": CLASSES,
        "build_s": alternate(many.build_s, few.build_s, turns=turns),
        "explain_ms": alternate(many.explain_ms, few.explain_ms, turns=turns),
    }
