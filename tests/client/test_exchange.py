"""What happens around a call, step by step and without a network: tokens, retries, and the meaning of answers."""

import json
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from weyl.client.credentials import MemoryCredentials, TokenFile, TokenSet
from weyl.client.errors import ClientError, Forbidden, NotFound, NotLoggedIn, Refused, Unreachable
from weyl.client.exchange import (
    ATTEMPTS_MAX,
    ConnectionFault,
    Exchange,
    Received,
    Send,
    Setting,
    Sleep,
    call_exchange,
    download_exchange,
    fresh_tokens,
    upload_exchange,
)
from weyl.kit.call import Call

NOW = 1_000_000.0


def jwt(**claims: Any) -> str:
    payload = urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"e30.{payload}.c2ln"


def tokens(left_s: int = 1000, refresh: str | None = "r1") -> TokenSet:
    return TokenSet(jwt(vo="voa"), refresh, int(NOW) + left_s)


def setting(store: Any = None) -> Setting:
    return Setting("https://weyl.test", store or MemoryCredentials(tokens()), lambda: NOW, lambda: 0.5)


def received(status: int = 200, body: Any = None, **headers: str) -> Received:
    names = {key.replace("_", "-"): value for key, value in headers.items()}
    return Received(status, names, b"" if body is None else json.dumps(body).encode())


def play(exchange: Exchange[Any], outcomes: Sequence[Received | ConnectionFault]) -> tuple[Any, list[Send | Sleep]]:
    """Feeds outcomes to the requests of an exchange; returns its result and all that it asked for."""
    actions: list[Send | Sleep] = []
    left = list(outcomes)
    outcome: Received | ConnectionFault | None = None
    while True:
        try:
            action = exchange.throw(outcome) if isinstance(outcome, ConnectionFault) else exchange.send(outcome)
        except StopIteration as end:
            assert not left
            return end.value, actions
        actions.append(action)
        outcome = left.pop(0) if isinstance(action, Send) else None


def sends(actions: Sequence[Send | Sleep]) -> list[Send]:
    return [action for action in actions if isinstance(action, Send)]


GET = Call("GET", "/api/thing", dict, query={"a": 1, "b": None})
POST = Call("POST", "/api/thing", dict, body={"x": 1})


def test_without_a_login_nothing_is_sent() -> None:
    with pytest.raises(NotLoggedIn):
        play(call_exchange(GET, setting(MemoryCredentials(None))), [])


def test_an_anonymous_call_needs_no_login_and_shows_none() -> None:
    call = Call("GET", "/.well-known/dirac-metadata", dict, anonymous=True)
    _, actions = play(call_exchange(call, setting(MemoryCredentials(None))), [received()])
    assert "Authorization" not in sends(actions)[0].headers


def test_a_call_carries_the_token_and_leaves_absent_parameters_out() -> None:
    _, actions = play(call_exchange(GET, setting()), [received()])
    [send] = sends(actions)
    assert send.url == "https://weyl.test/api/thing"
    assert send.query == {"a": 1}
    assert send.headers["Authorization"] == f"Bearer {tokens().access_token}"


def test_a_token_that_ends_soon_is_replaced_first_and_kept() -> None:
    store = MemoryCredentials(tokens(left_s=299))
    new = jwt(vo="voa", n=2)
    answer = received(body={"access_token": new, "expires_in": 1200, "refresh_token": "r2", "token_type": "Bearer"})
    _, actions = play(call_exchange(GET, setting(store)), [answer, received()])
    refresh, call = sends(actions)
    assert refresh.form == {"grant_type": "refresh_token", "refresh_token": "r1", "client_id": "myDIRACClientID"}
    assert call.headers["Authorization"] == f"Bearer {new}"
    assert store.tokens == TokenSet(new, "r2", int(NOW) + 1185)
    assert not store.locked


def test_who_waits_for_the_lock_uses_what_the_other_one_fetched() -> None:
    store = MemoryCredentials(tokens(left_s=0), locked=True)
    exchange = fresh_tokens(setting(store))
    assert isinstance(exchange.send(None), Sleep)
    store.tokens = tokens(left_s=1000)
    store.locked = False
    with pytest.raises(StopIteration) as end:
        exchange.send(None)
    assert end.value.value == tokens(left_s=1000)


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_refused_refresh_ends_the_login_with_the_command_to_log_in_again(status: int) -> None:
    store = MemoryCredentials(tokens(left_s=100))
    with pytest.raises(NotLoggedIn, match="revoked") as error:
        play(call_exchange(GET, setting(store)), [received(status, {"detail": "revoked"})])
    assert error.value.hint == "Log in with: weyl login voa"
    assert error.value.exit_code == 4
    assert not store.locked


def test_a_refresh_is_repeated_after_a_lost_answer_with_the_key_that_came_first() -> None:
    store = MemoryCredentials(tokens(left_s=-1))
    lost = ConnectionFault("reset", was_sent=True)
    with pytest.raises(Unreachable):
        play(call_exchange(GET, setting(store)), [lost] * ATTEMPTS_MAX)
    assert not store.locked
    new = received(body={"access_token": jwt(vo="voa", n=2), "expires_in": 1200, "refresh_token": "r2"})
    # Another program goes on with what is kept.
    kept = store.tokens
    assert kept is not None
    _, actions = play(call_exchange(GET, setting(store)), [lost, new, received()])
    first, second, _ = sends(actions)
    assert first.headers == second.headers == {"Idempotency-Key": kept.refresh_key}
    assert store.tokens is not None
    assert store.tokens.refresh_key is None
    store.tokens = tokens(left_s=0)
    _, actions = play(call_exchange(GET, setting(store)), [new, received()])
    assert sends(actions)[0].headers["Idempotency-Key"] != kept.refresh_key


def test_a_failing_refresh_does_not_matter_while_the_token_is_good() -> None:
    store = MemoryCredentials(tokens(left_s=100))
    _, actions = play(call_exchange(GET, setting(store)), [ConnectionFault("reset", was_sent=True), received()])
    assert len(sends(actions)) == 2


def test_a_token_file_is_read_for_every_call_and_never_refreshed(tmp_path) -> None:
    path = tmp_path / "token"
    path.write_text(jwt(n=1) + "\n")
    store = TokenFile(path)
    _, actions = play(call_exchange(GET, setting(store)), [received()])
    assert sends(actions)[0].headers["Authorization"] == f"Bearer {jwt(n=1)}"
    path.unlink()
    with pytest.raises(NotLoggedIn):
        play(call_exchange(GET, setting(store)), [])


def test_a_store_that_is_busy_with_itself_is_asked_again(tmp_path: Path) -> None:
    url, file = "https://s3.test/x?sig=1", tmp_path / "f"
    for exchange in (upload_exchange(url, {}, file, setting()), download_exchange(url, file, setting())):
        result, actions = play(exchange, [received(500), received(200)])
        assert result.status == 200
        assert [type(action) for action in actions] == [Send, Sleep, Send]
    # Of our own server 500 is a fault that stays.
    with pytest.raises(Unreachable):
        play(call_exchange(GET, setting()), [received(500)])


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_what_passes_is_tried_again(status: int) -> None:
    result, actions = play(call_exchange(GET, setting()), [received(status), received(200)])
    assert result.status == 200
    assert [type(action) for action in actions] == [Send, Sleep, Send]


def test_the_server_says_how_long_to_wait() -> None:
    _, actions = play(call_exchange(GET, setting()), [received(503, retry_after="7"), received(200)])
    assert actions[1] == Sleep(7.0)


def test_waiting_grows_and_has_an_end() -> None:
    exchange = call_exchange(GET, setting())
    with pytest.raises(Unreachable) as error:
        play(exchange, [received(503, {"detail": "down"}, x_request_id="abc")] * 5)
    assert error.value.exit_code == 6
    assert error.value.request_id == "abc"
    assert "down" in error.value.message


@pytest.mark.parametrize(
    ("call", "outcome", "is_repeated"),
    [
        (GET, ConnectionFault("reset", was_sent=True), True),
        (POST, ConnectionFault("refused", was_sent=False), True),
        (POST, ConnectionFault("reset", was_sent=True), False),
        (POST, received(502), False),
        (POST, received(504), False),
        (POST, received(503), True),
        (POST, received(429), True),
        (replace(POST, headers={"Idempotency-Key": "k"}), ConnectionFault("reset", was_sent=True), True),
        (Call("POST", "/api/jobs/search", list, unit="jobs"), ConnectionFault("reset", was_sent=True), True),
        (Call("POST", "/x", repeatable=True), received(502), True),
        (Call("GET", "/x", repeatable=False), received(502), False),
    ],
)
def test_only_what_does_no_harm_twice_is_sent_twice(call: Call[Any], outcome: Any, is_repeated: bool) -> None:
    if is_repeated:
        result, _ = play(call_exchange(call, setting()), [outcome, received(200)])
        assert result.status == 200
    else:
        with pytest.raises(Unreachable):
            play(call_exchange(call, setting()), [outcome])


@pytest.mark.parametrize(
    ("status", "kind", "exit_code"),
    [
        (401, NotLoggedIn, 4),
        (403, Forbidden, 5),
        (404, NotFound, 3),
        (400, Refused, 10),
        (409, Refused, 10),
        (416, Refused, 10),
        (422, Refused, 10),
        (500, Unreachable, 6),
    ],
)
def test_each_status_has_its_error(status: int, kind: type[ClientError], exit_code: int) -> None:
    with pytest.raises(kind, match="why not") as error:
        play(call_exchange(POST, setting()), [received(status, {"detail": "why not"})])
    assert error.value.exit_code == exit_code


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"detail": "No such column"}, "No such column"),
        ({"detail": [{"loc": ["body", 0, "Status"], "msg": "Field required"}]}, "body.0.Status: Field required"),
        ({"detail": {"success": {}, "failed": {"7": {"detail": "Not found"}}}}, "7: Not found"),
        ({"error": "invalid_grant"}, "invalid_grant"),
        ({"detail": {"a": 1}}, '{"a": 1}'),
        (["a"], '["a"]'),
        (None, "HTTP status 400"),
    ],
)
def test_whatever_the_server_says_becomes_one_line(body: Any, text: str) -> None:
    with pytest.raises(Refused) as error:
        play(call_exchange(POST, setting()), [received(400, body)])
    assert error.value.message == text


def test_what_an_answer_says_beside_its_sentence_is_kept() -> None:
    problems = [{"code": "schema", "pointer": "/hints"}]
    for body, details in (({"detail": "no", "problems": problems}, {"problems": problems}), ({"detail": "no"}, "no")):
        with pytest.raises(Refused) as error:
            play(call_exchange(POST, setting()), [received(400, body)])
        assert (error.value.message, error.value.details) == ("no", details)


def test_a_page_of_html_from_a_proxy_is_not_shown() -> None:
    with pytest.raises(Unreachable) as error:
        play(call_exchange(POST, setting()), [Received(500, {}, b"<html>proxy</html>")])
    assert "html" not in error.value.message


def test_a_page_beyond_the_end_is_an_answer_of_a_search_only() -> None:
    search = Call("POST", "/api/jobs/search", list, unit="jobs")
    result, _ = play(call_exchange(search, setting()), [received(416, [])])
    assert result.status == 416


def test_the_object_store_never_sees_the_token(tmp_path) -> None:
    _, actions = play(download_exchange("https://s3.test/x?sig=1", tmp_path / "f", setting()), [received()])
    assert "Authorization" not in sends(actions)[0].headers
    refusal = Received(403, {}, b"<Error><Code>AccessDenied</Code></Error>")
    with pytest.raises(Refused, match="AccessDenied"):
        play(download_exchange("https://s3.test/x?sig=1", tmp_path / "f", setting()), [refusal])
