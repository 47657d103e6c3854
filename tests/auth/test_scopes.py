"""Scopes: what no flow can start with, and what the words mean."""

import pytest

from weyl.auth.errors import InvalidScope
from weyl.auth.properties import BUILT_IN
from weyl.auth.scopes import parse_scope
from weyl.config.registry import Group, IdP, Organisation

IDP = IdP(url="https://idp.example.org", client_id="x")
REGISTRY = {
    "voa": Organisation(idp=IDP, default_group="user", groups={"user": Group(), "admin": Group()}),
    "vob": Organisation(idp=IDP, default_group="people", groups={"people": Group()}),
}


def parse(text: str) -> tuple[str, str, list[str]]:
    scope = parse_scope(text, registry=REGISTRY, properties=BUILT_IN)
    return scope.vo, scope.group, sorted(scope.asked)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "openid",
        "openid vo:voa",
        "vo:voa ",
        " vo:voa",
        "vo:voa  group:user",
        "vo:voa\tgroup:user",
        "vo:",
        "vo",
        "VO:voa",
        "group:user",
        "property:NormalUser",
        "vo:voa vo:vob",
        "vo:voa vo:voa",
        "vo:voc",
        "vo:voa group:user group:admin",
        "vo:voa group:people",
        "vo:voa group:",
        "vo:voa property:Nonsense",
        "vo:voa property:",
        "vo:voa property:normaluser",
        "vo:voa role:x",
        "vo:voa " + "property:NormalUser " * 1000,
    ],
)
def test_a_scope_that_cannot_be_granted_to_anybody_is_refused(text: str) -> None:
    with pytest.raises(InvalidScope):
        parse(text)


def test_without_a_group_the_default_one_is_meant() -> None:
    assert parse("vo:vob") == ("vob", "people", [])


def test_the_order_is_free_and_repeating_a_property_changes_nothing() -> None:
    text = "property:JobMonitor group:admin property:NormalUser vo:voa property:JobMonitor"
    assert parse(text) == ("voa", "admin", ["JobMonitor", "NormalUser"])


def test_a_scope_is_written_in_one_form() -> None:
    scope = parse_scope("property:NormalUser vo:voa", registry=REGISTRY, properties=BUILT_IN)
    assert scope.text == "vo:voa group:user property:NormalUser"


def test_extensions_add_properties() -> None:
    known = BUILT_IN | {"TelescopeOperator"}
    assert parse_scope("vo:voa property:TelescopeOperator", registry=REGISTRY, properties=known).asked
    assert len(BUILT_IN) == 23
