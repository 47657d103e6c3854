"""The properties that a group can give to its members, and how extensions add to them."""

from collections.abc import Iterable

ACCOUNTING_MONITOR = "AccountingMonitor"
ALARMS_MANAGEMENT = "AlarmsManagement"
BOOKKEEPING_MANAGEMENT = "BookkeepingManagement"
CS_ADMINISTRATOR = "CSAdministrator"
FILE_CATALOG_MANAGEMENT = "FileCatalogManagement"
FULL_DELEGATION = "FullDelegation"
GENERIC_PILOT = "GenericPilot"
JOB_ADMINISTRATOR = "JobAdministrator"
JOB_MONITOR = "JobMonitor"
JOB_SHARING = "JobSharing"
LIMITED_DELEGATION = "LimitedDelegation"
NORMAL_USER = "NormalUser"
OPERATOR = "Operator"
PILOT = "Pilot"
PPG_AUTHORITY = "PPGAuthority"
PRIVATE_LIMITED_DELEGATION = "PrivateLimitedDelegation"
PRODUCTION_MANAGEMENT = "ProductionManagement"
PROXY_MANAGEMENT = "ProxyManagement"
SERVICE_ADMINISTRATOR = "ServiceAdministrator"
SITE_MANAGER = "SiteManager"
STAGE_ALLOWED = "StageAllowed"
TRUSTED_HOST = "TrustedHost"
USER_MANAGER = "UserManager"

BUILT_IN = frozenset(
    {
        ACCOUNTING_MONITOR,
        ALARMS_MANAGEMENT,
        BOOKKEEPING_MANAGEMENT,
        CS_ADMINISTRATOR,
        FILE_CATALOG_MANAGEMENT,
        FULL_DELEGATION,
        GENERIC_PILOT,
        JOB_ADMINISTRATOR,
        JOB_MONITOR,
        JOB_SHARING,
        LIMITED_DELEGATION,
        NORMAL_USER,
        OPERATOR,
        PILOT,
        PPG_AUTHORITY,
        PRIVATE_LIMITED_DELEGATION,
        PRODUCTION_MANAGEMENT,
        PROXY_MANAGEMENT,
        SERVICE_ADMINISTRATOR,
        SITE_MANAGER,
        STAGE_ALLOWED,
        TRUSTED_HOST,
        USER_MANAGER,
    }
)


def known_properties(added: Iterable[str] = ()) -> frozenset[str]:
    """Join the built-in properties with those that extensions add."""
    return BUILT_IN | frozenset(added)
