"""The properties that a group can give to its members, and how extensions add to them."""

from collections.abc import Iterable

BUILT_IN = frozenset(
    [
        "AccountingMonitor",
        "AlarmsManagement",
        "BookkeepingManagement",
        "CSAdministrator",
        "FileCatalogManagement",
        "FullDelegation",
        "GenericPilot",
        "JobAdministrator",
        "JobMonitor",
        "JobSharing",
        "LimitedDelegation",
        "NormalUser",
        "Operator",
        "Pilot",
        "PPGAuthority",
        "PrivateLimitedDelegation",
        "ProductionManagement",
        "ProxyManagement",
        "ServiceAdministrator",
        "SiteManager",
        "StageAllowed",
        "TrustedHost",
        "UserManager",
    ]
)


def known_properties(added: Iterable[str] = ()) -> frozenset[str]:
    """Join the built-in properties with those that extensions add."""
    return BUILT_IN | frozenset(added)
