"""The commands that make and rotate the keys of tokens for storage."""

import json
from pathlib import Path

import pytest

from weyl.client.errors import UsageFault
from weyl.storage.internal_cli import generate, rotate


def kids(file: Path) -> list[str]:
    return [key["kid"] for key in json.loads(file.read_text())["keys"]]


def test_keys_are_made_once_and_follow_each_other(tmp_path: Path) -> None:
    file = tmp_path / "below" / "storage-keys.json"
    generate(file)
    assert file.stat().st_mode & 0o777 == 0o600
    first, following = kids(file)
    with pytest.raises(UsageFault, match="exists"):
        generate(file)
    rotate(file)
    assert kids(file)[0] == following
    assert first in kids(file)
    assert file.stat().st_mode & 0o777 == 0o600


def test_what_is_no_key_file_is_told(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    with pytest.raises(UsageFault, match="cannot be rotated"):
        rotate(file)
    file.write_text('{"keys": []}')
    with pytest.raises(UsageFault, match="must be one that signs"):
        rotate(file)
    assert file.read_text() == '{"keys": []}'
