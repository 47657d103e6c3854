"""The cache of two ages."""

import asyncio

import pytest

from weyl.kit.cache import SoftHardCache


class Source:
    """Counts what is loaded and may fail."""

    def __init__(self) -> None:
        self.loads = 0
        self.broken = False
        self.loaded = asyncio.Event()

    async def __call__(self, key: str) -> str:
        self.loads += 1
        self.loaded.set()
        if self.broken:
            raise OSError("away")
        return f"{key}{self.loads}"


async def test_young_values_are_not_loaded_again() -> None:
    source = Source()
    cache = SoftHardCache(source, soft_s=60, hard_s=120)
    assert [await cache.get("a"), await cache.get("a")] == ["a1", "a1"]


async def test_many_readers_make_one_flight() -> None:
    source = Source()
    cache = SoftHardCache(source, soft_s=60, hard_s=120)
    assert set(await asyncio.gather(*(cache.get("a") for _ in range(20)))) == {"a1"}


async def test_a_stale_value_is_served_and_refreshed_behind() -> None:
    source = Source()
    cache = SoftHardCache(source, soft_s=0, hard_s=60)
    assert await cache.get("a") == "a1"
    source.loaded.clear()
    assert await cache.get("a") == "a1"
    await source.loaded.wait()
    await asyncio.sleep(0)
    assert await cache.get("a") == "a2"


async def test_past_the_hard_age_readers_wait_and_get_the_error() -> None:
    source = Source()
    cache = SoftHardCache(source, soft_s=0, hard_s=0)
    await cache.get("a")
    assert await cache.get("a") == "a2"
    source.broken = True
    with pytest.raises(OSError, match="away"):
        await cache.get("a")


async def test_a_forgotten_key_is_loaded_by_the_next_reader() -> None:
    source = Source()
    cache = SoftHardCache(source, soft_s=60, hard_s=120)
    await cache.get("a")
    cache.forget("a")
    assert await cache.get("a") == "a2"
