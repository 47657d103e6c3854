"""The files of the demo's installation: its storage elements, and what moves with them."""

import json
from pathlib import Path

import yaml

from weyl.config.models import Config
from weyl.config.source import parse_config
from weyl.demo.installation import BUCKET, InstallationFiles, document

IDP, STORE = "http://127.0.0.1:1001", "http://127.0.0.1:1002"


def test_the_demo_has_a_bucket_and_a_directory_for_files(tmp_path: Path) -> None:
    config = parse_config(yaml.safe_dump(document(IDP, tmp_path, STORE)), Config)
    elements = config.resources.storage_elements
    assert {name: each.endpoints[0].protocol for name, each in elements.items()} == {
        "DEMO-S3": "s3",
        "DEMO-DISK": "file",
    }
    assert (elements["DEMO-S3"].endpoints[0].url, elements["DEMO-S3"].endpoints[0].bucket) == (STORE, BUCKET)
    assert list(document(IDP, tmp_path)["Resources"]["StorageElements"]) == ["DEMO-DISK"]


def test_addresses_that_have_changed_are_written_down(tmp_path: Path) -> None:
    files = InstallationFiles(tmp_path)
    files.prepare()
    assert files.disk.is_dir()
    files.configure(IDP, STORE)
    for idp, store in ((IDP, STORE.replace("1002", "1003")), (IDP.replace("1001", "1004"), STORE)):
        files.configure(idp, store)
        written = yaml.safe_load((files.config / "default.yml").read_text())
        assert written["Registry"]["hep"]["IdP"]["URL"] == idp
        assert written["Resources"]["StorageElements"]["DEMO-S3"]["Endpoints"][0]["URL"] == store


def test_the_keys_of_the_store_are_for_its_owner_only(tmp_path: Path) -> None:
    files = InstallationFiles(tmp_path)
    files.prepare()
    for _ in range(2):
        files.keep_keys("id", "secret")
    [path] = files.credentials.rglob("*-key")
    assert json.loads(path.read_text()) == {"access_key": "id", "secret_key": "secret"}
    assert path.stat().st_mode & 0o077 == 0
