"""Where a login may end: the pages of this installation."""

import pytest

from weyl.auth.errors import ForeignReturn
from weyl.auth.local_paths import LENGTH_MAX, local_path

FOREIGN = [
    "",
    "jobs",
    "https://evil.example.org/",
    "//evil.example.org",
    "///evil.example.org",
    "/\\evil.example.org",
    "\\/evil.example.org",
    "/jobs\\..\\x",
    "/\t/evil.example.org",
    "/\n/evil.example.org",
    "/jobs\r\nSet-Cookie: a=b",
    "/jobs\x00",
    "/jobs\x7f",
    "/jobs\x85",
    "/jobs\u2028",
    " /jobs",
    "/jobs page",
    "javascript:alert(1)",
    "/..//evil.example.org",
    "/./",
    "/a/%2e%2E/b",
    "/api/auth/device?user_code=BCDFGHJK",
    "/.well-known/security.txt",
    "@evil.example.org",
    "?x=1",
    "/" + "x" * LENGTH_MAX,
]


@pytest.mark.parametrize("text", FOREIGN)
def test_nothing_but_a_page_here_is_returned_to(text: str) -> None:
    with pytest.raises(ForeignReturn):
        local_path(text)


@pytest.mark.parametrize(
    "text",
    [
        "/",
        "/jobs",
        "/jobs?f=Status:in:Failed,Stalled&f=LastUpdateTime:gt:-2d&sort=-JobID#top",
        "/jobs?f=LFN:like://voa/../x",
        "/sites/LCG.Alpha.org",
        "/apis",
        "/a/..b/c..",
        "/jobs/ü?name=%2F%2Fevil",
    ],
)
def test_a_page_here_is(text: str) -> None:
    assert local_path(text) == text
