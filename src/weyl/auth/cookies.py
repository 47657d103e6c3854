"""The cookies of logins in a browser: what they are called, and what is said of them to the browser."""

import re
from dataclasses import dataclass

# What the prefix wants keeps other hosts, other paths and plain HTTP away from a cookie of this name.
_PREFIX = "__Host-"
# Without `Secure` the prefix is refused; another name, so that nobody takes the one for the other.
_INSECURE_PREFIX = "insecure-"
# 256 random bits as base64url; of anything else in its place we made none.
_VALUE = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True)
class Cookie:
    """A cookie that pages cannot read and that other sites send along with navigations only."""

    word: str
    is_secure: bool = True

    @property
    def name(self) -> str:
        """The name."""
        return (_PREFIX if self.is_secure else _INSECURE_PREFIX) + self.word

    def line(self, value: str, *, age_max_s: int | None = None) -> str:
        """Return the Set-Cookie header for a value; without an age it goes when the browser is closed."""
        age = "" if age_max_s is None else f"; Max-Age={age_max_s}"
        secure = "; Secure" if self.is_secure else ""
        return f"{self.name}={value}{age}; Path=/{secure}; HttpOnly; SameSite=Lax"

    def clearing(self) -> str:
        """Return the Set-Cookie header that takes it away."""
        return self.line("", age_max_s=0)

    def value_in(self, header: str | None) -> str | None:
        """Return its value in a Cookie header."""
        for part in (header or "").split(";"):
            name, found, value = part.strip().partition("=")
            if found and name == self.name:
                return value
        return None

    def own_value_in(self, header: str | None) -> str | None:
        """Return its value in a Cookie header if it is one that we could have made."""
        value = self.value_in(header)
        return value if value is not None and _VALUE.fullmatch(value) else None


def session_cookie(*, is_secure: bool) -> Cookie:
    """Return the cookie of a browser that is logged in."""
    return Cookie("session", is_secure)


def login_cookie(*, is_secure: bool) -> Cookie:
    """Return the cookie of a browser that has gone to the identity provider."""
    return Cookie("weyl-login", is_secure)


def device_cookie(*, is_secure: bool) -> Cookie:
    """Return the cookie of a browser that was asked whether a device may log in."""
    return Cookie("weyl-device", is_secure)
