"""When a program of a stack is started again, and when that is given up."""

from pathlib import Path

from weyl.demo.supervision import Program, Restarts, Supervisor

WAIT_S = 60


def test_it_is_started_again_at_once_then_later_and_later_and_at_last_no_more() -> None:
    restarts = Restarts()
    assert [restarts.plan(now) for now in (0, 1, 2, 3, 4, 5)] == [0, 0.5, 1, 2, 4, None]


def test_what_ended_more_than_a_minute_ago_does_not_count() -> None:
    restarts = Restarts()
    for now in (0, 1, 2, 3, 4):
        restarts.plan(now)
    assert restarts.plan(61.5) == 2
    assert restarts.plan(200) == 0


def _supervised(program: Program) -> tuple[list[str], str]:
    """Let it be looked after until that is given up; returns what was said, and the reason."""
    said: list[str] = []
    program.start()
    supervisor = Supervisor([program], said.append, second_after_s=0.01)
    supervisor.start()
    try:
        assert supervisor.is_resting.wait(WAIT_S)
    finally:
        supervisor.leave()
        program.stop()
    assert supervisor.failure is not None
    return said, str(supervisor.failure)


def test_who_reads_that_it_was_given_up_knows_which_log_says_why(tmp_path: Path) -> None:
    program = Program("database", ["/bin/sh", "-c", "echo no room; exit 3"], tmp_path / "database.log", {})
    said, reason = _supervised(program)
    assert said == [
        "Database ended with exit code 3; restarting" + wait
        for wait in ("", " in 0.01 s", " in 0.02 s", " in 0.04 s", " in 0.08 s")
    ]
    assert reason.startswith("database: it ended 6 times within a minute, the last time with exit code 3. ")
    assert f"The end of {tmp_path}/database.log:\n" in reason
    assert reason.endswith("no room")


def test_what_cannot_be_started_again_is_said(tmp_path: Path) -> None:
    directory = tmp_path / "logs"
    directory.mkdir()
    program = Program("database", ["/bin/rm", "-r", str(directory)], directory / "database.log", {})
    said, reason = _supervised(program)
    assert said == ["Database ended with exit code 0; restarting"]
    assert reason.startswith("database: [Errno 2] No such file or directory")
