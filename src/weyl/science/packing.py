"""Functions and their arguments on the way to a node, and what comes back: pickles, and what is wrong with them."""

import inspect
import os
import pickle
import sys
import sysconfig
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import cloudpickle

from weyl.science.errors import CannotSend, RemoteError, RemoteTraceback, ResultTooLarge
from weyl.science.remote_call import ERROR, PROTOCOL, TOO_LARGE

# What all results of one job may have together; a sandbox has at most 100 MiB.
RESULT_BYTES_MAX = 64 * 1024 * 1024
DEPTH_MAX = 6
_lock = threading.Lock()


def pack_function(function: Callable[..., Any]) -> bytes:
    """Return the pickle of a function, with what it refers to; raises `CannotSend` that names what cannot go.

    Within `by_value`, what the program and modules beside it define goes by value: the node does not have it. What is
    installed goes by name.
    """
    if not callable(function):
        raise CannotSend(f"{function!r} cannot be called.", hint="Give a function.")
    return _packed(function, getattr(function, "__qualname__", type(function).__name__))


def pack_arguments(positional: Sequence[Any], named: Mapping[str, Any]) -> bytes:
    """Return the pickle of the arguments of one call; raises `CannotSend` that names what cannot go."""
    try:
        return bytes(cloudpickle.dumps((tuple(positional), dict(named)), protocol=PROTOCOL))
    except Exception:
        for number, each in enumerate(positional, 1):
            _packed(each, f"argument {number}")
        for name, each in named.items():
            _packed(each, f"argument {name!r}")
        raise


def _packed(thing: Any, name: str) -> bytes:
    try:
        return bytes(cloudpickle.dumps(thing, protocol=PROTOCOL))
    except Exception as error:
        path, culprit = _culprit(thing, name, DEPTH_MAX)
        kind = f"{type(culprit).__module__}.{type(culprit).__qualname__}"
        raise CannotSend(
            f"{path} cannot be sent to a node: it is a {kind} ({error}).",
            hint="Make it inside the function, or send what it is made from, such as the name of a file.",
        ) from error


def _culprit(thing: Any, name: str, depth: int) -> tuple[str, Any]:
    """Return the innermost part that cannot be pickled, and the way to it."""
    for path, part in _parts(thing, name) if depth else ():
        try:
            cloudpickle.dumps(part, protocol=PROTOCOL)
        except Exception:  # noqa: BLE001 - objects may do anything when they are pickled
            return _culprit(part, path, depth - 1)
    return name, thing


def _parts(thing: Any, name: str) -> Iterator[tuple[str, Any]]:
    if inspect.isfunction(thing):
        seen = inspect.getclosurevars(thing)
        for word, part in {**seen.nonlocals, **seen.globals}.items():
            if part is not thing:
                yield f"{word}, which {name} uses,", part
        for number, part in enumerate(thing.__defaults__ or ()):
            yield f"default {number + 1} of {name}", part
    elif inspect.ismethod(thing):
        yield f"the object of {name}", thing.__self__
    elif isinstance(thing, Mapping):
        yield from ((f"{name}[{key!r}]", part) for key, part in thing.items())
    elif isinstance(thing, list | tuple | set | frozenset):
        yield from ((f"{name}[{number}]", part) for number, part in enumerate(thing))
    elif hasattr(thing, "__dict__") and not isinstance(thing, type | ModuleType):
        yield from ((f"{name}.{word}", part) for word, part in vars(thing).items())


@contextmanager
def by_value(function: object) -> Iterator[None]:
    """Let what a function's own module and modules beside the program define go by value while things are packed."""
    own = getattr(function, "__module__", None)
    with _lock:
        installed, beside = _installed(), _beside()
        marked = [
            module
            for name, module in list(sys.modules.items())
            if _is_local(name, module, installed) and (name == own or str(module.__file__).startswith(beside))
        ]
        for module in marked:
            cloudpickle.register_pickle_by_value(module)
        try:
            yield
        finally:
            for module in marked:
                cloudpickle.unregister_pickle_by_value(module)


def _is_local(name: str, module: Any, installed: tuple[str, ...]) -> bool:
    """Say whether a node may lack a module: it is a file that is not installed."""
    if not isinstance(module, ModuleType) or module.__name__ != name or name.partition(".")[0] in ("__main__", "weyl"):
        return False
    file = getattr(module, "__file__", None)
    return bool(file) and not str(file).startswith(installed)


def _installed() -> tuple[str, ...]:
    places = sysconfig.get_paths()
    return tuple(places[name] + os.sep for name in ("stdlib", "platstdlib", "purelib", "platlib"))


def _beside() -> tuple[str, ...]:
    file = getattr(sys.modules.get("__main__"), "__file__", None)
    places = [Path.cwd(), *([Path(file).resolve().parent] if file else [])]
    return tuple(str(place) + os.sep for place in places)


def unpacked(outcome: Sequence[Any]) -> tuple[Any, BaseException | None]:
    """Return the value of a call, or its exception with the traceback of the node as its cause."""
    kind, packed = outcome[0], outcome[1]
    if kind == TOO_LARGE:
        return None, ResultTooLarge(
            f"The result has {outcome[2]:,} bytes; all results of a job may have {RESULT_BYTES_MAX:,}.",
            hint="Write it into a file that `output` names, and return its name; or take smaller chunks.",
        )
    try:
        found = pickle.loads(packed) if packed is not None else None
    except Exception as error:  # noqa: BLE001 - what comes back may lack its module here
        lost = RemoteError(f"What came back cannot be read here: {error}")
        lost.__cause__ = RemoteTraceback(outcome[3]) if kind == ERROR else error
        return None, lost
    if kind != ERROR:
        return found, None
    raised = found if isinstance(found, BaseException) else RemoteError(outcome[2])
    raised.__cause__ = RemoteTraceback(outcome[3])
    return None, raised
