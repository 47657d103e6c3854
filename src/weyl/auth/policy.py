"""Who may log in, with what, and whose refresh tokens one may see or revoke."""

from weyl.auth.errors import NotGranted
from weyl.auth.permits import TokenScope
from weyl.auth.scopes import Scope
from weyl.auth.tokens import Identity
from weyl.config.models import Config
from weyl.config.registry import Organisation
from weyl.kit.http import User


def may_log_in(config: Config, scope: Scope, *, subject: str) -> Identity:
    """Grant `scope` to the person whom the identity provider of the VO calls `subject`, or raise `NotGranted`."""
    organisation = config.registry.get(scope.vo)
    if organisation is None:
        raise NotGranted(f"VO {scope.vo} is not served here any more")
    user = organisation.users.get(subject)
    if user is None:
        raise NotGranted(f"You are not registered in VO {scope.vo}. {organisation.support.message}")
    if is_suspended(organisation, vo=scope.vo, subject=subject):
        raise NotGranted(f"You are suspended in VO {scope.vo}. {organisation.support.message}")
    group = organisation.groups.get(scope.group)
    if group is None or subject not in group.users:
        raise NotGranted(f"You are not a member of group {scope.group} in VO {scope.vo}")
    held = frozenset[str]().union(*(each.properties for each in organisation.groups.values() if subject in each.users))
    if missing := sorted(scope.asked - held):
        # In the contract's words, which its clients match.
        wrong = f"{' '.join(missing)} are not valid properties for user {user.preferred_username}"
        raise NotGranted(f"{wrong}: no group of yours in VO {scope.vo} gives them")
    return Identity(
        subject=f"{scope.vo}:{subject}",
        vo=scope.vo,
        preferred_username=user.preferred_username,
        group=scope.group,
        properties=group.properties | scope.asked,
        predecessors=frozenset(f"{scope.vo}:{previous}" for previous in user.previous_subjects),
    )


def may_go_on(config: Config, scope: Scope, *, subject: str, vo: str) -> Identity:
    """Grant `scope` to a login of `vo`: also in another VO whose members are known by the same identity provider.

    A subject means nobody in particular to another provider, nor to the same one if it knows us as another client.
    """
    if scope.vo != vo:
        other = config.registry[scope.vo]
        if vo not in config.registry or config.registry[vo].idp != other.idp:
            url = f"/api/auth/web/login?vo={scope.vo}"
            raise NotGranted(f"VO {scope.vo} has another identity provider: log in there, {url}")
        if subject not in other.users:
            raise NotGranted(f"You are not registered in VO {scope.vo}. {other.support.message}")
    return may_log_in(config, scope, subject=subject)


def is_suspended(organisation: Organisation, *, vo: str, subject: str) -> bool:
    """Tell whether the configuration suspends this member of the VO."""
    user = organisation.users.get(subject)
    return user is not None and vo in user.suspended


def may_use_token(config: Config, user: User) -> User:
    """Let a token pass whose owner was not suspended since it was issued, or raise `NotGranted`."""
    organisation = config.registry.get(user.vo)
    if organisation is None:
        raise NotGranted(f"VO {user.vo} is not served here any more")
    if user.kind == "user" and is_suspended(organisation, vo=user.vo, subject=subject_at_provider(user)):
        raise NotGranted(f"You are suspended in VO {user.vo}. {organisation.support.message}")
    return user


def subject_at_provider(user: User) -> str:
    """Return what the identity provider calls this person."""
    return user.subject.removeprefix(f"{user.vo}:")


def own_tokens(user: User) -> TokenScope:
    """Let everybody manage their own logins, and those with ProxyManagement all of their VO."""
    return TokenScope(user.vo, None if user.has("ProxyManagement") else user.subject)


def groups_of(config: Config, *, vo: str, subject: str) -> dict[str, dict[str, frozenset[str]]]:
    """Return the groups in which somebody who has logged in for `vo` may go on, with their properties, by VO."""
    organisation = config.registry.get(vo)
    return {
        name: {group: each.properties for group, each in sorted(other.groups.items()) if subject in each.users}
        for name, other in sorted(config.registry.items())
        if organisation is not None
        and other.idp == organisation.idp
        and subject in other.users
        and not is_suspended(other, vo=name, subject=subject)
    }
