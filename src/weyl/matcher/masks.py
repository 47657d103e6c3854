"""The masks of everything by which classes are told apart, and what of a class stands in which."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from weyl.matcher.bitsets import MemoMasks, PrefixMasks, ValueMasks
from weyl.matcher.evaluation import GpuNeed, Needs, gpu_fits
from weyl.matcher.offers import GpuOffer
from weyl.matcher.wanted_tags import TagKey, Wanted, tags_accept, wanted_of


@dataclass(slots=True)
class Masks:
    """The masks of everything by which classes are told apart."""

    vo: ValueMasks[str] = field(default_factory=ValueMasks)
    site: ValueMasks[str | None] = field(default_factory=ValueMasks)
    banned_site: ValueMasks[str] = field(default_factory=ValueMasks)
    avoided_host: ValueMasks[str] = field(default_factory=ValueMasks)
    local_data: ValueMasks[str] = field(default_factory=ValueMasks)
    job_type: ValueMasks[str] = field(default_factory=ValueMasks)
    group: ValueMasks[str] = field(default_factory=ValueMasks)
    system: ValueMasks[str] = field(default_factory=ValueMasks)
    architecture: ValueMasks[str | None] = field(default_factory=ValueMasks)
    whole_node: ValueMasks[bool] = field(default_factory=ValueMasks)
    cores: PrefixMasks = field(default_factory=PrefixMasks)
    ram: PrefixMasks = field(default_factory=PrefixMasks)
    wall_time: PrefixMasks = field(default_factory=PrefixMasks)
    work: PrefixMasks = field(default_factory=PrefixMasks)
    scratch: PrefixMasks = field(default_factory=PrefixMasks)
    features: MemoMasks[frozenset[str], frozenset[str]] = field(
        default_factory=lambda: MemoMasks(lambda wanted, offered: wanted <= offered)
    )
    gpu: MemoMasks[GpuNeed | None, GpuOffer] = field(default_factory=lambda: MemoMasks(gpu_fits))
    tags: MemoMasks[Wanted, TagKey] = field(default_factory=lambda: MemoMasks(tags_accept))


def values_of(needs: Needs) -> Iterator[tuple[str, Any]]:
    """Yield every (mask, value) under which a class stands."""
    yield "vo", needs.vo
    for site in (None,) if needs.sites is None else needs.sites:
        yield "site", site
    for site in needs.banned_sites:
        yield "banned_site", site
    for host in needs.avoided_hosts:
        yield "avoided_host", host
    for site in needs.local_data:
        yield "local_data", site
    yield "job_type", needs.job_type
    yield "group", needs.group
    yield "system", needs.system
    yield "architecture", needs.architecture
    yield "whole_node", needs.whole_node
    yield "cores", needs.cores_min
    yield "ram", 0 if needs.ram is None else needs.ram.at(needs.cores_min)
    yield "wall_time", needs.wall_time_s
    yield "work", needs.work
    yield "scratch", needs.scratch_mb
    yield "features", needs.features
    yield "gpu", needs.gpu
    yield "tags", wanted_of(needs.expression)
