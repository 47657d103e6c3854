"""Who loses a permission while a page is open is told so in words; the configuration really changes meanwhile."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml
from playwright.sync_api import Page

from tests.browser.conftest import Login, begin_change, commit_change, fill_the_forms
from tests.infra.expectations import expect
from weyl.demo.installation import SITE

REASON = "A long reason that nobody wants to write twice"
Change = Callable[[str, str, Any], None]


@pytest.fixture
def change_operators(logged_in: Login) -> Iterator[Change]:
    """An administrator who changes the group of operators for a test: `change_operators("Users", "why", [])`."""
    pages: list[tuple[Page, str]] = []

    def change(name: str, message: str, value: Any) -> None:
        page = logged_in("/config?tab=edit", "ada", "admin")
        text = begin_change(page)
        document = yaml.safe_load(text)
        document["Registry"]["hep"]["Groups"]["operator"][name] = value
        commit_change(page, yaml.safe_dump(document), message)
        expect(page.get_by_role("button", name=message)).to_be_visible()
        pages.append((page, text))

    yield change
    for page, text in pages:
        page.goto("/config?tab=edit")
        begin_change(page)
        commit_change(page, text, "As it was before")
        expect(page.get_by_role("button", name="As it was before").first).to_be_visible()


def _ban(page: Page) -> Any:
    """Begin to ban the site; returns the dialogue in which everything is filled in."""
    page.get_by_role("checkbox", name=f"Select {SITE}").check()
    page.get_by_label("Selected rows").get_by_role("button", name="Ban", exact=True).click()
    dialogue = page.get_by_role("dialog")
    dialogue.get_by_label("Reason").fill(REASON)
    return dialogue


def test_a_property_that_the_group_loses_is_said_and_its_orders_go(logged_in: Login, change_operators: Change) -> None:
    page = logged_in("/sites", "max", "operator")
    dialogue = _ban(page)
    change_operators("Properties", "Operators only look", ["NormalUser"])
    dialogue.get_by_role("button", name=re.compile("^Ban")).click()
    expect(dialogue.get_by_role("alert")).to_contain_text("takes the property Operator or ServiceAdministrator")
    expect(dialogue.get_by_label("Reason")).to_have_value(REASON)
    page.reload()
    page.get_by_role("checkbox", name=f"Select {SITE}").check()
    expect(page.get_by_role("button", name="Ban")).to_have_count(0)


def test_who_is_taken_out_of_a_group_is_told_so_and_goes_on_in_another(
    logged_in: Login, change_operators: Change
) -> None:
    page = logged_in("/sites", "max", "operator", fresh=True)
    dialogue = _ban(page)
    change_operators("Users", "Nobody operates", [])
    dialogue.get_by_role("button", name=re.compile("^Ban")).click()
    refused = page.get_by_role("dialog", name="You have lost access to this group")
    expect(refused.get_by_role("alert")).to_contain_text("You are not a member of group operator in VO hep")
    page.keyboard.press("Escape")
    expect(refused).to_have_count(0)
    expect(dialogue.get_by_label("Reason")).to_have_value(REASON)
    page.reload()
    expect(refused).to_be_visible()
    fill_the_forms(page, "max", "user")
    expect(page.get_by_role("button", name="max hep · user")).to_be_visible()
    expect(page.get_by_role("row").filter(has_text=SITE)).to_be_visible()
