"""The compiler of the server: a process of its own, whose limits and whose death harm one document at most."""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from weyl.cwl.drivers.child import Limits
from weyl.cwl.drivers.compiler import Batch, Bundle, Compiler, CompilerBusy

pytestmark = pytest.mark.system

TOOL = b"""
cwlVersion: v1.2
class: CommandLineTool
requirements:
  InlineJavascriptRequirement: {}
  ResourceRequirement: {ramMin: $(inputs.n * 2), coresMin: $(inputs.n)}
inputs: {n: {type: int, inputBinding: {}}}
outputs: {o: stdout}
baseCommand: echo
"""
GOOD = Bundle("a.cwl", None, {"a.cwl": TOOL})
# Each level is ten times the one before: just under the limit of a million values.
HEAVY = (
    b"cwlVersion: v1.2\nclass: CommandLineTool\ninputs: []\noutputs: []\nbaseCommand: a\nhints:\n  x:Y:\n"
    + b"".join(
        b"    l%d: &l%d [%s]\n" % (n, n, b", ".join([b"*l%d" % (n - 1) if n else b"{a: b}"] * 10)) for n in range(5)
    )
)


# More values than fit into little memory.
LARGE = b"cwlVersion: v1.2\nclass: CommandLineTool\nhints: {x:Y: [" + b"1, " * 600_000 + b"]}\n"


def records(levels: int, width: int) -> bytes:
    """Return types of which each has many fields of the one before: few lines that come to millions of types."""
    types = [b"{name: t0, type: record, fields: {a: int}}"]
    for level in range(1, levels):
        fields = b", ".join(b"f%d: '#t%d'" % (number, level - 1) for number in range(width))
        types.append(b"{name: t%d, type: record, fields: {%s}}" % (level, fields))
    defined = b"requirements:\n  SchemaDefRequirement: {types: [%s]}" % b", ".join(types)
    return TOOL.replace(b"requirements:", defined).replace(b"{n: {", b"{t: '#t%d', n: {" % (levels - 1))


@pytest.fixture(scope="module")
async def compiler() -> AsyncIterator[Compiler]:
    """Give a compiler, and end its process; a test may kill it."""
    made = Compiler()
    yield made
    await made.close()


def process_of(compiler: Compiler) -> int:
    assert compiler._compiling._process is not None
    return compiler._compiling._process._process.pid


def forks_of(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def codes(compilation: Any) -> list[str]:
    return [problem["code"] for problem in compilation["problems"]]


async def test_documents_are_compiled_by_one_process(compiler: Compiler) -> None:
    first = await compiler.compile(GOOD, user="ada")
    pid = process_of(compiler)
    bad = await compiler.compile(Bundle("b.cwl", None, {"b.cwl": b"a: ["}), user="ada")
    again = await compiler.compile(GOOD, user="ada")
    assert first == again
    assert (first["class"], codes(first), codes(bad)) == ("CommandLineTool", [], ["not-yaml"])
    assert process_of(compiler) == pid
    assert forks_of(pid) == []


async def test_files_of_a_bundle_reach_it_byte_for_byte(compiler: Compiler) -> None:
    files = {
        "main.cwl": TOOL.replace(b"baseCommand", b"stdin: '{$include: x}'\nbaseCommand"),
        "bin/ä.dat": bytes(range(256)),
    }
    found = await compiler.compile(Bundle("main.cwl", None, files), user="ada")
    assert codes(found) == []


async def test_the_process_knows_nothing_and_reaches_nobody(compiler: Compiler) -> None:
    await compiler.compile(GOOD, user="ada")
    process = Path(f"/proc/{process_of(compiler)}")
    assert (process / "environ").read_bytes() == b""
    assert (process / "cwd").readlink() == Path("/")
    sockets = [each.readlink() for each in (process / "fd").iterdir() if each.readlink().name.startswith("socket:")]
    assert sockets == []
    if os.geteuid() == 0:
        assert (process / "ns/net").readlink() != Path("/proc/self/ns/net").readlink()


async def test_expressions_are_evaluated_for_each_job(compiler: Compiler) -> None:
    expressions = (await compiler.compile(GOOD, user="ada"))["expressions"]
    numbers: list[Any] = [n % 7 for n in range(25_000)]
    numbers[20_000] = "text"
    found = await compiler.evaluate(Batch(expressions, {"n": numbers}, len(numbers)), user="ada")
    by_name = {each["what"]: number for number, each in enumerate(expressions)}
    assert [found.values[kind][by_name["ramMin"]] for kind in found.which[:9]] == [0, 2, 4, 6, 8, 10, 12, 0, 2]
    assert len(found.values) == 8
    ((kind, number, text),) = found.errors
    assert (found.which.index(kind), expressions[number]["what"]) == (20_000, "ramMin")
    assert "NaN" in text
    nothing = await compiler.evaluate(Batch([], {}, 2), user="ada")
    assert (nothing.values, nothing.which) == ([[]], [0, 0])


async def test_inputs_that_are_too_long_for_one_message_go_in_several(
    compiler: Compiler, monkeypatch: pytest.MonkeyPatch
) -> None:
    expression = {"text": "$(inputs.a + inputs.b.length)", "javascript": True}
    expression |= {"bind": {"a": {"input": "a"}, "b": {"input": "b"}}}
    batch = Batch([expression], {"a": [*range(100), "x" * 500], "b": ["same"]}, 101)
    monkeypatch.setattr("weyl.cwl.drivers.compiler.BODY_MAX_B", 400)
    found = await compiler.evaluate(batch, user="ada")
    assert [found.values[kind] for kind in found.which] == [*([number + 4] for number in range(100)), [None]]
    ((kind, number, text),) = found.errors
    assert (found.which.index(kind), number) == (100, 0)
    assert "takes more than" in text


@pytest.mark.parametrize(
    ("limits", "document", "words"),
    [
        (Limits(cpu_s=1), HEAVY, "compiling it takes more than 1 s of CPU time"),
        (Limits(wall_s=0.6), HEAVY, "compiling it takes longer than 1 s"),
        (Limits(memory_b=140 << 20), LARGE, "140 MiB of memory"),
        (Limits(cpu_s=1), records(8, 30), "compiling it takes more than 1 s of CPU time"),
    ],
    ids=["cpu", "time", "memory", "types"],
)
async def test_after_a_limit_the_next_document_compiles(limits: Limits, document: bytes, words: str) -> None:
    counted: Counter[str] = Counter()
    compiler = Compiler(limits=limits, count=lambda outcome: counted.update([outcome]))
    try:
        found = await compiler.compile(Bundle("a.cwl", None, {"a.cwl": document}), user="ada")
        (problem,) = found["problems"]
        assert (problem["code"], problem["severity"]) == ("compiler-limit", "error")
        assert words in problem["detail"]
        pid = process_of(compiler)
        assert codes(await compiler.compile(GOOD, user="ada")) == []
        assert process_of(compiler) == pid
        assert counted["compiled"] == 1
        assert counted.total() == 2
    finally:
        await compiler.close()


async def test_a_process_that_was_killed_is_replaced(compiler: Compiler) -> None:
    await compiler.compile(GOOD, user="ada")
    first = process_of(compiler)
    os.kill(first, signal.SIGKILL)
    assert codes(await compiler.compile(GOOD, user="ada")) == []
    assert process_of(compiler) != first


async def test_what_was_asked_of_a_process_that_dies_is_asked_again(compiler: Compiler) -> None:
    await compiler.compile(GOOD, user="ada")
    first = process_of(compiler)
    os.kill(first, signal.SIGSTOP)
    asked = asyncio.create_task(compiler.compile(GOOD, user="ada"))
    while not (running := compiler._compiling._process) or not running._asked:
        await asyncio.sleep(0)
    os.kill(first, signal.SIGKILL)
    assert codes(await asked) == []
    assert process_of(compiler) != first


async def test_an_end_leaves_no_process_and_a_new_one_starts(compiler: Compiler) -> None:
    await compiler.compile(GOOD, user="ada")
    pid = process_of(compiler)
    heavy = asyncio.create_task(compiler.compile(Bundle("a.cwl", None, {"a.cwl": HEAVY}), user="ada"))
    while not (forks := forks_of(pid)):
        await asyncio.sleep(0)
    heavy.cancel()
    await asyncio.gather(heavy, return_exceptions=True)
    await compiler.close()
    assert not Path(f"/proc/{pid}").exists()
    for fork in forks:
        while is_alive(fork):
            await asyncio.sleep(0)
    assert codes(await compiler.compile(GOOD, user="ada")) == []


def is_alive(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


async def test_two_users_compile_at_once_and_each_once(monkeypatch: pytest.MonkeyPatch) -> None:
    compiler = Compiler()
    running: list[str] = []
    order: list[str] = []
    release = asyncio.Event()

    async def ask(request: Any, body: bytes) -> tuple[bytes, str]:
        running.append(body.decode())
        order.append(body.decode())
        await release.wait()
        running.remove(body.decode())
        return b'{"problems": []}', ""

    monkeypatch.setattr(compiler._compiling, "ask", ask)

    def submitted(user: str, name: str) -> asyncio.Task[Any]:
        return asyncio.create_task(compiler.compile(Bundle("a", None, {"a": name.encode()}), user=user))

    tasks = [submitted("ada", "ada 1"), submitted("ada", "ada 2"), submitted("bob", "bob 1"), submitted("eve", "eve 1")]
    for _ in range(5):
        await asyncio.sleep(0)
    assert running == ["ada 1", "bob 1"]
    waiting = [submitted("eve", f"eve {n}") for n in range(2, 20)]
    for _ in range(5):
        await asyncio.sleep(0)
    with pytest.raises(CompilerBusy) as caught:
        await compiler.compile(GOOD, user="zoe")
    assert (caught.value.status, caught.value.headers["Retry-After"]) == (503, "5")
    waiting[0].cancel()
    await asyncio.gather(waiting[0], return_exceptions=True)
    release.set()
    await asyncio.gather(*tasks, *waiting[1:])
    assert order[:4] == ["ada 1", "bob 1", "ada 2", "eve 1"]
    assert "eve 2" not in order
    assert not compiler._turns._users
    assert not compiler._turns._waiting
