"""The state that travels through the identity provider."""

import pytest
from cryptography.fernet import Fernet

from weyl.auth.errors import InvalidState
from weyl.auth.sealing import Journey, Sealer
from weyl.kit.ids import uuid7

KEY = Fernet.generate_key().decode()
JOURNEY = Journey("device", "voa", uuid7(), "verifier")


@pytest.mark.parametrize("state", ["", "x", "gAAAAA", "ü", "A" * 44, "\x00"])
def test_a_state_that_we_did_not_make_is_refused(state: str) -> None:
    with pytest.raises(InvalidState):
        Sealer(KEY).open(state, kind="device", age_max_s=60)


def test_a_state_of_another_key_another_flow_or_another_content_is_refused() -> None:
    sealer = Sealer(KEY)
    with pytest.raises(InvalidState):
        sealer.open(Sealer(Fernet.generate_key().decode()).seal(JOURNEY), kind="device", age_max_s=60)
    with pytest.raises(InvalidState):
        sealer.open(sealer.seal(JOURNEY), kind="authorize", age_max_s=60)
    with pytest.raises(InvalidState):
        sealer.open(Fernet(KEY).encrypt(b'{"kind": "device"}').decode(), kind="device", age_max_s=60)


def test_a_state_that_is_too_old_is_refused() -> None:
    old = Fernet(KEY).encrypt_at_time(b"{}", 1_000_000).decode()
    with pytest.raises(InvalidState):
        Sealer(KEY).open(old, kind="device", age_max_s=60)


def test_a_journey_comes_back_and_nothing_of_it_can_be_read_on_the_way() -> None:
    sealed = Sealer(KEY).seal(JOURNEY)
    assert "voa" not in sealed
    assert Sealer(KEY).open(sealed, kind="device", age_max_s=60) == JOURNEY


def test_the_key_can_be_changed_while_logins_are_under_way() -> None:
    new = Fernet.generate_key().decode()
    assert Sealer(f"{new},{KEY}").open(Sealer(KEY).seal(JOURNEY), kind="device", age_max_s=60) == JOURNEY


def test_without_a_key_a_process_makes_its_own() -> None:
    sealer = Sealer("")
    assert sealer.open(sealer.seal(JOURNEY), kind="device", age_max_s=60) == JOURNEY
