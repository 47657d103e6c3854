"""Waiting jobs and pilots in the shape of a real queue: strata, sizes, sites and platforms by `queue_shape.json`.

Seeded: the same arguments make the same classes, sizes and pilots. What the real queue has none of (tags, GPUs,
memory, Arm) comes from the `synthetic_tail` of the document, and so do further classes beyond those of the snapshot.
"""

import hashlib
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from weyl.task_queues import architectures
from weyl.task_queues.platforms import need_of_platforms
from weyl.task_queues.requirements import RequirementClass, make_class


def _words(text: str) -> list[str]:
    return text.split()


SHAPE: dict[str, Any] = json.loads(Path(__file__).with_name("queue_shape.json").read_text())
VO = "voa"
# Groups in which every job belongs to one production manager; the others have many owners.
ONE_OWNER = {"lhcb_mc", "lhcb_data", "lhcb_mcproc"}
TYPES_OF = {
    "lhcb_mc": ("MCSimulation", "MCFastSimulation"),
    "lhcb_data": ("WGProduction", "Sprucing", "Merge"),
    "lhcb_mcproc": ("MCReconstruction", "MCMerge"),
    "lhcb_user": ("User",),
}
# The share of classes beyond the snapshot's that belong to users: one class a user and set of sites.
USERS_OF_FURTHER = 0.3
CLASSES_PER_USER = 20
RUN_MAX = 1_000
OPPORTUNISTIC = "gpu:opportunistic-cpu-ok"
COMMON_FLAGS = _words(
    "fpu vme de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat pse36 clflush mmx fxsr sse sse2 ss ht syscall"
    " nx pdpe1gb rdtscp lm constant_tsc rep_good nopl xtopology cpuid aperfmperf pclmulqdq monitor ssbd ibrs ibpb"
    " fsgsbase aes rdrand hypervisor arat umip md_clear flush_l1d arch_capabilities x2apic tsc_deadline_timer"
)


@dataclass(frozen=True)
class Waiting:
    """One requirement class with the number of jobs that wait in it."""

    made: RequirementClass
    jobs: int


def site_name(number: int) -> str:
    """Return the name of the site of a rank, counted from 0."""
    return f"LCG.Site{number:04}.org"


def snapshot(chance: random.Random, sites: int = 60) -> list[Waiting]:
    """Return the classes of the real queue; the user's jobs come last."""
    found: list[Waiting] = []
    seen: set[bytes] = set()
    for stratum in sorted(SHAPE["strata"], key=lambda each: each["group"] == "lhcb_user"):
        for number, size in enumerate(_sizes_within(chance, stratum)):
            made = _real_class(chance, stratum, number, sites)
            while made.hash in seen:  # another stratum of the group, whose work is nearly the same
                made = _real_class(chance, stratum, number, sites)
            seen.add(made.hash)
            found.append(Waiting(made, size))
    return found


def scaled(chance: random.Random, *, classes: int, jobs: int, sites: int) -> list[Waiting]:
    """Return so many classes with so many jobs: groups and lengths as in the strata, the rest from the tail."""
    strata = SHAPE["strata"]
    weights = [stratum["queues"] for stratum in strata]
    tail = SHAPE["synthetic_tail"]
    sizes = [1 / (rank + 1) ** tail["size_exponent"] for rank in range(classes)]
    scale = jobs / sum(sizes)
    counts = [max(1, int(size * scale)) for size in sizes]
    counts[0] += max(0, jobs - sum(counts))
    chance.shuffle(counts)
    users = next(stratum for stratum in strata if stratum["group"] == "lhcb_user")
    made, seen = [], set()
    while len(made) < classes:
        is_user = chance.random() < USERS_OF_FURTHER
        stratum = users if is_user else chance.choices(strata, weights)[0]
        each = _synthetic_class(chance, stratum, classes=classes, sites=sites)
        if each.hash not in seen:
            seen.add(each.hash)
            made.append(Waiting(each, counts[len(made)]))
    return made


def runs_of(chance: random.Random, waiting: Sequence[Waiting], *, last: str | None = None) -> list[tuple[int, int]]:
    """Return (index of the class, jobs) in the order of submission: bulks of a class, those of `last` at the end."""
    early, late = [], []
    for number, each in enumerate(waiting):
        into = late if each.made.document["group"] == last else early
        left = each.jobs
        while left > 0:
            into.append((number, min(left, RUN_MAX)))
            left -= RUN_MAX
    chance.shuffle(early)
    return early + late


def digest(waiting: Sequence[Waiting]) -> str:
    """Return what tells this queue apart from every other one."""
    content = hashlib.sha256()
    for each in waiting:
        content.update(each.made.hash + each.jobs.to_bytes(8))
    return content.hexdigest()


def site_tags(chance: random.Random, sites: int) -> list[list[str]]:
    """Return the tags of each site."""
    low, high = SHAPE["pilots"]["tags_per_site"]
    tail = SHAPE["synthetic_tail"]
    common = [_tag(number) for number in range(tail["common_tags"])]
    rare = [_tag(number) for number in range(tail["common_tags"], tail["tag_vocabulary"])]
    found = []
    for _ in range(sites):
        wanted = chance.randint(low, high)
        held = [tag for tag in common if chance.random() < 0.85]
        found.append(sorted(held + chance.sample(rare, max(0, wanted - len(held)))))
    return found


def offers(chance: random.Random, *, sites: int, tags: Sequence[Sequence[str]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (site, offer) of each pilot; large sites have many of them."""
    pilots = SHAPE["pilots"]
    weights = [1 / (rank + 1) ** pilots["zipf_share_of_sites"] for rank in range(sites)]
    for number in range(pilots["count"]):
        rank = chance.choices(range(sites), weights)[0]
        yield site_name(rank), _offer(chance, number, tags[rank])


def _offer(chance: random.Random, number: int, tags: Sequence[str]) -> dict[str, Any]:
    pilots = SHAPE["pilots"]
    cores = chance.choice(pilots["cores"])
    arm, gpu = chance.random() < pilots["aarch64"], chance.random() < pilots["gpu"]
    level = chance.choice([2, 3, 3, 3, 4, 4])
    features = (
        architectures.features_of_profile("armv8.2-a")
        if arm
        else architectures.features_of_level(f"x86-64-v{level}") | set(COMMON_FLAGS)
    )
    own = ["os:el9", "network:outbound", *tags]
    return {
        "host": f"wn{number:05}.site.org",
        "system": {"name": "Linux"},
        "wall_time": chance.choice([86_400, 172_800, 259_200]),
        "cpu_power_db12": round(chance.uniform(8, 25), 1),
        "cpu": {
            "num_cores": cores,
            "num_nodes": 1,
            "ram_mb": cores * chance.choice(pilots["ram_per_core_mb"]),
            "architecture": {"name": "aarch64" if arm else "x86_64", "features": sorted(features)},
        },
        "gpu": {"count": 1, "vendor": "nvidia", "arch": "sm_80", "vram_mb_per_gpu": 40_960, "runtime_version": "12.4"}
        if gpu
        else {"count": 0},
        "io": {"scratch_mb": 20_480 * cores},
        "tags": own,
    }


def _sizes_within(chance: random.Random, stratum: dict[str, Any]) -> list[int]:
    """Draw sizes between the bounds of a stratum that add up to its jobs."""
    low, high, count, jobs = stratum["min"], stratum["max"], stratum["queues"], stratum["jobs"]
    sizes = [low] * count
    left = jobs - low * count
    while left > 0:
        number = chance.randrange(count)
        more = min(left, high - sizes[number], max(1, left // count))
        sizes[number] += more
        left -= more
    return sizes


def _real_class(chance: random.Random, stratum: dict[str, Any], number: int, sites: int) -> RequirementClass:
    group = stratum["group"]
    owner = "production" if group in ONE_OWNER else "user1" if stratum["cpu_s"] > 86_400 else "user2"
    platform = need_of_platforms(_platforms(chance))
    requirements = {
        "cpu_work_db12": stratum["cpu_s"],
        "cpu": {"architecture": platform.architecture} if platform.architecture else {},
        # The list of platforms is the same for many queues; what tells these apart in reality is not in the counts.
        "tags": platform.tags,
        "io": {"scratch_mb": 512 * (1 + number)},
    }
    return make_class(
        requirements,
        vo=VO,
        group=group,
        owner=owner,
        job_type=chance.choice(TYPES_OF[group]),
        user_priority=1,
        sites=_real_sites(chance, group, sites),
    )


def _platforms(chance: random.Random) -> list[str]:
    step = chance.random()
    if step < 0.64:
        return [f"x86_64_v{level}-any" for level in (2, 3, 4)]
    return [f"x86_64_v{level}-any" for level in (3, 4)] if step < 0.9 else [f"armv8.{n}_a-any" for n in range(1, 4)]


def _real_sites(chance: random.Random, group: str, sites: int) -> list[str]:
    """Simulation goes everywhere; the rest goes to a site as often as the marginals say."""
    marginals = SHAPE["sites"]
    everywhere = SHAPE["owners"][0]["queues"]
    if group == "lhcb_mc":
        return [site_name(rank) for rank in range(sites) if rank < sites - 2 or chance.random() < 0.95]
    others = SHAPE["totals"]["queues"] - everywhere
    found = [
        site_name(rank)
        for rank, site in enumerate(marginals[:sites])
        if chance.random() < max(0, site["queues"] - everywhere) / others
    ]
    return found or [site_name(0)]


def _synthetic_class(chance: random.Random, stratum: dict[str, Any], *, classes: int, sites: int) -> RequirementClass:
    tail, group = SHAPE["synthetic_tail"], stratum["group"]
    low = int(_weighted(chance, tail["cores_min"]))
    requirements: dict[str, Any] = {
        "cpu_work_db12": stratum["cpu_s"],
        "cpu": {
            "num_cores": {"min": low, "max": 4 * low if chance.random() < tail["elastic_cores"] else low},
            "ram_mb": {
                "request": {
                    "overhead": chance.choice(tail["ram_overhead_mb"]),
                    "per_core": chance.choice(tail["ram_per_core_mb"]),
                }
            },
            "architecture": {"name": "aarch64", "profile": "armv8.0-a"}
            if chance.random() < tail["aarch64"]
            else {"name": "x86_64", "level": _weighted(chance, tail["level"])},
        },
        "io": {"scratch_mb": chance.choice([0, 2_048, 10_240])},
        "tags": _expression(chance),
    }
    if chance.random() < tail["gpu"]:
        requirements["gpu"] = {"vendor": "nvidia", "arch": "sm_70", "count": {"min": 1, "max": 1}}
    users = max(2, classes // CLASSES_PER_USER)
    anywhere = chance.random() < tail["any_site"]
    named = chance.sample(range(sites), min(sites, chance.choice(tail["sites_per_class"])))
    banned = chance.sample(range(sites), chance.randint(0, tail["banned_sites_max"])) if anywhere else []
    return make_class(
        requirements,
        vo=VO,
        group=group,
        owner="production" if group in ONE_OWNER else f"user{chance.randrange(users):05}",
        job_type=chance.choice(TYPES_OF[group]),
        user_priority=chance.choice([1, 1, 1, 1, 5, 9]),
        sites=None if anywhere else [site_name(rank) for rank in named],
        banned_sites=[site_name(rank) for rank in banned],
    )


def _expression(chance: random.Random) -> str:
    tail = SHAPE["synthetic_tail"]
    count = int(_weighted(chance, tail["atoms_per_expression"]))
    atoms: list[str] = []
    while len(atoms) < count:
        atom = _tag(chance.randrange(tail["common_tags"] if chance.random() < 0.8 else tail["tag_vocabulary"]))
        if atom not in atoms:  # `a & ~a` contradicts itself, and is refused
            atoms.append(atom)
    if atoms and chance.random() < tail["not_expressions"]:
        atoms[0] = f"~{atoms[0]}"
    return (" | " if chance.random() < tail["or_expressions"] else " & ").join(atoms)


def _weighted(chance: random.Random, weights: dict[str, float]) -> str:
    return chance.choices(list(weights), list(weights.values()))[0]


def _tag(number: int) -> str:
    return f"cvmfs:repository{number:03}.example.org"
