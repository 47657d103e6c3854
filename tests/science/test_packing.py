"""Functions on their way to a node and back: what goes by value, what is to blame, and what comes of a call."""

import pickle
import subprocess
import sys
import threading
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cloudpickle
import pytest

from weyl.science import remote_call
from weyl.science.errors import CannotSend, JobLost, RemoteError, RemoteTraceback, ResultTooLarge
from weyl.science.packing import by_value, pack_arguments, pack_function, unpacked

LOCK = threading.Lock()
OWN = """
FACTOR = 10

class Odd(ValueError):
    pass

def scaled(x):
    if x == 3:
        raise Odd(f"{x} is odd")
    return x * FACTOR
"""


def locked(x: int) -> int:
    with LOCK:
        return x


class Stubborn:
    """Cannot be pickled, and is deep inside something."""

    def __reduce__(self) -> Any:
        raise TypeError("never")


class OneWay(Exception):
    """Can be pickled, and not be read again: its argument is not what it is made with."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one}")
        self.two = two


@pytest.fixture
def own_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[types.ModuleType]:
    """A module beside the program, which no node has."""
    (tmp_path / "beside_the_program.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    import beside_the_program  # type: ignore[import-not-found]

    yield beside_the_program
    del sys.modules["beside_the_program"]


def node(function: Callable[..., Any], chunk: list[tuple[Any, ...]], place: Path) -> tuple[int, list[Any]]:
    """Run a chunk of calls in a Python of its own, as a node does, and return its exit code and what it left."""
    with by_value(function):
        packed = pack_function(function)
        calls = [(0, pack_arguments(each, {})) for each in chunk]
    folder = place / "weyl-call"
    (folder / "cloudpickle").mkdir(parents=True)
    source = Path(remote_call.__file__)
    (folder / source.name).write_bytes(source.read_bytes())
    for path in Path(cloudpickle.__file__).parent.glob("*.py"):
        (folder / "cloudpickle" / path.name).write_bytes(path.read_bytes())
    content = {"functions": [packed], "chunks": [[], calls], "bytes_max": 1000}
    (folder / remote_call.CALLS).write_bytes(pickle.dumps(content))
    done = subprocess.run(
        [sys.executable, "-S", str(folder / source.name), "1"],
        cwd=place,
        env={},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode in (0, 1), done.stderr
    return done.returncode, pickle.loads((place / remote_call.RESULTS).read_bytes())


def test_a_function_of_a_module_beside_the_program_runs_where_that_is_not(
    own_module: types.ModuleType, tmp_path: Path
) -> None:
    place = tmp_path / "node"
    code, left = node(own_module.scaled, [(1,), (3,), (5,)], place)
    assert code == 1
    (first, none), (nothing, error), (last, _) = [unpacked(each) for each in left]
    assert (first, none, nothing, last) == (10, None, None, 50)
    assert isinstance(error, own_module.Odd)
    assert str(error) == "3 is odd"
    assert isinstance(error.__cause__, RemoteTraceback)
    assert "in scaled" in str(error.__cause__)
    assert "remote_call.py" not in str(error.__cause__)
    assert "Odd: 3 is odd" in str(error.__cause__)


def test_results_that_are_too_large_leave_the_others_their_room(tmp_path: Path) -> None:
    code, left = node(lambda size: b"x" * size, [(10,), (5000,), (20,)], tmp_path)
    assert code == 1
    values = [unpacked(each) for each in left]
    assert [len(value) if value else None for value, _ in values] == [10, None, 20]
    assert isinstance(values[1][1], ResultTooLarge)
    assert "Write it into a file" in values[1][1].hint


def test_an_end_of_the_program_in_a_function_is_an_error_of_that_call(tmp_path: Path) -> None:
    _, left = node(lambda code: sys.exit(code) if code else "on", [(3,), (0,)], tmp_path)
    assert isinstance(unpacked(left[0])[1], SystemExit)
    assert unpacked(left[1]) == ("on", None)


def raise_it(kind: type[Exception], *arguments: Any) -> None:
    raise kind(*arguments)


@pytest.mark.parametrize("kind", ["one way", "stubborn", "local"])
def test_an_exception_that_cannot_come_back_comes_as_its_text(kind: str) -> None:
    class Local(Exception):
        pass

    def fail() -> None:
        if kind == "one way":
            raise OneWay(1, 2)
        error = Local("inside")
        if kind == "stubborn":
            error.thing = Stubborn()  # type: ignore[attr-defined]
        raise error

    with by_value(fail):
        left = remote_call.outcome(pack_function(fail), pack_arguments((), {}), 1000)
    _, error = unpacked(left)
    if kind == "local":
        assert type(error) is Local
    else:
        assert isinstance(error, RemoteError)
        assert str(error).startswith("OneWay: 1" if kind == "one way" else "Local: inside")
    assert isinstance(error.__cause__, RemoteTraceback)


@pytest.mark.parametrize(
    ("pack", "says"),
    [
        (lambda: pack_function(locked), r"LOCK, which locked uses, cannot be sent to a node: it is a _thread\.lock"),
        (lambda: pack_arguments((1, {"a": [2, Stubborn()]}), {}), r"argument 2\['a'\]\[1\] cannot be sent"),
        (lambda: pack_arguments((), {"where": Stubborn()}), "argument 'where' cannot be sent"),
        (lambda: pack_function(lambda: Stubborn), None),
        (lambda: pack_function(3), "3 cannot be called"),  # type: ignore[arg-type]
    ],
)
def test_what_cannot_be_pickled_is_named(pack: Callable[[], bytes], says: str | None) -> None:
    with by_value(locked):
        if says is None:
            assert pack()
            return
        with pytest.raises(CannotSend, match=says) as caught:
            pack()
    assert isinstance(caught.value, TypeError)


def test_what_is_marked_to_go_by_value_is_so_for_the_time_of_packing_only(own_module: types.ModuleType) -> None:
    with by_value(own_module.scaled):
        assert own_module.__name__ in cloudpickle.list_registry_pickle_by_value()
        assert "pytest" not in cloudpickle.list_registry_pickle_by_value()
        assert not any(name.startswith("weyl.") for name in cloudpickle.list_registry_pickle_by_value())
    assert cloudpickle.list_registry_pickle_by_value() == set()


def test_an_answer_that_cannot_be_read_here_is_told() -> None:
    _, error = unpacked(("value", b"no pickle"))
    assert isinstance(error, RemoteError)
    assert "cannot be read here" in str(error)


def test_errors_can_be_pickled_themselves() -> None:
    lost = pickle.loads(pickle.dumps(JobLost("gone", job_id=7, hint="look")))
    assert (lost.message, lost.job_id, lost.hint) == ("gone", 7, "look")
