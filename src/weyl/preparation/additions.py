"""What may look at jobs between submission and waiting: file catalogues, stagers, and the checks of extensions."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from weyl.config.models import Config
from weyl.descriptions.description import Description
from weyl.file_catalog.drivers.catalog import FileCatalog
from weyl.file_catalog.drivers.stager import Stager
from weyl.kit.db import Database
from weyl.kit.services import Key


@dataclass(frozen=True)
class Preparing:
    """Jobs of a batch that are alike in all that decides where they may run; one entry may stand for thousands."""

    job_ids: Sequence[int]
    description: Description
    """What is the same in their descriptions, attributes of extensions in `extra`; where jobs differ in what does not
    decide, it is as if nothing were said."""
    vo: str
    group: str
    owner: str


@dataclass(frozen=True)
class Rejected:
    """These jobs fail, for a reason that their owner reads."""

    reason: str
    minor_status: str = "Illegal Job JDL"


@dataclass(frozen=True)
class Held:
    """These jobs are looked at again later, or as soon as one of the places that they wait for may be used."""

    reason: str
    after_s: int = 300
    sites: tuple[str, ...] = ()
    storage_elements: tuple[str, ...] = ()


@dataclass(frozen=True)
class Narrowed:
    """These jobs may run at no other sites."""

    sites: frozenset[str]


Decision = Rejected | Held | Narrowed


@dataclass(frozen=True)
class PreparationContext:
    """By which configuration, when, and the database for an extension's own tables; no transaction is open."""

    config: Config
    now: datetime
    db: Database


PreparationCheck = Callable[
    [Sequence[Preparing], PreparationContext], Mapping[int, Decision] | Awaitable[Mapping[int, Decision]]
]
"""Looks at a whole batch at once, as a plain function or an async one; returns decisions by index, for some or none."""


@dataclass(frozen=True)
class PreparationRules:
    """What an installation does with jobs before they wait, its extensions included."""

    catalogs: Mapping[str, FileCatalog] = field(default_factory=dict)
    stagers: Mapping[str, Stager] = field(default_factory=dict)
    checks: Mapping[str, PreparationCheck] = field(default_factory=dict)
    """By the name of the extension."""
    attributes: Sequence[str] = ()
    """Attributes of extensions, which their checks may want to see."""


PREPARATION_CHECKS: Key[Mapping[str, PreparationCheck]] = Key("the checks of jobs before they wait")
PREPARATION_RULES: Key[PreparationRules] = Key("the rules of jobs before they wait")
