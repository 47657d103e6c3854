"""Logs in at an identity provider as a person would in a browser: follows redirects and fills HTML forms."""

from collections.abc import Mapping
from html.parser import HTMLParser
from http.cookiejar import CookieJar
from urllib.parse import urlencode, urljoin
from urllib.request import HTTPCookieProcessor, Request, build_opener

STEPS_MAX = 8
TIMEOUT_S = 20.0


class Form(HTMLParser):
    """Collects the first form of a page: where it goes and what is in it."""

    def __init__(self) -> None:
        super().__init__()
        self.action: str | None = None
        self.fields: dict[str, str] = {}
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a form and its inputs."""
        values = {name: value or "" for name, value in attrs}
        if tag == "form" and self.action is None:
            self.action, self._inside = values.get("action", ""), True
        elif self._inside and tag in ("input", "button") and values.get("name"):
            # Of several buttons the first is pressed, as Enter does.
            self.fields.setdefault(values["name"], values.get("value", ""))

    def handle_endtag(self, tag: str) -> None:
        """Note the end of the form."""
        if tag == "form":
            self._inside = False


def walk_through_forms(url: str, answers: Mapping[str, str]) -> str:
    """Open `url` and submit form after form, filled with `answers` by field name; returns the text of the last page.

    Raises `OSError` when a page cannot be had, and `RuntimeError` when the forms do not end.
    """
    opener = build_opener(HTTPCookieProcessor(CookieJar()))
    request = Request(url)
    for _ in range(STEPS_MAX):
        with opener.open(request, timeout=TIMEOUT_S) as answer:
            page: str = answer.read().decode("utf-8", "replace")
            address: str = answer.geturl()
        form = Form()
        form.feed(page)
        if form.action is None:
            return page
        fields = {name: answers.get(name, value) for name, value in form.fields.items()}
        request = Request(urljoin(address, form.action or address), data=urlencode(fields).encode())
    raise RuntimeError(f"More than {STEPS_MAX} forms at {url}")
