"""Who may see storage elements, and who may look behind the catalogue."""

from weyl.file_catalog.policy import MANAGER, member
from weyl.kit.http import User
from weyl.storage.errors import StorageForbidden
from weyl.storage.permits import ElementViewer, Prober

OPERATORS = ("Operator", "FileCatalogManagement")


def may_view(user: User) -> ElementViewer:
    """Admit every person of a VO to what its storage elements are."""
    is_user = user.has("NormalUser", MANAGER)
    return ElementViewer(
        user.vo, member(user.vo, user.preferred_username, user.group, user.properties) if is_user else None
    )


def may_probe(user: User) -> Prober:
    """Admit those who run storage or the catalogue for their VO."""
    if not user.has(*OPERATORS):
        raise StorageForbidden(f"To test storage takes the property {' or '.join(OPERATORS)}")
    return Prober(user.vo)
