"""Whatever text comes to whatever reads it: it is read, or refused as that reader refuses, at once, and forgotten."""

import gc
import os
import random
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.fuzz.readers import READERS, Reader
from tests.infra.selection import Share
from weyl.task_queues import tags

READ_S_MAX = 1.0
INPUTS = 10_000
WARM_UP = 2_000
# One object that is kept of each input would be 10,000 blocks.
BLOCKS_MAX = INPUTS // 4
RESIDENT_MB_MAX = 64
ODD = (
    "\x00",
    "\ud800",
    "\u202e",
    "\ufeff",
    "é",
    "𓉭",
    "٣",
    "\x85",
    "\u2028",
    "\r",
    "\n",
    "\t",
    " ",
    "a" * 300,
    "0",
    "-0",
)
NAMES = [pytest.param(name, id=name) for name in READERS]


def is_read(reader: Reader, text: str) -> bool:
    """Let a text be read; tell whether it was, or refused; anything else fails."""
    started = time.thread_time()
    try:
        reader.read(text)
        answer = True
    except reader.refuses:
        answer = False
    took_s = time.thread_time() - started
    assert took_s < READ_S_MAX, f"took {took_s:.1f} s of CPU: {text[:200]!r} ({len(text)} characters)"
    return answer


def mutated(reader: Reader, seed: int) -> str:
    """Return a good text after some accidents."""
    chance = random.Random(seed)
    text = chance.choice(reader.good)
    for _ in range(chance.randint(1, 6)):
        start = chance.randint(0, len(text))
        end = min(len(text), start + chance.choice((0, 0, 1, 2, 5, 20)))
        match chance.randint(0, 4):
            case 0:
                text = text[:start] + text[end:]
            case 1:
                text = text[:end] + text[start:end] * chance.choice((1, 2, 40)) + text[end:]
            case 2:
                text = text[:start] + chance.choice(ODD) + text[end:]
            case 3:
                other = chance.choice(reader.good)
                text = text[:start] + other[chance.randint(0, len(other)) :]
            case _:
                text = text[:start] + chance.choice(reader.words or ODD) + text[start:]
    return text


def large(reader: Reader) -> Iterator[str]:
    """Yield texts that are long or deep: what somebody sends who wants to keep the server busy."""
    signs = {
        *reader.words,
        *ODD,
        *"()[]{}<>\"'\\/*#=:;,.~&|!?@%-+_ \n",
        "[",
        "{",
        "(",
        "[{",
        '{"a":',
        "/*",
        "a",
        "1",
        "0x",
    }
    signs |= {
        '"\\',
        "a,",
        "a&",
        "a|(",
        "~(",
        "a=1;",
        "a=[",
        "{{",
        "- ",
        "? ",
        "&a ",
        "1:",
        "9",
        "a b ",
        "vo:a ",
        "1,",
        "a: ",
    }
    for sign in sorted(signs):
        for count in (300, 3_000, 30_000):
            yield sign * count
            yield reader.good[0] + sign * count
            yield sign * count + reader.good[0]
            yield reader.good[0].replace("a", sign * (count // 10), 1)
    for opening, closing in ("[]", "{}", "()", '""', "''", ("[a=", "]"), ("{a: ", "}"), ("/*", "*/"), ("~(", ")")):
        for count in (30, 100, 300, 3_000, 30_000):
            nested = opening * count + "1" + closing * count
            yield from (nested, f"a = {nested};", f"Systems: {nested}", f'"x": {nested}', f"a & {nested}")


@pytest.mark.parametrize("name", NAMES)
def test_what_is_good_is_read(name: str) -> None:
    reader = READERS[name]
    readable = [text for text in reader.good if is_read(reader, text)]
    assert readable


@pytest.mark.parametrize("name", NAMES)
@given(text=st.text(st.characters(exclude_categories=()), max_size=200))
@example(text="")
def test_any_text_is_read_or_refused(name: str, text: str) -> None:
    is_read(READERS[name], text)


@pytest.mark.parametrize("name", NAMES)
def test_any_words_are_read_or_refused(name: str) -> None:
    reader = READERS[name]

    @given(st.lists(st.sampled_from([*reader.words, *ODD, "a", "b", "1"]), max_size=30))
    def each(words: list[str]) -> None:
        is_read(reader, "".join(words))

    each()


@pytest.mark.parametrize("name", NAMES)
@given(seed=st.integers(0, 2**32))
@settings(max_examples=5 * settings().max_examples)
def test_a_good_text_after_accidents_is_read_or_refused(name: str, seed: int) -> None:
    reader = READERS[name]
    is_read(reader, mutated(reader, seed))


@pytest.mark.parametrize("name", NAMES)
def test_long_and_deep_texts_are_read_or_refused_within_a_second(name: str) -> None:
    reader = READERS[name]
    for text in large(reader):
        is_read(reader, text)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_kept_of_what_was_read(name: str, take_part: Callable[[int], Share]) -> None:
    reader, one_of = READERS[name], take_part(5).one_of

    def run(seeds: range) -> tuple[int, int]:
        read = sum(is_read(reader, mutated(reader, seed)) for seed in seeds)
        tags.parse.cache_clear()  # it keeps the last 10,000 expressions, of at most 1,024 characters
        assert read, "some are good"
        gc.collect()
        return sys.getallocatedblocks(), _resident_mb()

    warm_up, inputs = WARM_UP // one_of, INPUTS // one_of
    blocks, resident_mb = run(range(warm_up))
    more_blocks, more_resident_mb = run(range(warm_up, warm_up + inputs))
    assert more_blocks - blocks < BLOCKS_MAX
    assert more_resident_mb - resident_mb < RESIDENT_MB_MAX


def _resident_mb() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE") >> 20
