"""Offers and classes for the tests of the matcher: plain ones to vary by hand, and random ones that often meet."""

from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from weyl.matcher.offers import Acceptance, GpuOffer, PilotOffer, Place
from weyl.task_queues import architectures
from weyl.task_queues.requirements import RequirementClass, make_class

LEVELS = [f"x86-64-v{level}" for level in (1, 2, 3, 4)]
EXPRESSIONS = ["", "a", "a & b", "a | b", "~a", "b & ~c", "(a | c) & ~b", "gpu:opportunistic-cpu-ok", "os:el9 | os:el8"]
TAGS = ["a", "b", "c", "gpu:opportunistic-cpu-ok", "os:el9", "os:el8"]
SITES = ["S1", "S2", "S3"]
HOSTS = ["wn1", "wn2"]


def a_class(requirements: dict[str, Any] | None = None, **context: Any) -> RequirementClass:
    """Return a class of one core and 1,000 s of work, unless the arguments say otherwise."""
    people = {"vo": "voa", "group": "user", "owner": "alice", "job_type": "User"}
    return make_class({"cpu_work_db12": 1000, **(requirements or {})}, **{**people, **context})  # type: ignore[typeddict-item]


def an_offer(**changes: Any) -> PilotOffer:
    """Return an offer of eight cores at S1 without GPU, unless the arguments say otherwise."""
    plain = PilotOffer(
        place=Place("voa", "S1", "ce1", "q"),
        cores=8,
        wall_time_s=86_400,
        power=10.0,
        architecture="x86_64",
        host="wn1",
        ram_mb=16_384,
        scratch_mb=40_960,
        features=architectures.features_of_level("x86-64-v3"),
    )
    return replace(plain, **changes)


def _gpu_blocks() -> st.SearchStrategy[dict[str, Any]]:
    return st.builds(
        lambda arch, low, more, vram, version: {
            "vendor": "nvidia",
            "arch": arch,
            "count": {"min": low, "max": low + more},
            **({"vram_mb_per_gpu": vram} if vram else {}),
            **({"min_runtime_version": version} if version else {}),
        },
        st.sampled_from(["sm_70", "sm_80", "sm_90a"]),
        st.integers(0, 2),
        st.integers(0, 2),
        st.sampled_from([0, 8_000, 16_000]),
        st.sampled_from(["", "11.4", "12.0"]),
    )


@st.composite
def classes(draw: st.DrawFn) -> RequirementClass:
    """Draw a class; amounts lie near those of `offers`, so that about as many fit as do not."""
    low = draw(st.integers(1, 8))
    cores: dict[str, Any] = {"min": low, "max": draw(st.sampled_from([None, low, low + 2]))}
    cpu: dict[str, Any] = {"num_cores": cores, "whole_node": draw(st.booleans()) and draw(st.booleans())}
    if draw(st.booleans()):
        terms = st.integers(0, 3_000)
        cpu["ram_mb"] = {"request": {"overhead": draw(terms), "per_core": draw(terms)}}
    architecture = draw(
        st.sampled_from(
            [
                None,
                None,
                {"name": "aarch64"},
                *({"name": "x86_64", "level": level} for level in LEVELS),
                {"name": "x86_64"},
            ]
        )
    )
    if architecture:
        cpu["architecture"] = architecture
    requirements: dict[str, Any] = {"cpu": cpu, "tags": draw(st.sampled_from(EXPRESSIONS))}
    requirements["cpu_work_db12"] = draw(st.integers(1, 2_000_000))
    if draw(st.booleans()):
        requirements["wall_time"] = draw(st.integers(1, 100_000))
    if draw(st.booleans()):
        requirements["io"] = {"scratch_mb": draw(st.integers(0, 20_000))}
    gpu = draw(st.one_of(st.none(), st.none(), _gpu_blocks()))
    if gpu is not None:
        requirements["gpu"] = gpu
        if gpu["count"]["min"] == 0:
            requirements["tags"] = "gpu:opportunistic-cpu-ok"
    if draw(st.integers(0, 9)) == 0:
        requirements["system"] = {"name": "Darwin"}
    sites = draw(st.one_of(st.none(), st.lists(st.sampled_from(SITES), min_size=1, unique=True)))
    return make_class(
        requirements,
        vo=draw(st.sampled_from(["voa", "voa", "voa", "vob"])),
        group=draw(st.sampled_from(["user", "prod"])),
        owner=draw(st.sampled_from(["alice", "bob"])),
        job_type=draw(st.sampled_from(["User", "Test", "Merge"])),
        user_priority=draw(st.integers(0, 10)),
        sites=sites,
        banned_sites=draw(st.lists(st.sampled_from(SITES), max_size=1)) if sites is None else None,
        avoid={"hosts": draw(st.lists(st.sampled_from(HOSTS), max_size=1, unique=True))},
    )


def _subsets(names: list[str]) -> st.SearchStrategy[frozenset[str]]:
    return st.frozensets(st.sampled_from(names))


@st.composite
def offers(draw: st.DrawFn) -> PilotOffer:
    """Draw an offer."""
    gpu = GpuOffer()
    if draw(st.integers(0, 3)) == 0:
        gpu = GpuOffer(
            draw(st.integers(1, 4)), "nvidia", draw(st.sampled_from(["sm_75", "sm_80", "sm_90a"])), 16_000, (12, 2)
        )
    accept = Acceptance()
    if draw(st.integers(0, 3)) == 0:
        accept = Acceptance(
            job_types=draw(st.one_of(st.none(), _subsets(["User", "Test"]))),
            groups=draw(st.one_of(st.none(), _subsets(["user", "prod"]))),
            owners=draw(st.one_of(st.none(), _subsets(["alice", "bob"]))),
            required_tags=draw(_subsets(["a", "b"])),
            banned_job_types=draw(_subsets(["Merge"])),
        )
    x86 = draw(st.integers(0, 4)) > 0
    level = draw(st.sampled_from(LEVELS))
    return PilotOffer(
        place=Place("voa", draw(st.sampled_from(SITES)), "ce1", "q"),
        cores=draw(st.integers(1, 10)),
        wall_time_s=draw(st.integers(0, 100_000)),
        power=draw(st.floats(0.5, 20)),
        architecture="x86_64" if x86 else "aarch64",
        host=draw(st.sampled_from(HOSTS)),
        whole_node=draw(st.booleans()),
        ram_mb=draw(st.one_of(st.none(), st.integers(0, 30_000))),
        scratch_mb=draw(st.one_of(st.none(), st.integers(0, 30_000))),
        features=architectures.features_of_level(level) if x86 else architectures.features_of_profile("armv8.2-a"),
        gpu=gpu,
        tags=draw(_subsets(TAGS)),
        accept=accept,
        closed=draw(st.integers(0, 9)) == 0,
    )
