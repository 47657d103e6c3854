"""The whole configuration document as one typed, immutable tree."""

from typing import Any

from pydantic import Field, model_validator

from weyl.config.background import TaskOptions
from weyl.config.operations import Operations
from weyl.config.registry import Organisation
from weyl.config.resources import Resources
from weyl.config.section import Section

DEFAULTS = "Defaults"


class Installation(Section):
    """What the document says of the installation as a whole."""

    no_setup: bool = False


def merge_below(upper: Any, lower: Any) -> Any:
    """Lay `upper` over `lower`: mappings key by key, everything else as a whole."""
    if upper is None:
        return lower
    if not isinstance(upper, dict) or not isinstance(lower, dict):
        return upper
    merged = {key: value for key, value in lower.items() if key not in upper}
    return {key: merge_below(value, lower.get(key)) for key, value in upper.items()} | merged


class Config(Section):
    """The configuration that a revision of the repository holds."""

    dirac: Installation
    registry: dict[str, Organisation]
    operations: dict[str, Operations] = Field(default_factory=dict)
    resources: Resources = Resources()
    # Left out where nothing is said: the published document has no such section.
    tasks: TaskOptions = Field(default_factory=TaskOptions, exclude_if=lambda value: value == TaskOptions())
    local_site: Any = None
    log_level: Any = None
    mc_testing_destination: Any = None
    systems: Any = None
    web_app: Any = None

    @model_validator(mode="before")
    @classmethod
    def _spread_defaults(cls, document: Any) -> Any:
        """Give each VO its own `Operations`, with what `Defaults` says below it."""
        if not isinstance(document, dict) or "operations" in document:
            return document
        operations = document.get("Operations") or {}
        registry = document.get("Registry") or {}
        if not isinstance(operations, dict) or not isinstance(registry, dict):
            return document
        defaults = operations.get(DEFAULTS) or {}
        names = dict.fromkeys([*operations, *registry])
        names.pop(DEFAULTS, None)
        return document | {"Operations": {name: merge_below(operations.get(name) or {}, defaults) for name in names}}
