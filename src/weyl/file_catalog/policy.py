"""Who may use the file catalogue, and where a VO keeps its files: each function raises, or returns a permit."""

from collections.abc import Collection

from weyl.config.models import Config
from weyl.file_catalog.errors import NotAdmitted, OtherMaster
from weyl.file_catalog.permits import FieldKeeper, Member
from weyl.kit.http import User

MANAGER = "FileCatalogManagement"
DECLARERS = (MANAGER, "ProductionManagement")
"""Who says what the files of a VO are described with."""
MASTER = "weyl"
"""The name of this catalogue in `InputData.Catalog`."""


def may_use(user: User) -> Member:
    """Admit holders of NormalUser and FileCatalogManagement; jobs go through the routes of jobs."""
    if user.kind != "user":
        raise NotAdmitted("The file catalogue is for people: pilot and job tokens are not accepted")
    if not user.has("NormalUser", MANAGER):
        raise NotAdmitted(f"The file catalogue needs the property NormalUser, which group {user.group} does not have")
    return member(user.vo, user.preferred_username, user.group, user.properties)


def may_manage(user: User) -> Member:
    """Admit holders of FileCatalogManagement, who answer for what they tell of files."""
    found = may_use(user)
    if not found.is_manager:
        raise NotAdmitted(f"This needs the property {MANAGER}, which group {user.group} does not have")
    return found


def may_declare(user: User) -> FieldKeeper:
    """Admit those who own the data of a VO, whether they keep them or produce them."""
    if not user.has(*DECLARERS):
        raise NotAdmitted(f"This needs the property {' or '.join(DECLARERS)}: group {user.group} has none")
    return FieldKeeper(user.vo, user.preferred_username, user.subject)


def member(vo: str, username: str, group: str, properties: Collection[str]) -> Member:
    """Return whose rights count for a job: those of its owner, in the job's group with these properties."""
    return Member(vo, username, group, MANAGER in properties)


def check_master(config: Config, vo: str) -> None:
    """Raise `OtherMaster` where another catalogue has the files of the VO."""
    operations = config.operations.get(vo)
    catalog = None if operations is None else operations.input_data.catalog
    if catalog not in (None, MASTER):
        raise OtherMaster(vo, str(catalog))
