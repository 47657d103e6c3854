"""The label is the id that DiracX computes, and names of jobs are made as there."""

import hashlib
import json

import pytest
import yaml

from weyl.cwl.labels import job_name, plain_name, workflow_label


def peers(text: str) -> str:
    """Return what the peer computes."""
    return hashlib.sha256(json.dumps(yaml.safe_load(text), sort_keys=True).encode()).hexdigest()


@pytest.mark.parametrize("number", range(100))
def test_the_label_is_the_peers_for_a_hundred_documents(number: int) -> None:
    text = f"""
cwlVersion: v1.{number % 3}
class: CommandLineTool
id: tool-{number}
label: "Réco {number} \\"quoted\\" %j"
inputs: {{n: {{type: int, default: 0{number}}}, x: {{type: double, default: {number}.50e-1}}, maybe: "string?"}}
outputs: []
baseCommand: [echo, no, on, "1:30", 1:{number % 60:02}, 1e{number % 9}, .5, 0x{number}, ~, null]
arguments: [&a {{valueFrom: $(inputs.n)}}, *a]
"""
    assert workflow_label(text) == peers(text)


def test_texts_that_mean_different_things_may_have_one_label() -> None:
    assert workflow_label("a: yes") == workflow_label("a: true") == peers("a: on")
    assert workflow_label("a: 1e-05") == workflow_label('a: "1e-05"')


@pytest.mark.parametrize(
    "text",
    [
        "d: 2026-11-27",
        "b: !!binary aGFsbG8=",
        "1: a\nb: c",
        "a: [",
        "a: !!python/none x",
        "!!bool 1:30",
        "!!timestamp x",
    ],
)
def test_what_json_cannot_say_has_no_label(text: str) -> None:
    assert workflow_label(text) is None


def test_an_alias_bomb_has_no_label() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]" for level in range(1, 9)]
    assert workflow_label("\n".join(lines)) is None
    assert workflow_label("&a [*a]") is None
    assert workflow_label("[" * 100 + "]" * 100) is None
    assert workflow_label("a: &a " + "x" * 100_000 + "\nb: [" + ", ".join(["*a"] * 900) + "]") is None


def test_a_few_aliases_are_no_bomb() -> None:
    text = "a: &a {b: 1}\nc: [*a, *a]"
    assert workflow_label(text) == peers(text)


def test_a_job_is_called_by_label_then_id() -> None:
    assert plain_name("Reconstruction", "reco") == "Reconstruction"
    assert plain_name(None, "reco") == "reco"
    assert plain_name("", None) == "cwl-job"
    assert plain_name("", None, "tools/reco.v2.cwl") == "reco.v2"
    assert plain_name("", "last", "tools/reco.cwl") == "last"
    assert plain_name("two\nlines \x1b[31m", None) == "two lines  [31m"


def test_scalar_inputs_are_part_of_the_name() -> None:
    inputs = {"seed": 3, "scale": 0.5, "fast": True, "name": "a b", "file": {"class": "File"}, "list": [1], "no": None}
    assert job_name("reco", inputs) == "reco (seed=3, scale=0.5, fast=true, name=a b)"
    assert job_name("reco", {"list": []}) == "reco"


def test_a_long_name_is_cut() -> None:
    assert len(job_name("x" * 200, {"seed": 1})) == 128
    assert len(job_name("reco", {"text": "x" * 1_000_000})) == 128
