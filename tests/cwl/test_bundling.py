"""What belongs to a document: closure of its references, common parent, limits, and no CWL library in the client."""

import subprocess
import sys
from pathlib import Path

import pytest

from weyl.cwl import bundling
from weyl.cwl.bundling import BundleFault, bundle

TOOL = "cwlVersion: v1.2\nclass: CommandLineTool\nbaseCommand: 'true'\ninputs: []\noutputs: []\n"


def write(directory: Path, **files: str) -> None:
    """Write files; `__` in a name is a slash, `_cwl` its ending."""
    for name, text in files.items():
        path = directory / name.replace("__", "/").replace("_cwl", ".cwl").replace("_txt", ".txt")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_a_document_alone_is_one_file(tmp_path: Path) -> None:
    write(tmp_path, reco_cwl=TOOL)
    found = bundle(tmp_path / "reco.cwl")
    assert (found.entry, found.fragment, found.files) == ("reco.cwl", None, {"reco.cwl": TOOL.encode()})


def test_references_of_every_kind_are_followed(tmp_path: Path) -> None:
    write(
        tmp_path,
        main_cwl="""
cwlVersion: v1.2
class: Workflow
$schemas: [onto.txt, "https://example.org/remote.owl"]
requirements:
  SchemaDefRequirement: {types: [{$import: types.yml}]}
  InlineJavascriptRequirement: {expressionLib: [{$include: lib/code.js}]}
inputs:
  reference:
    type: File
    secondaryFiles: [.fai, ^.dict, "$(self.basename).x"]
    default: {class: File, location: data/ref%231.fa}
  folder: {type: Directory, default: {class: Directory, path: folder}}
  literal: {type: File, default: {class: File, basename: x, contents: "run: other.cwl"}}
  run: {type: string, default: unrelated.cwl}
steps:
  one: {run: tools/one.cwl, in: {}, out: []}
  two: {run: "tools/graph.cwl#two", in: {}, out: []}
  three: {run: "#inner", in: {}, out: []}
  four: {run: "https://example.org/four.cwl", in: {}, out: []}
outputs: []
""",
        onto_txt="ontology",
        lib__code="",
        tools__one_cwl=TOOL
        + "stdin: $(inputs.x)\nhints: {SoftwareRequirement: {packages: [{$import: packages.yml}]}}\n",
        tools__graph_cwl="cwlVersion: v1.2\n$graph:\n- {class: Workflow, id: two, inputs: [], outputs: [], "
        "steps: [{id: s, run: ../tools/one.cwl, in: [], out: []}]}\n",
        folder__deep__a_txt="a",
        unrelated_cwl=TOOL,
        other_cwl=TOOL,
    )
    (tmp_path / "types.yml").write_text("{$mixin: mixed.yml}")
    (tmp_path / "mixed.yml").write_text("name: t\n")
    (tmp_path / "lib" / "code.js").write_text("var x = 1;")
    (tmp_path / "tools" / "packages.yml").write_text("package: p\n")
    (tmp_path / "data").mkdir()
    for name in ("ref#1.fa", "ref#1.fa.fai", "ref#1.dict", "other.fa"):
        (tmp_path / "data" / name).write_text(name)
    found = bundle(tmp_path / "main.cwl")
    assert sorted(found.files) == [
        "data/ref#1.dict",
        "data/ref#1.fa",
        "data/ref#1.fa.fai",
        "folder/deep/a.txt",
        "lib/code.js",
        "main.cwl",
        "mixed.yml",
        "onto.txt",
        "tools/graph.cwl",
        "tools/one.cwl",
        "tools/packages.yml",
        "types.yml",
    ]


def test_files_above_the_document_move_the_root_up(tmp_path: Path) -> None:
    step = "class: Workflow\ncwlVersion: v1.2\ninputs: []\nsteps: [{id: s, run: ../common/x.cwl, in: [], out: []}]\n"
    write(tmp_path, flow__main_cwl=step, common__x_cwl=TOOL, aside_cwl=TOOL)
    found = bundle(f"{tmp_path}/flow/main.cwl#main")
    assert (found.entry, found.fragment) == ("flow/main.cwl", "main")
    assert sorted(found.files) == ["common/x.cwl", "flow/main.cwl"]
    assert found.root == tmp_path


def test_a_uri_names_a_document_with_odd_characters(tmp_path: Path) -> None:
    path = tmp_path / "a b#c:d%.cwl"
    path.write_text(TOOL)
    assert bundle(path.as_uri() + "#one").entry == "a b#c:d%.cwl"
    assert bundle(path.as_uri() + "#one").fragment == "one"
    assert bundle(path).fragment is None


def test_what_is_missing_or_cannot_be_read_is_left_to_the_server(tmp_path: Path) -> None:
    write(tmp_path, main_cwl="class: Workflow\nsteps: [{run: gone.cwl, in: []}, {run: bad.cwl, in: []}]\n", bad_cwl="{")
    assert sorted(bundle(tmp_path / "main.cwl").files) == ["bad.cwl", "main.cwl"]


def test_documents_that_name_each_other_end(tmp_path: Path) -> None:
    loop = "class: Workflow\nsteps: [{{run: {}, in: []}}]\n"
    write(tmp_path, a_cwl=loop.format("b.cwl"), b_cwl=loop.format("a.cwl"))
    assert sorted(bundle(tmp_path / "a.cwl").files) == ["a.cwl", "b.cwl"]


@pytest.mark.parametrize(
    ("name", "message"),
    [("gone.cwl", "There is no file"), ("https://example.org/x.cwl", "is not a local file"), (".", "There is no file")],
)
def test_an_entry_that_is_no_local_file_is_refused(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(BundleFault, match=message):
        bundle(name if "://" in name else tmp_path / name)


def test_limits_name_the_file_that_went_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    default = "class: CommandLineTool\ninputs: {d: {type: Directory, default: {class: Directory, location: d}}}\n"
    write(tmp_path, main_cwl=default, d__a_txt="a" * 300, d__b_txt="b" * 300, d__c_txt="c")
    monkeypatch.setattr(bundling, "DOCUMENT_BYTES_MAX", 299)
    with pytest.raises(BundleFault, match=r"a\.txt has .* MiB"):
        bundle(tmp_path / "main.cwl")
    monkeypatch.setattr(bundling, "DOCUMENT_BYTES_MAX", 1000)
    monkeypatch.setattr(bundling, "BUNDLE_BYTES_MAX", 500)
    with pytest.raises(BundleFault, match=r"b\.txt among them"):
        bundle(tmp_path / "main.cwl")
    monkeypatch.setattr(bundling, "BUNDLE_BYTES_MAX", 5000)
    monkeypatch.setattr(bundling, "FILES_MAX", 3)
    with pytest.raises(BundleFault, match=r"more than 3 files, .*c\.txt among them"):
        bundle(tmp_path / "main.cwl")


def test_the_client_loads_no_cwl_library() -> None:
    code = (
        "import sys, weyl.cwl.bundling, weyl.cwl.calls, weyl.cwl.flags, weyl.cwl.local_files\n"
        "names = {name.partition('.')[0] for name in sys.modules}\n"
        "print(sorted(names & {'cwltool', 'cwl_utils', 'schema_salad', 'ruamel', 'quickjs', 'rdflib', 'fastapi'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
