"""Who may see how the configuration came to be."""

from dataclasses import dataclass

from weyl.config.errors import NoConfigAdministrator
from weyl.kit.http import User


@dataclass(frozen=True, slots=True)
class ConfigReader:
    """May read past revisions of the configuration, those of other VOs and authors' addresses included."""

    subject: str


def may_read_history(user: User) -> ConfigReader:
    """Admit administrators of the configuration and of the services."""
    if not user.has("CSAdministrator", "ServiceAdministrator"):
        raise NoConfigAdministrator("The history of the configuration is for holders of CSAdministrator")
    return ConfigReader(user.subject)
