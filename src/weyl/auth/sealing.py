"""The `state` that travels through the identity provider: encrypted, so that nobody reads, alters or makes one."""

import hashlib
import hmac
import json
from dataclasses import asdict, dataclass
from hmac import compare_digest
from typing import Literal
from uuid import UUID

import structlog
from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from weyl.auth.errors import InvalidState
from weyl.kit.clock import unix_now

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Journey:
    """A login that is on its way through the identity provider of `vo`."""

    kind: Literal["question", "device", "authorize", "web"]
    vo: str
    flow_id: UUID
    verifier: str
    scope: str = ""
    """What is asked for, if no row says so."""
    return_to: str = "/"
    """Where the browser goes afterwards, if no row says so."""
    browser: str = ""
    """The digest of what the browser that began it keeps, if it keeps something."""

    def is_begun_with(self, kept: str | None) -> bool:
        """Tell whether it began in the browser that keeps this."""
        return kept is not None and compare_digest(digest_of_kept(kept), self.browser)


def digest_of_kept(kept: str) -> str:
    """Return what a journey says of the cookie of its browser."""
    return hashlib.sha256(kept.encode("utf-8", "replace")).hexdigest()


class Sealer:
    """Seals journeys with the first of the keys given (separated by commas) and opens them with any."""

    def __init__(self, keys: str) -> None:
        if not keys:
            # Good for one process; a second one would not understand the logins that this one began.
            log.warning("state_key_missing", hint="set WEYL_STATE_KEY to the same Fernet key for all servers")
            keys = Fernet.generate_key().decode()
        names = [key.strip() for key in keys.split(",")]
        self._fernet = MultiFernet([Fernet(name) for name in names])
        self._hash_keys = [hashlib.sha256(b"weyl keyed hashes " + name.encode()).digest() for name in names]

    def hashes(self, text: str) -> list[str]:
        """Return the hashes of a text too short to be hashed without a key: first the one to keep, then older ones."""
        return [hmac.new(key, text.encode(), "sha256").hexdigest() for key in self._hash_keys]

    def seal(self, journey: Journey) -> str:
        """Return the `state` to send along."""
        document = {**asdict(journey), "flow_id": str(journey.flow_id)}
        return self._fernet.encrypt_at_time(json.dumps(document).encode(), int(unix_now())).decode()

    def open(self, state: str, *, kind: str, age_max_s: int) -> Journey:
        """Return what we sent along; raises `InvalidState` if it is not ours, of another kind of login, or too old."""
        try:
            document = json.loads(self._fernet.decrypt_at_time(state, ttl=age_max_s, current_time=int(unix_now())))
            journey = Journey(**{**document, "flow_id": UUID(document["flow_id"])})
        except (InvalidToken, ValueError, TypeError, KeyError) as error:
            raise InvalidState from error
        if journey.kind != kind:
            raise InvalidState
        return journey
