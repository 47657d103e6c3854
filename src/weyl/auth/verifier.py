"""Who a bearer token speaks for: what every route asks before anything else."""

from weyl.auth.keys import KeySet
from weyl.auth.policy import may_use_token
from weyl.auth.tokens import user_from_claims
from weyl.config.service import ConfigStore
from weyl.kit.http import User


class Verifier:
    """Verifies a token by our keys, without the database, and refuses members suspended since it was issued."""

    def __init__(self, keys: KeySet, config: ConfigStore) -> None:
        self._keys = keys
        self._config = config

    def verify(self, token: str) -> User:
        """Return whoever the token speaks for; raises `InvalidToken` or `NotGranted`."""
        user = user_from_claims(self._keys.decode(token))
        return may_use_token(self._config.current().config, user)
