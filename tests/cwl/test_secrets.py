"""What looks like a credential is found, and looking for it takes no time."""

import time

import pytest

from weyl.cwl.secrets import looks_secret, secrets_in

TOKEN = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    "text",
    [
        TOKEN,
        f"TOKEN={TOKEN}",
        "-----BEGIN RSA PRIVATE KEY-----",
        "ghp_0123456789abcdefABCD",
        "AKIAIOSFODNN7EXAMPLE",
        "https://alice:secret@example.org/x",
    ],
)
def test_a_credential_is_recognised(text: str) -> None:
    assert looks_secret(text)


@pytest.mark.parametrize("text", ["", "https://example.org:8443/a@b", "eyJ.eyJ.x", "sha256:" + "0" * 64, "a@b.org"])
def test_other_texts_are_not(text: str) -> None:
    assert not looks_secret(text)


@pytest.mark.parametrize("text", ["x", "eyJ", "eyJaaaaaaaa.b.", "a://b:", "ghp_", "-----BEGIN ", "://", "a:b@"])
def test_a_megabyte_of_anything_is_searched_at_once(text: str) -> None:
    started = time.process_time()
    for _ in range(3):
        looks_secret(text * (1_000_000 // len(text)))
    assert time.process_time() - started < 5


def test_a_document_is_warned_of_by_line() -> None:
    [found] = secrets_in({"main.cwl": f"a: 1\nb:\n  TOKEN: {TOKEN}\n".encode()})
    assert (found.code, found.file, found.line, found.column) == ("secret-like", "main.cwl", 3, 10)
    assert len(list(secrets_in({"a": f"{TOKEN}\n".encode() * 50}))) == 10
