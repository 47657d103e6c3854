"""Shell scripts on this machine, and the marks around what they say: answers that are cut or garbled are in doubt."""

import asyncio
import subprocess
import time
from collections.abc import Callable

import pytest
import uvloop

from weyl.remote.errors import OutcomeUnknown
from weyl.remote.transport import Finished, Framed, LocalTransport


def run_framed(script: str, *arguments: str, before: str = "", after: str = "") -> tuple[Framed, bytes]:
    """Run a script as a shell of some site does, which says things before and after."""
    framed = Framed(script, arguments)
    done = subprocess.run(["/bin/sh", "-c", f"{before}\n{framed.text}{after}"], capture_output=True, check=False)
    return framed, done.stdout


def test_what_a_login_shell_says_is_not_taken_for_an_answer() -> None:
    framed, out = run_framed("echo answer; exit 3", before="echo 'Welcome! weyl-begin-0'", after="echo bye")
    finished = framed.finished(0, out, "")
    assert (finished.code, finished.out) == (3, b"answer\n")


@pytest.mark.parametrize(
    "out",
    [
        b"",
        b"\xff\xfe garbage",
        b"weyl-begin-0000000000000000\nanswer\nweyl-end-0000000000000000 0\n",
        b"Welcome!\n" * 99,
    ],
)
def test_an_answer_without_its_marks_is_in_doubt(out: bytes) -> None:
    with pytest.raises(OutcomeUnknown):
        Framed("true", ()).finished(0, out, "")


def test_an_answer_that_is_cut_is_in_doubt() -> None:
    framed, out = run_framed("echo answer")
    for length in range(len(out) - 2):
        with pytest.raises(OutcomeUnknown):
            framed.finished(0, out[:length], "")


def test_the_complaint_is_the_reason() -> None:
    with pytest.raises(OutcomeUnknown, match="no route to host"):
        Framed("true", ()).finished(255, b"", "no route to host")


@pytest.mark.parametrize("event_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
@pytest.mark.parametrize("stdin", [b"", b"names\n"])
def test_a_script_that_ends_before_a_busy_server_writes_to_it_has_its_answer(
    event_loop: Callable[[], asyncio.AbstractEventLoop], stdin: bytes
) -> None:
    async def run_beside_other_work() -> Finished:
        async with asyncio.TaskGroup() as group:
            script = group.create_task(LocalTransport().run("echo answer; exit 3", stdin=stdin, timeout_s=30))
            while not script.done():
                time.sleep(0.05)  # noqa: ASYNC251 - the server is busy
                await asyncio.sleep(0)
        return script.result()

    with asyncio.Runner(loop_factory=event_loop) as runner:
        finished = runner.run(run_beside_other_work())
    assert (finished.code, finished.out) == (3, b"answer\n")
