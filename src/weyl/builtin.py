"""The rooms of weyl itself as one extension, and the extensions that are installed beside it."""

from importlib.metadata import entry_points

from weyl.config.routes import router as config_router
from weyl.extension import Extension

BUILTIN = Extension(name="weyl", routers=[config_router])


def load_extensions() -> list[Extension]:
    """Return weyl's own extension, then every installed one (entry points of group `weyl.extensions`)."""
    found = [entry.load() for entry in entry_points(group="weyl.extensions")]
    return [BUILTIN, *sorted(found, key=lambda extension: extension.name)]
