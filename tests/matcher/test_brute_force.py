"""The index against the plain evaluation of each class, on a hundred thousand random pairs of classes and offers."""

import random
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.matcher.factories import EXPRESSIONS, HOSTS, LEVELS, SITES, TAGS, a_class

from weyl.matcher.evaluation import first_failure, fit
from weyl.matcher.index import Index
from weyl.matcher.offers import Acceptance, GpuOffer, PilotOffer, Place
from weyl.task_queues import architectures
from weyl.task_queues.requirements import RequirementClass

CLASSES, OFFERS, EXAMPLES = 60, 60, 34
"""Each example judges its classes, but for the few that have run dry, against all its offers: 34 x 54 x 60 > 10^5."""


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 2**32))
def test_the_index_agrees_with_the_evaluation_on_every_pair(seed: int) -> None:
    """A part of the index is built at once, the rest is added and retired one by one, in between questions."""
    chance = random.Random(seed)
    documents = {number: _class(chance).document for number in range(CLASSES)}
    asked = [_offer(chance) for _ in range(OFFERS)]
    index = Index()
    index.build({number: documents[number] for number in range(0, CLASSES, 2)})
    for offer in asked[:20]:
        index.eligible(offer)
    index.add({number: documents[number] for number in range(1, CLASSES, 2)})
    for number in range(0, CLASSES, 7):
        index.retire(number)
        index.add({number: documents[number]})
    for entry in list(index.entries())[::5]:
        index.deactivate(entry)
        index.set_head(entry, chance.randint(1, 1_000))
        if chance.random() < 0.5:
            index.activate(entry)
    entries = [entry for entry in index.entries() if index.is_active(entry)]
    for offer in asked:
        found = {entry.class_id for entry in index.chosen(index.eligible(offer)) if fit(entry.needs, offer) is not None}
        right = {
            entry.class_id
            for entry in entries
            if first_failure(entry.needs, offer) is None and fit(entry.needs, offer) is not None
        }
        assert found == right, (seed, offer)
        near = {entry.class_id for entry in index.chosen(index.eligible(offer) & index.with_data_at(offer.place.site))}
        passing = [entry for entry in entries if first_failure(entry.needs, offer) is None]
        at_least = {entry.class_id for entry in passing if offer.place.site in entry.needs.local_data}
        assert at_least <= near, (seed, offer)
        assert all(offer.place.site in documents[number].get("local_data", ()) for number in near), (seed, offer)


def _class(chance: random.Random) -> RequirementClass:
    low = chance.randint(1, 8)
    cpu: dict[str, Any] = {"num_cores": {"min": low, "max": chance.choice([None, low, low + 2])}}
    cpu["whole_node"] = chance.random() < 0.2
    if chance.random() < 0.5:
        cpu["ram_mb"] = {"request": {"overhead": chance.randint(0, 3_000), "per_core": chance.randint(0, 3_000)}}
    cpu["architecture"] = chance.choice(
        [None, None, {"name": "aarch64"}, {"name": "x86_64"}, *({"name": "x86_64", "level": each} for each in LEVELS)]
    )
    requirements: dict[str, Any] = {"cpu": cpu, "tags": chance.choice(EXPRESSIONS)}
    requirements["cpu_work_db12"] = chance.randint(1, 2_000_000)
    if chance.random() < 0.5:
        requirements["wall_time"] = chance.randint(1, 100_000)
    if chance.random() < 0.5:
        requirements["io"] = {"scratch_mb": chance.randint(0, 20_000)}
    if chance.random() < 0.3:
        least = chance.randint(0, 2)
        requirements["gpu"] = {
            "vendor": "nvidia",
            "arch": chance.choice(["sm_70", "sm_80", "sm_90a"]),
            "count": {"min": least, "max": least + chance.randint(1, 2)},
            "vram_mb_per_gpu": chance.choice([8_000, 16_000, 40_000]),
            "min_runtime_version": chance.choice(["11.4", "12.0", "12.2.0"]),
        }
        if least == 0:
            requirements["tags"] = "gpu:opportunistic-cpu-ok"
    sites = chance.sample(SITES, chance.randint(1, 3)) if chance.random() < 0.5 else None
    return a_class(
        requirements,
        vo=chance.choice(["voa", "voa", "voa", "vob"]),
        group=chance.choice(["user", "prod"]),
        owner=chance.choice(["alice", "bob"]),
        job_type=chance.choice(["User", "Test", "Merge"]),
        user_priority=chance.randint(0, 10),
        sites=sites,
        banned_sites=chance.sample(SITES, chance.randint(0, 1)) if sites is None else None,
        avoid={"hosts": chance.sample(HOSTS, chance.randint(0, 1))},
        avoid_hosts_until=chance.choice([None, 1_000, 2_000]),
        local_data=chance.sample(sites or SITES, chance.randint(0, 1)),
    )


def _offer(chance: random.Random) -> PilotOffer:
    gpu = GpuOffer()
    if chance.random() < 0.3:
        gpu = GpuOffer(chance.randint(1, 4), "nvidia", chance.choice(["sm_75", "sm_80", "sm_90a"]), 16_000, (12, 2))
    accept = Acceptance()
    if chance.random() < 0.3:
        accept = Acceptance(
            job_types=chance.choice([None, frozenset(["User", "Test"])]),
            groups=chance.choice([None, frozenset(["user"])]),
            owners=chance.choice([None, frozenset(["bob"])]),
            required_tags=frozenset(chance.sample(["a", "b"], chance.randint(0, 1))),
            banned_job_types=chance.choice([frozenset(), frozenset(["Merge"])]),
        )
    is_x86 = chance.random() < 0.8
    level = architectures.features_of_level(chance.choice(LEVELS))
    return PilotOffer(
        place=Place("voa", chance.choice(SITES), "ce1", "q"),
        cores=chance.randint(1, 10),
        wall_time_s=chance.choice([0, 10_000, 50_000, 100_000]),
        power=chance.uniform(0.5, 20),
        architecture="x86_64" if is_x86 else "aarch64",
        host=chance.choice(HOSTS),
        whole_node=chance.random() < 0.5,
        ram_mb=chance.choice([None, chance.randint(0, 30_000)]),
        scratch_mb=chance.choice([None, chance.randint(0, 30_000)]),
        features=level if is_x86 else architectures.features_of_profile("armv8.2-a"),
        gpu=gpu,
        tags=frozenset(chance.sample(TAGS, chance.randint(0, len(TAGS)))),
        accept=accept,
        closed=chance.random() < 0.1,
        at=chance.choice([0, 1_000, 1_500, 3_000]),
    )
