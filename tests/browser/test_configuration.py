"""The configuration is read, changed and turned back in a browser."""

import pytest

from tests.browser.conftest import CONFIGURATION as EDITOR
from tests.browser.conftest import Login, accessibility_problems, begin_change, commit_change
from tests.infra.expectations import expect


def test_those_who_do_not_administer_it_read_it_only(logged_in: Login) -> None:
    page = logged_in("/config?tab=edit")
    expect(page.get_by_text("Registry", exact=True)).to_be_visible()
    expect(page.get_by_role("tab", name="History")).to_have_count(0)
    expect(page.get_by_role("tab", name="Edit")).to_have_count(0)


def test_a_document_that_is_no_configuration_is_not_committed_and_says_where(logged_in: Login) -> None:
    page = logged_in("/config?tab=edit", user="ada", group="config-admin")
    text = begin_change(page)
    page.get_by_label(EDITOR, exact=True).fill("Nonsense: 1\n" + text)
    page.get_by_role("button", name="Review changes").click()
    expect(page.get_by_role("alert")).to_contain_text("The configuration is not valid")
    expect(page.get_by_role("button", name="Commit changes")).to_have_count(0)
    page.reload()
    expect(page.get_by_label(EDITOR, exact=True)).to_have_value("Nonsense: 1\n" + text)


def test_a_change_is_looked_at_committed_and_turned_back(logged_in: Login) -> None:
    page = logged_in("/config?tab=edit", user="ada", group="config-admin")
    text = begin_change(page)
    commit_change(page, text + "# looked after\n", "Say that somebody looks after it")
    expect(page.get_by_role("button", name="Say that somebody looks after it")).to_be_visible()
    page.get_by_role("button", name="Say that somebody looks after it").click()
    expect(page.get_by_label("What it changed")).to_contain_text("+# looked after")
    page.get_by_role("button", name="Restore this version").first.click()
    expect(page.get_by_label(EDITOR, exact=True)).to_have_value(text)


def test_of_two_who_change_it_the_slower_is_told_and_keeps_the_text(logged_in: Login) -> None:
    slow = logged_in("/config?tab=edit", user="ada", group="config-admin")
    text = begin_change(slow)
    fast = logged_in("/config?tab=edit", user="ada", group="config-admin")
    begin_change(fast)
    commit_change(fast, text + "# the faster\n", "Be faster")
    expect(fast.get_by_role("button", name="Be faster")).to_be_visible()
    slow.get_by_label(EDITOR, exact=True).fill("# the slower\n" + text)
    slow.get_by_role("button", name="Review changes").click()
    expect(slow.get_by_role("alert")).to_contain_text("Someone else changed the configuration")
    expect(slow.get_by_label("What others changed meanwhile")).to_contain_text("+# the faster")
    expect(slow.get_by_label(EDITOR, exact=True)).to_have_value("# the slower\n" + text)
    slow.get_by_role("button", name="My text includes them").click()
    slow.get_by_label(EDITOR, exact=True).fill("# the slower\n" + text + "# the faster\n")
    slow.get_by_role("button", name="Review changes").click()
    expect(slow.get_by_label("Reason for the change")).to_be_visible()


@pytest.mark.parametrize("width", [1280, 390])
def test_everybody_can_use_the_page_of_the_configuration(logged_in: Login, width: int) -> None:
    page = logged_in(
        "/config?tab=history", "ada", "config-admin", color_scheme="dark", viewport={"width": width, "height": 800}
    )
    expect(page.get_by_role("listitem").first).to_be_visible()
    assert accessibility_problems(page) == []
    page.goto("/config?tab=edit")
    begin_change(page)
    assert accessibility_problems(page) == []
