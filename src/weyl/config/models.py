"""The whole configuration document as one typed, immutable tree."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, TypeVar

from pydantic import Field, create_model, model_validator

from weyl.config.background import TaskOptions
from weyl.config.operations import Operations
from weyl.config.registry import Organisation
from weyl.config.resources import Resources
from weyl.config.section import Section, merge_below

DEFAULTS = "Defaults"
S = TypeVar("S", bound=Section)


class Installation(Section):
    """What the document says of the installation as a whole."""

    no_setup: bool = False


class Config(Section):
    """The configuration that a revision of the repository holds."""

    known_commands: ClassVar[frozenset[str] | None] = None
    """Names of the payload commands that are installed; None for those who check a file elsewhere."""
    known_protocols: ClassVar[frozenset[str] | None] = None
    """Protocols of the storage drivers that are installed; None as above."""

    dirac: Installation
    registry: dict[str, Organisation]
    operations: dict[str, Operations] = Field(default_factory=dict)
    resources: Resources = Resources()
    # Left out where nothing is said: the published document has no such section.
    tasks: TaskOptions = Field(default_factory=TaskOptions, exclude_if=lambda value: value == TaskOptions())
    # Free here, for those who check a file where the extensions are not installed; `with_sections` closes it.
    extensions: Any = Field(default_factory=dict, exclude_if=lambda value: not _is_said(value))
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

    def section(self, model: type[S]) -> S:
        """Return the section that an extension has declared with this model."""
        for name in type(self.extensions).model_fields if isinstance(self.extensions, Section) else ():
            value = getattr(self.extensions, name)
            if isinstance(value, model):
                return value
        raise LookupError(f"No active extension has {model.__name__} as its section of the configuration")


def _is_said(extensions: Any) -> bool:
    return bool(type(extensions).model_fields) if isinstance(extensions, Section) else bool(extensions)


def with_sections(
    sections: Mapping[str, type[Section]],
    commands: Iterable[str] | None = None,
    protocols: Iterable[str] | None = None,
) -> type[Config]:
    """Return the configuration with one section an extension, by its name, below `Extensions`; others are refused.

    So are the names of payload commands that are not among `commands`, and the protocols of storage elements that are
    not among `protocols`, if these are given.
    """
    fields: dict[str, Any] = {name: _field(model, name) for name, model in sections.items()}
    extensions = create_model("Extensions", __base__=Section, **fields)
    model = create_model("Config", __base__=Config, extensions=_field(extensions, "Extensions"))
    model.known_commands = None if commands is None else frozenset(commands)
    model.known_protocols = None if protocols is None else frozenset(protocols)
    return model


def _field(model: type[Section], alias: str) -> tuple[Any, Any]:
    """Declare a section: one that can do without being written has its defaults, any other must be written."""
    if any(field.is_required() for field in model.model_fields.values()):
        return (model, Field(alias=alias))
    return (model, Field(default_factory=model, alias=alias, exclude_if=lambda value: not _is_said(value)))
