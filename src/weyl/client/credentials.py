"""The login on disk, in the form and under the lock that DiracX's client uses too: one login can serve both."""

import fcntl
import json
import os
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol

# The file says that a token ends a little before it does, so that it never expires on its way to the server.
EXPIRY_MARGIN_S = 15
# With less than this left, the access token is replaced.
REFRESH_BELOW_S = 300


@dataclass(frozen=True, slots=True)
class TokenSet:
    """An access token, what replaces it, and the unix second from which it counts as expired."""

    access_token: str
    refresh_token: str | None
    expires_on: int
    # Of a refresh that was sent and not answered yet: with it, and only with it, the same refresh may be sent again.
    refresh_key: str | None = None

    @classmethod
    def from_answer(cls, answer: Mapping[str, Any], now_s: float) -> "TokenSet":
        """Read the answer of the token endpoint that arrived at `now_s`."""
        expires_on = int(now_s) + int(answer["expires_in"]) - EXPIRY_MARGIN_S
        return cls(str(answer["access_token"]), answer.get("refresh_token"), expires_on)

    def seconds_left(self, now_s: float) -> float:
        """Return how long the access token is still good for."""
        return self.expires_on - now_s


def claims_of(token: str) -> dict[str, Any]:
    """Read the claims of a token without verifying it: for messages, never for decisions."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (IndexError, ValueError):
        return {}
    return claims if isinstance(claims, dict) else {}


class TokenLock(Protocol):
    """A login that nobody else changes until `release`."""

    def load(self) -> TokenSet | None:
        """Read the tokens as they are now."""

    def save(self, tokens: TokenSet) -> None:
        """Replace the tokens."""

    def release(self) -> None:
        """Let others go on."""


class TokenStore(Protocol):
    """Where tokens are kept."""

    def load(self) -> TokenSet | None:
        """Read the tokens; None: not logged in."""

    def try_lock(self) -> TokenLock | None:
        """Take the lock if it is free; raises FileNotFoundError if there is no login to lock."""


@dataclass(slots=True)
class MemoryCredentials:
    """A login that lives and dies with its client; for services that bring their own token and for tests."""

    tokens: TokenSet | None = None
    locked: bool = False

    def load(self) -> TokenSet | None:
        """Read the tokens."""
        return self.tokens

    def save(self, tokens: TokenSet) -> None:
        """Replace the tokens."""
        self.tokens = tokens

    def try_lock(self) -> "MemoryCredentials | None":
        """Take the lock if it is free."""
        if self.locked:
            return None
        self.locked = True
        return self

    def release(self) -> None:
        """Let others go on."""
        self.locked = False


@dataclass(frozen=True, slots=True)
class TokenFile:
    """An access token that somebody else keeps fresh in a file (`WEYL_TOKEN_FILE`), read again for every request."""

    path: Path

    def load(self) -> TokenSet | None:
        """Read the token; its `exp` is the other program's business, so it never counts as about to expire."""
        try:
            token = self.path.read_text(encoding="utf-8").strip()
        except OSError:
            return None
        return TokenSet(token, None, 2**53) if token else None

    def try_lock(self) -> TokenLock | None:
        """Refuse: such a token is never refreshed by us."""
        raise FileNotFoundError(self.path)


class _LockedFile:
    """The open, locked credentials file, rewritten in place: a rename would leave others waiting on a dead file."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def load(self) -> TokenSet | None:
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        return _parse(os.read(self._descriptor, 1 << 20))

    def save(self, tokens: TokenSet) -> None:
        known = {name: value for name, value in asdict(tokens).items() if name != "refresh_key" or value}
        content = json.dumps(known).encode()
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        os.ftruncate(self._descriptor, 0)
        os.write(self._descriptor, content)
        os.fchmod(self._descriptor, 0o600)

    def release(self) -> None:
        os.close(self._descriptor)


@dataclass(frozen=True, slots=True)
class CredentialFile:
    """The login of one profile: `{access_token, refresh_token, expires_on}`, readable by its owner only."""

    path: Path

    def load(self) -> TokenSet | None:
        """Read the tokens; None if nobody is logged in or the file is not a login."""
        try:
            descriptor = os.open(self.path, os.O_RDONLY)
        except OSError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            return _parse(os.read(descriptor, 1 << 20))
        finally:
            os.close(descriptor)

    def save(self, tokens: TokenSet) -> None:
        """Write a new login, waiting for a refresh that is under way."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        lock = _LockedFile(descriptor)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            lock.save(tokens)
        finally:
            lock.release()

    def delete(self) -> bool:
        """Remove the login; says whether there was one."""
        try:
            self.path.unlink()
        except FileNotFoundError:
            return False
        return True

    def try_lock(self) -> TokenLock | None:
        """Take the file's lock if it is free; raises FileNotFoundError if there is no file."""
        descriptor = os.open(self.path, os.O_RDWR)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        return _LockedFile(descriptor)


def _parse(content: bytes) -> TokenSet | None:
    try:
        document = json.loads(content)
        tokens = TokenSet(str(document["access_token"]), document.get("refresh_token"), int(document["expires_on"]))
        return replace(tokens, refresh_key=document.get("refresh_key"))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
