"""The properties of weyl that a group can give to its members."""

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
