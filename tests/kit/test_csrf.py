"""Every combination of what a browser says of a request that its cookie speaks for."""

import itertools

import pytest

from weyl.kit.csrf import body_problem, origin_of, origin_problem

OWN = "https://weyl.example.org"
SITES = [None, "same-origin", "same-site", "cross-site", "none", "", "same-origin, cross-site", "SAME-ORIGIN"]
ORIGINS = [
    None,
    OWN,
    "null",
    "",
    "https://evil.example.org",
    "http://weyl.example.org",
    OWN + ":444",
    OWN + ".evil.org",
]
UNSAFE = ["POST", "PUT", "PATCH", "DELETE", "TRACE", "post"]


@pytest.mark.parametrize(("method", "site", "origin"), [*itertools.product(UNSAFE, SITES, ORIGINS)])
def test_a_change_is_taken_from_a_page_of_ours_only(method: str, site: str | None, origin: str | None) -> None:
    is_ours = site == "same-origin" or (site is None and origin == OWN)
    problem = origin_problem(method, site=site, origin=origin, own_origin=OWN)
    assert (problem is None) == is_ours, problem


@pytest.mark.parametrize(("method", "site", "origin"), [*itertools.product(["GET", "HEAD", "OPTIONS"], SITES, ORIGINS)])
def test_what_changes_nothing_is_answered(method: str, site: str | None, origin: str | None) -> None:
    assert origin_problem(method, site=site, origin=origin, own_origin=OWN) is None


@pytest.mark.parametrize(
    ("content_type", "is_refused"),
    [
        ("application/json", False),
        ("application/json; charset=utf-8", False),
        ("Application/JSON", False),
        ("application/merge-patch+json", False),
        ("text/plain", True),
        ("application/x-www-form-urlencoded", True),
        ("multipart/form-data; boundary=x", True),
        ("text/json", True),
        ("text/plain; application/json", True),
        ("", True),
        (None, True),
    ],
)
def test_bodies_that_a_form_of_any_page_could_send_are_refused(content_type: str | None, is_refused: bool) -> None:
    assert (body_problem(content_type, has_body=True, is_multipart_declared=False) is not None) == is_refused
    assert body_problem(content_type, has_body=False, is_multipart_declared=False) is None


def test_a_multipart_body_is_taken_where_the_route_declares_it() -> None:
    assert body_problem("multipart/form-data; boundary=x", has_body=True, is_multipart_declared=True) is None
    assert body_problem("text/plain", has_body=True, is_multipart_declared=True) is not None


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://weyl.example.org", OWN),
        ("https://weyl.example.org/", OWN),
        ("https://Weyl.Example.org:443/some/path", OWN),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("http://[::1]:8000/", "http://[::1]:8000"),
        ("http://localhost:80", "http://localhost"),
    ],
)
def test_an_origin_is_written_as_browsers_write_it(url: str, origin: str) -> None:
    assert origin_of(url) == origin
