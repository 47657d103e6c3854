"""A bundle's id is the hash of its exact bytes, and its paths lead nowhere else."""

import hashlib
import json

import pytest
from pydantic import ValidationError

from weyl.cwl.models import manifest as module
from weyl.cwl.models.bundles import SentManifest
from weyl.cwl.models.manifest import Manifest, bundle_id, check_path, manifest_of


def test_the_id_is_the_hash_of_the_canonical_manifest() -> None:
    manifest = manifest_of("main.cwl", {"main.cwl": b"a", "tools/réco #1.cwl": b"b"})
    files = {
        path: {"sha256": hashlib.sha256(content).hexdigest(), "size": 1}
        for path, content in (("main.cwl", b"a"), ("tools/réco #1.cwl", b"b"))
    }
    document = {"v": 1, "entry": "main.cwl", "fragment": None, "files": files}
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert bundle_id(manifest) == hashlib.sha256(text.encode()).hexdigest()
    assert bundle_id(Manifest.model_validate(document)) == bundle_id(manifest)


def test_a_fragment_makes_another_bundle() -> None:
    plain, other = (manifest_of("a", {"a": b""}, fragment=fragment) for fragment in (None, "tool"))
    assert bundle_id(plain) != bundle_id(other)


@pytest.mark.parametrize("path", ["a", "tools/réco.cwl", "one two#3:%41.cwl", ".hidden", "a/..b"])
def test_a_plain_path_is_taken(path: str) -> None:
    assert check_path(path) == path


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/etc/passwd",
        "../a",
        "a/../b",
        "a/./b",
        "a//b",
        "a/",
        "a\x00b",
        "a\nb",
        "a\\b",
        "re\u0301co.cwl",
        "\ud800",
        "a" * 256,
        "a/" * 600 + "a",
    ],
)
def test_a_path_that_leads_elsewhere_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="files: "):
        check_path(path)


def test_a_file_cannot_be_a_folder_too() -> None:
    with pytest.raises(ValidationError, match="is a file, and a folder"):
        manifest_of("a", {"a": b"", "a/b": b""})


def test_the_entry_is_one_of_the_files() -> None:
    with pytest.raises(ValidationError, match="entry: 'b' is not one of the files"):
        manifest_of("b", {"a": b""})


def test_what_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BUNDLE_BYTES_MAX", 3)
    with pytest.raises(ValidationError, match="4 bytes in all"):
        manifest_of("a", {"a": b"ab", "b": b"cd"})


def test_bytes_on_their_way_are_base64() -> None:
    file = {"sha256": "0" * 64, "size": 1}
    sent = SentManifest.model_validate({"entry": "a", "files": {"a": {**file, "content": "eA=="}, "b": file}})
    assert [each.data() for each in sent.files.values()] == [b"x", None]
    assert sent.plain().files.keys() == {"a", "b"}
    bad = SentManifest.model_validate({"entry": "a", "files": {"a": {**file, "content": "e!"}}})
    with pytest.raises(ValueError, match="content is not base64"):
        bad.files["a"].data()
