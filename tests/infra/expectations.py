"""Playwright's `expect`, whose failures say whether something was missing or something was there that must not be."""

from collections.abc import Callable
from typing import Any

from playwright.sync_api import expect as playwright_expect

from tests.infra.waiting import NotSeenInTime


class _Expectation:
    def __init__(self, expectation: Any) -> None:
        self._expectation = expectation

    def __getattr__(self, name: str) -> Callable[..., None]:
        method = getattr(self._expectation, name)

        def call(*arguments: Any, **options: Any) -> None:
            try:
                method(*arguments, **options)
            except AssertionError as error:
                if _is_of_absence(name, arguments):
                    raise
                raise NotSeenInTime(str(error)) from error

        return call


def _is_of_absence(name: str, arguments: tuple[Any, ...]) -> bool:
    """Tell whether the page showed what it must not show: that is never for want of time."""
    return name.startswith("not_") or name == "to_be_hidden" or (name == "to_have_count" and arguments[0] == 0)


def expect_gone(locator: Any) -> None:
    """Expect that what a page shows while it works goes away; raises `NotSeenInTime` otherwise."""
    try:
        playwright_expect(locator).to_have_count(0)
    except AssertionError as error:
        raise NotSeenInTime(str(error)) from error


def expect(actual: Any) -> Any:
    """Expect something of a page or a locator; what does not appear within the patience raises `NotSeenInTime`."""
    return _Expectation(playwright_expect(actual))
