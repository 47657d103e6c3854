"""Jobs and files of weyl from Python: `weyl.submit`, `weyl.map`, `weyl.data` and what they return.

The names are imported when they are first used, so that `import weyl` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from weyl.client import Client, ClientError
    from weyl.science import aio, data
    from weyl.science.errors import CannotSend, JobLost, MapFailed, ResultTooLarge, WaitTimeout
    from weyl.science.executor import Executor
    from weyl.science.handles import Job, Jobs
    from weyl.science.mapping import Mapped, map  # noqa: A004
    from weyl.science.submission import submit

_PLACES = {
    "Client": "client",
    "ClientError": "client",
    "CannotSend": "science.errors",
    "Executor": "science.executor",
    "Job": "science.handles",
    "JobLost": "science.errors",
    "Jobs": "science.handles",
    "MapFailed": "science.errors",
    "Mapped": "science.mapping",
    "ResultTooLarge": "science.errors",
    "WaitTimeout": "science.errors",
    "map": "science.mapping",
    "submit": "science.submission",
}
_MODULES = {"aio": "science.aio", "data": "science.data"}

__all__ = [
    "CannotSend",
    "Client",
    "ClientError",
    "Executor",
    "Job",
    "JobLost",
    "Jobs",
    "MapFailed",
    "Mapped",
    "ResultTooLarge",
    "WaitTimeout",
    "aio",
    "data",
    "map",
    "submit",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        found: Any = import_module(f"weyl.{_MODULES[name]}")
    elif name in _PLACES:
        found = getattr(import_module(f"weyl.{_PLACES[name]}"), name)
    else:
        raise AttributeError(f"module 'weyl' has no attribute {name!r}")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
