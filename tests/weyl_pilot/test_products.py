"""Which files of a job's directory are its output data."""

import hashlib
import json
import os
import zlib
from pathlib import Path

import pytest

from weyl_pilot.errand import Errand, Halted
from weyl_pilot.inputs import apart, flat
from weyl_pilot.manifest import placed
from weyl_pilot.products import METADATA, BadProducts, Found, files_below


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A directory after a payload, beside something that is not its own."""
    run = tmp_path / "run"
    (run / "out").mkdir(parents=True)
    for name in ("a.root", "b.root", "out/c.root", "out/d.txt"):
        (run / name).write_text(name)
    (tmp_path / "secret").write_text("not the payload's")
    (run / "leak").symlink_to(tmp_path / "secret")
    (run / "out" / "near").symlink_to(run / "a.root")
    (run / "up").symlink_to(tmp_path)
    os.mkfifo(run / "pipe")
    return run


def test_names_patterns_and_logical_files_mean_files(run: Path) -> None:
    found = Found(run, None)
    assert found.listed(["*.root", "LFN:/vo/x/b.root", "out/c.root"]) == {
        "a.root": "a.root",
        "LFN:/vo/x/b.root": "b.root",
        "out/c.root": "out/c.root",
    }
    assert found.listed(["out/*", "./a.root", "a.root"]) == {
        "out/c.root": "out/c.root",
        "out/d.txt": "out/d.txt",
        "a.root": "a.root",
    }


def test_patterns_pass_by_what_was_there_before(run: Path) -> None:
    found = Found(run, None, {"a.root", "input_data.json"})
    assert set(found.listed(["*.root"])) == {"b.root"}
    assert set(found.listed(["*.root", "a.root"])) == {"a.root", "b.root"}
    with pytest.raises(BadProducts):
        found.listed(["a.*"])


@pytest.mark.parametrize(
    "item",
    [
        "gone",
        "*.none",
        "out",
        "leak",
        "up/secret",
        "../secret",
        "/etc/hostname",
        "pipe",
        "LFN:/vo/gone",
        "a**[",
        "out/near",
    ],
)
def test_what_is_no_file_of_the_job_is_missing_by_its_name(run: Path, item: str) -> None:
    with pytest.raises(BadProducts) as caught:
        Found(run, None).listed([item, "a.root"])
    assert str(caught.value) == f"not there: {item}"


def test_files_are_read_once_and_known_again(run: Path) -> None:
    found = Found(run, None)
    [product] = found.measured({"LFN:/vo/x": "a.root"}, Errand(), {})
    assert (product.name, product.size) == ("LFN:/vo/x", 6)
    assert product.checksums == {
        "sha256": hashlib.sha256(b"a.root").hexdigest(),
        "adler32": f"{zlib.adler32(b'a.root'):08x}",
    }
    with found.open(product) as stream:
        assert stream.read() == b"a.root"
    (run / "a.root").write_text("other!")
    os.utime(run / "a.root", ns=(1, 1))
    with pytest.raises(OSError, match="was changed"):
        found.open(product)
    (run / "a.root").unlink()
    with pytest.raises(OSError, match="not there any more"):
        found.open(product)


def test_what_an_ended_job_has_made_is_not_read_on(run: Path) -> None:
    errand = Errand()
    errand.halt()
    with pytest.raises(Halted):
        Found(run, None).measured({"a.root": "a.root"}, errand, {})


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_second_name_of_somebody_elses_file_is_not_stored(run: Path) -> None:
    os.link(run.parent / "secret", run / "stolen")
    os.lchown(run / "a.root", 61234, 61234)
    found = Found(run, 61234)
    assert len(found.measured({"a.root": "a.root"}, Errand(), {})) == 1
    with pytest.raises(BadProducts, match="not a file of the job's own"):
        found.measured(found.listed(["stolen"]), Errand(), {})


def test_the_payload_says_values_of_its_files(run: Path) -> None:
    found = Found(run, None)
    (run / "outputs").mkdir()
    (run / METADATA).write_text(json.dumps({"a.root": {"Run": 7}, "c.root": {"Run": 8}, "LFN:/vo/b.root": {"Run": 9}}))
    files = found.listed(["a.root", "out/*.root", "LFN:/vo/b.root"])
    values = {product.name: product.metadata for product in found.measured(files, Errand(), {})}
    assert values == {"a.root": {"Run": 7}, "out/c.root": {"Run": 8}, "LFN:/vo/b.root": {"Run": 9}}


@pytest.mark.parametrize("text", ["{", "[]", '{"a.root": 7}', "[" * 100_000])
def test_values_that_cannot_be_read_are_no_silent_loss(run: Path, text: str) -> None:
    (run / "outputs").mkdir()
    (run / METADATA).write_text(text)
    with pytest.raises(BadProducts, match=METADATA):
        Found(run, None).measured({"a.root": "a.root"}, Errand(), {})


def test_values_behind_a_link_are_not_read(run: Path) -> None:
    (run / "outputs").mkdir()
    (run / METADATA).symlink_to(run.parent / "secret")
    with pytest.raises(BadProducts, match=METADATA):
        Found(run, None).measured({"a.root": "a.root"}, Errand(), {})


def test_inputs_of_one_name_get_directories_of_their_numbers(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("of a sandbox")
    (tmp_path / "3").write_text("so is this")
    place = flat(tmp_path, ["std.out"])
    paths = []
    for number, lfn in enumerate(["/vo/1/a", "/vo/2/a", "/vo/std.out", "/vo/taken", "/vo/input_data.json"]):
        paths.append(place(number, lfn))
        paths[-1].write_text(lfn)
    told = [str(path.relative_to(tmp_path)) for path in paths]
    assert told == ["a", "1/a", "2/std.out", "3_/taken", "4/input_data.json"]


def test_secondary_files_lie_beside_their_primary(tmp_path: Path) -> None:
    place = apart(tmp_path, {"/vo/a.idx": "/vo/a"})
    paths = []
    for number, lfn in enumerate(["/vo/a", "/vo/x/a", "/vo/a.idx"]):
        paths.append(place(number, lfn))
        paths[-1].write_text(lfn)
    assert [str(path.relative_to(tmp_path)) for path in paths] == ["0/a", "1/a", "0/a.idx"]


def test_a_manifest_names_what_is_kept_by_its_logical_name() -> None:
    manifest = {
        "outputs": {
            "one": {"class": "File", "location": "outputs/a"},
            "tree": {
                "class": "Directory",
                "location": "outputs/t",
                "listing": [{"class": "File", "location": "outputs/t/b"}],
            },
            "here": {"class": "File", "location": "outputs/c"},
        },
        "files": [
            {"output": "one", "path": "outputs/a", "size": 1},
            {"output": "here", "path": "outputs/c", "size": 1},
        ],
    }
    places = {"outputs/a": {"lfn": "/vo/a", "se": "X"}, "outputs/t/b": {"lfn": "/vo/t/b", "se": "X"}}
    made = placed(manifest, places)
    assert made["outputs"]["one"]["location"] == "LFN:/vo/a"
    assert made["outputs"]["tree"]["location"] == "LFN:/vo/t"
    assert made["outputs"]["tree"]["listing"][0]["location"] == "LFN:/vo/t/b"
    assert made["outputs"]["here"]["location"] == "outputs/c"
    assert made["files"] == [
        {"output": "one", "lfn": "/vo/a", "se": "X", "size": 1},
        {"output": "here", "path": "outputs/c", "size": 1},
    ]
    assert manifest["files"][0]["path"] == "outputs/a"


def test_all_files_of_a_directory_are_found(run: Path) -> None:
    assert files_below(run, "out") == ["out/c.root", "out/d.txt", "out/near"]
