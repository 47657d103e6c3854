"""Who may see what was used."""

from weyl.accounting.errors import AccountingForbidden
from weyl.accounting.permits import UsageScope
from weyl.kit.http import User

WATCHERS = ("AccountingMonitor", "JobAdministrator", "Operator", "ServiceAdministrator")


def may_see_jobs(user: User) -> UsageScope:
    """Admit those who watch over the VO to all of its jobs, everybody else who runs jobs to their own."""
    if user.has(*WATCHERS):
        return UsageScope(user.vo)
    if not user.has("NormalUser"):
        raise AccountingForbidden(f"Accounting is for holders of NormalUser or one of {', '.join(WATCHERS)}")
    return UsageScope(user.vo, user.preferred_username)


def may_see_activity(user: User) -> UsageScope:
    """Admit those who watch over the VO to what runs and waits in it."""
    if not user.has(*WATCHERS):
        raise AccountingForbidden(f"The activity of a VO is for holders of {', '.join(WATCHERS)}")
    return UsageScope(user.vo)


def may_see_pilots(user: User) -> UsageScope:
    """Admit those who watch over the VO to its pilots: they belong to nobody else."""
    if not user.has(*WATCHERS):
        raise AccountingForbidden(f"Accounting of pilots is for holders of {', '.join(WATCHERS)}")
    return UsageScope(user.vo)
