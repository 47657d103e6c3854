"""The example that the demo runs: its descriptions, its generator with and without Pythia, its fit, its picture."""

import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from importlib.util import find_spec
from pathlib import Path

import pytest

from weyl.descriptions import jdl
from weyl.descriptions.work import work_document

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "zmumu"
# A Python without site packages has no generator: the same script on the same machine falls back.
WITHOUT_PACKAGES = [sys.executable, "-I", "-S"]


def run(directory: Path, *command: str) -> str:
    """Runs a program of the example."""
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def generate(directory: Path, seed: int, events: int, *more: str) -> None:
    """Makes one histogram without the generator, quickly."""
    script = str(EXAMPLE / "generate.py")
    arguments = ["--seed", str(seed), "--events", str(events), "--output", f"zmumu-{seed}.json"]
    assert "NOT Pythia" in run(directory, *WITHOUT_PACKAGES, script, *arguments, *more)


@pytest.mark.skipif(find_spec("pythia8mc") is None, reason="pythia8mc has no wheel for this Python")
def test_the_generator_is_pythia_and_a_seed_gives_the_same_events_again(tmp_path: Path) -> None:
    for name in ("a", "b"):
        arguments = ["--seed", "5", "--events", "200", "--output", f"{name}.json"]
        assert "Pythia 8" in run(tmp_path, sys.executable, str(EXAMPLE / "generate.py"), *arguments)
    first, second = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("a", "b"))
    assert first["histogram"] == second["histogram"]
    assert sum(first["histogram"]["counts"]) + first["histogram"]["outside"] == first["accepted"] > 20
    assert 1400 < first["cross_section_pb"] < 1800


def test_twenty_histograms_become_one_fit_and_one_picture(tmp_path: Path) -> None:
    for seed in range(1, 21):
        # Below the working directory: each input sandbox may bring its own folder.
        folder = tmp_path / f"sandbox-{seed}"
        folder.mkdir()
        generate(folder, seed, 3000)
    assert "Z mass" in run(tmp_path, *WITHOUT_PACKAGES, str(EXAMPLE / "merge.py"))
    fit = json.loads((tmp_path / "fit.json").read_text())
    assert fit["histograms"] == 20
    assert fit["events"] == 60000
    assert fit["mass_gev"] == pytest.approx(91.19, abs=0.1)
    assert 0.005 < fit["mass_error_gev"] < 0.05
    assert fit["width_gev"] == pytest.approx(2.5, abs=0.2)
    assert fit["chi2"] / fit["ndf"] < 2
    picture = ET.parse(tmp_path / "zmumu.svg")
    words = " ".join(element.text or "" for element in picture.iter("{http://www.w3.org/2000/svg}text"))
    assert "13.6 TeV" in words
    assert f"{fit['mass_gev']:.3f}" in words


def test_the_same_events_are_not_counted_twice(tmp_path: Path) -> None:
    generate(tmp_path, 1, 100)
    (tmp_path / "zmumu-2.json").write_bytes((tmp_path / "zmumu-1.json").read_bytes())
    done = subprocess.run(
        [*WITHOUT_PACKAGES, str(EXAMPLE / "merge.py")], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "more than once" in done.stderr


def test_the_descriptions_mean_what_the_programs_expect() -> None:
    text = (EXAMPLE / "zmumu.jdl").read_text().replace("@PYTHON@", "/usr/bin/python3").replace("@EVENTS@", "10")
    document = jdl.parse(text)
    work = work_document(document, {"Parameter": 7, "ParameterNumber": 6}, 1)
    arguments = "generate.py --seed 7 --events 10 --output zmumu-7.json --metadata outputs/metadata.json"
    assert work["arguments"] == arguments
    assert work["output_data"] == ["zmumu-7.json"]
    merge = (EXAMPLE / "merge.jdl").read_text().replace("@FILES@", '"LFN:/hep/a", "LFN:/hep/b"')
    assert work_document(jdl.parse(merge), None, 2)["input_data"] == ["LFN:/hep/a", "LFN:/hep/b"]


def test_a_generator_says_what_is_in_its_file(tmp_path: Path) -> None:
    generate(tmp_path, 3, 10, "--metadata", "outputs/metadata.json")
    told = json.loads((tmp_path / "outputs" / "metadata.json").read_text())
    assert told == {"zmumu-3.json": {"Seed": 3, "Events": 10}}
