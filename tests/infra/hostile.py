"""What somebody who wants to break the API would send: values, bodies and tokens, for every operation the same."""

import base64
import json
from collections.abc import Iterator, Sequence
from typing import Any

from weyl.auth.keys import KeySet, generate_keys

DEEP = 10_000
LONG = "x" * 1_000_000

PATH_WORDS = [
    *("0", "-1", str(2**31), str(2**63), str(2**64), "9" * 5_000, "1e3", "1_0", "NaN", "null"),
    *("%00", "%ff", "%ed%a0%80", "..%2f..%2fetc%2fpasswd", "%0d%0aSet-Cookie:%20a=b", "%D9%A3", "'%20OR%201=1--"),
    "x" * 5_000,
]
QUERY_WORDS = [*PATH_WORDS, "", "--output%3D/tmp/weyl", "%2e%2e/%2e%2e", "HEAD%5E%7Bcommit%7D", "&", "[]", "true"]

RAW_BODIES: list[bytes] = [
    *(b"", b" ", b"{", b"}", b"[", b'"', b"nul", b"null", b"true", b"1", b"-1", b"1.5", b'""', b'"x"', b"[]", b"{}"),
    *(b"NaN", b"[NaN]", b"-Infinity", b'{"a": 1e999}', b"[[]]", b"[{}]", b"[null]", b"[1, 2, 3]", b'{"": {}}'),
    *(b'{"1": {}, "1": {}}', b'{"-1": {}}', b'{"99999999999999999999999": {}}', b'{"x": null}', b"[1] trailing"),
    *(b"\xff\xfe{\x00}\x00", b"\xef\xbb\xbf{}", b"\x00", b'"\xff"', rb'"\ud800"', rb'{"\ud800": {"\ud800": 1}}'),
    *(b'"\\u0000"', b"9" * 5_000, b"[" + b"9" * 5_000 + b"]", b"{'single': 1}", b"[1,]", b"// comment\n{}"),
    *(b"[" * DEEP, b"[" * DEEP + b"]" * DEEP, b'{"a":' * DEEP + b"1" + b"}" * DEEP, b'{"a":' * 900 + b"1" + b"}" * 900),
]
LARGE_BODIES: list[bytes] = [
    *(json.dumps(LONG).encode(), json.dumps([LONG]).encode(), json.dumps({LONG: 1}).encode()),
    *(json.dumps(list(range(100_000))).encode(), b"[" + b"{}," * 50_000 + b"{}]"),
]


def nested(depth: int) -> list[Any]:
    """Return lists in lists."""
    document: list[Any] = []
    for _ in range(depth):
        document = [document]
    return document


VALUES: list[Any] = [
    *(None, True, 0, -1, 2**31, 2**63 - 1, 2**63, -(2**63) - 1, 2**64, 10**400, 1.5, float("nan"), float("inf")),
    *("", " ", "\x00", "a\x00b", "\ud800", "\u202e", "NaN", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"),
    *("../../../etc/passwd", "'; DROP TABLE jobs; --", "%s%n%j", "<script>", "\r\nX-Evil: 1"),
    *([], {}, [None], [[]], {"": None}, {"\x00": "\x00"}, {"a": {"b": float("nan")}}, ["\x00"], [2**64], [-1]),
    *(nested(50), nested(300)),
]
LARGE_VALUES: list[Any] = [LONG, ["x"] * 20_000, [1] * 20_000, {str(number): number for number in range(20_000)}]


def mutations(sample: Any) -> Iterator[Any]:
    """Yield copies of a body in which one place holds a hostile value, lacks its key, or has one too many."""
    yield from VALUES
    if isinstance(sample, str):
        yield from LARGE_VALUES
    if isinstance(sample, dict):
        yield {**sample, "unexpected": 1}
        yield {**sample, "\ud800": 1}
        for odd_key in ("", "\x00", "-1", str(2**63), "9" * 400, "1.0", "x" * 5_000):
            yield {odd_key: next(iter(sample.values()))}
        for key, value in sample.items():
            rest = {name: other for name, other in sample.items() if name != key}
            yield rest
            for changed in mutations(value):
                yield {**rest, key: changed}
    elif isinstance(sample, list) and sample:
        yield sample * 2_000
        for changed in mutations(sample[0]):
            yield [changed, *sample[1:]]


def text_of(body: Any) -> bytes:
    """Return a body as a careless client would write it: NaN and lone surrogates included."""
    return json.dumps(body).encode()


def broken_tokens(keys: KeySet, good: str) -> dict[str, str]:
    """Return authorization headers that must open nothing, made around a token that would."""
    head, claims, signature = good.split(".")
    foreign = KeySet(generate_keys(), issuer=keys.issuer)
    document = json.loads(_decoded(claims))
    unsigned = {"alg": "none", "typ": "JWT"}
    known = json.loads(_decoded(head))
    texts = {
        "garbage": "garbage",
        "dots": "..",
        "truncated": good[:-10],
        "without signature": f"{head}.{claims}.",
        "signature of another": f"{head}.{claims}.{foreign.sign(document).split('.')[2]}",
        "foreign key": foreign.sign(document),
        "alg none": f"{_encoded(unsigned)}.{claims}.",
        "alg none, kid known": f"{_encoded({**known, 'alg': 'none'})}.{claims}.",
        "alg HS256": f"{_encoded({**known, 'alg': 'HS256'})}.{claims}.{signature}",
        "alg RS256": f"{_encoded({**known, 'alg': 'RS256'})}.{claims}.{signature}",
        "alg a list": f"{_encoded({**known, 'alg': ['none']})}.{claims}.{signature}",
        "kid a number": f"{_encoded({**known, 'kid': 1})}.{claims}.{signature}",
        "kid missing": f"{_encoded({'alg': known['alg']})}.{claims}.{signature}",
        "kid a path": f"{_encoded({**known, 'kid': '../../etc/passwd'})}.{claims}.{signature}",
        "own key": f"{_encoded({**known, 'jwk': foreign.public_jwks()['keys'][0]})}.{claims}.{signature}",
        "crit": f"{_encoded({**known, 'crit': ['exp']})}.{claims}.{signature}",
        "b64 false": f"{_encoded({**known, 'b64': False, 'crit': ['b64']})}.{claims}.{signature}",
        "header null": f"{_encoded(None)}.{claims}.{signature}",
        "header a list": f"{_encoded([])}.{claims}.{signature}",
        "header deep": f"{base64.urlsafe_b64encode(b'[' * DEEP).decode().rstrip('=')}.{claims}.{signature}",
        "header of bytes": f"{base64.urlsafe_b64encode(bytes(range(256))).decode()}.{claims}.{signature}",
        "encrypted": f"{_encoded({'alg': 'dir', 'enc': 'A256GCM'})}..{claims}.{claims}.{signature}",
        "many dots": "." * 5_000,
        "long": "x" * 100_000,
        "changed": f"{head}.{_encoded({**document, 'vo': 'vob'})}.{signature}",
        "twice": f"{good},{good}",
        "expired": keys.sign({**document, "exp": 1}),
        "without expiry": keys.sign({name: value for name, value in document.items() if name != "exp"}),
        "without issuer": keys.sign({name: value for name, value in document.items() if name != "iss"}, issued=False),
        "wrong issuer": keys.sign({**document, "iss": "https://elsewhere.example/"}, issued=False),
        "wrong audience": keys.sign({**document, "aud": "https://elsewhere.example/"}),
        "a refresh token": keys.sign({"jti": document["jti"], "exp": document["exp"], "legacy_exchange": False}),
    }
    headers = {name: f"Bearer {text}" for name, text in texts.items()}
    return {**headers, **_odd_headers(good)}


def _odd_headers(good: str) -> dict[str, str]:
    return {
        "no scheme": good,
        "basic": "Basic YWxpY2U6YWxpY2U=",
        "two words": f"Bearer {good} {good}",
        "only the scheme": "Bearer ",
        "latin": "Bearer \xe9\xe9.\xe9.\xe9",
    }


_ODD: dict[str, Sequence[Any]] = {
    **dict.fromkeys(("sub", "preferred_username", "dirac_group"), (None, 1, [], {}, True)),
    "vo": (None, 1, [], {}, True, "", "\x00", "VOA", "voa ", "unknown"),
    "dirac_properties": (None, 1, {}, [1], [[]], [None], "NormalUser"),
    "exp": (None, "9999999999", True, [], float("nan"), float("inf"), 10**400, -1),
    "aud": ("", [], {}, 1, ["weyl-pilot", "weyl-job"], "weyl-pilot", "weyl-job"),
    "jti": (None, 1, []),
    "dirac_policies": (1, [1], "x"),
    "site": (1, [], {}),
}
ODD_CLAIMS: list[tuple[str, Any]] = [(name, value) for name, values in _ODD.items() for value in values]


def _encoded(document: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).decode().rstrip("=")


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
