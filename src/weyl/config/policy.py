"""Who may see how the configuration came to be, and who may change it."""

import re
from dataclasses import dataclass

from weyl.config.errors import NoConfigAdministrator
from weyl.config.models import Config
from weyl.kit.http import User

# What would end the name or the address in a commit.
_NOT_IN_NAMES = re.compile(r"[<>\x00-\x1f\x7f]")
_NOT_IN_ADDRESSES = re.compile(r"[<>\s]")


@dataclass(frozen=True, slots=True)
class ConfigReader:
    """May read past revisions of the configuration, those of other VOs and authors' addresses included."""

    subject: str


def may_read_history(user: User) -> ConfigReader:
    """Admit administrators of the configuration and of the services."""
    if not user.has("CSAdministrator", "ServiceAdministrator"):
        raise NoConfigAdministrator("The history of the configuration is for holders of CSAdministrator")
    return ConfigReader(user.subject)


@dataclass(frozen=True, slots=True)
class ConfigWriter(ConfigReader):
    """May change the configuration of the whole installation, under this name."""

    name: str
    email: str
    vo: str
    group: str


def may_change_config(user: User) -> ConfigWriter:
    """Admit administrators of the configuration; the name in the history is that of their token."""
    if not user.has("CSAdministrator"):
        raise NoConfigAdministrator("The configuration is changed by holders of CSAdministrator")
    name = _NOT_IN_NAMES.sub("", user.preferred_username).strip() or user.subject
    address = f"{_NOT_IN_ADDRESSES.sub('-', name)}@{user.vo}"
    return ConfigWriter(user.subject, name=name, email=address, vo=user.vo, group=user.group)


def is_administrator(writer: ConfigWriter, config: Config) -> bool:
    """Tell whether a configuration lets this person change it, in the group that they act in."""
    organisation = config.registry.get(writer.vo)
    group = organisation.groups.get(writer.group) if organisation else None
    return (
        group is not None
        and "CSAdministrator" in group.properties
        and writer.subject.removeprefix(f"{writer.vo}:") in group.users
    )
