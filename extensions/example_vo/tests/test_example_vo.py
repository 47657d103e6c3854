"""The extension on its own: the rules of campaigns, and that all of it fits into weyl."""

import asyncio
import json
import os
import subprocess
from importlib.resources import files
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from example_vo.campaigns import MANAGER, may_submit, read_campaign
from example_vo.extension import EXTENSION
from example_vo.nice import NiceComputeElement
from example_vo.section import ExampleVO

from weyl.activation import problems
from weyl.builtin import BUILTIN
from weyl.config.errors import InvalidConfig
from weyl.config.models import with_sections
from weyl.config.source import parse_config
from weyl.kit.errors import Forbidden
from weyl.migrations.migrate import head_revision
from weyl.pilots.compute_elements.driver import CEState, Copy, DriverContext, PilotSpec

CONFIG = """
DIRAC: {}
Registry: {}
Extensions:
  example_vo:
"""


def test_the_extension_fits_into_weyl() -> None:
    assert problems([BUILTIN, EXTENSION]) == []
    assert head_revision(("example_vo", "example_vo:migrations")) == "example_vo_0001"


@pytest.mark.parametrize("value", ["MC26", "mc26"])
def test_a_campaign_is_written_in_capitals(value: str) -> None:
    assert read_campaign(value) == "MC26"


@pytest.mark.parametrize("value", ["26", "MC2026", 26, ["MC26"]])
def test_what_is_no_campaign_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="two letters"):
        read_campaign(value)


def test_the_section_has_defaults_and_names_the_line_of_a_fault() -> None:
    model = with_sections({"example_vo": ExampleVO})
    assert parse_config(CONFIG.replace("example_vo:", "{}"), model).section(ExampleVO).kept_days == 30
    with pytest.raises(InvalidConfig, match=r"line 6: Extensions.example_vo.KeptDays: must be a whole number"):
        parse_config(CONFIG + "    KeptDays: long\n", model)


def test_only_managers_submit_while_campaigns_are_frozen() -> None:
    model = with_sections({"example_vo": ExampleVO})
    frozen = parse_config(CONFIG + "    IsFrozen: true\n", model)

    def asked(*properties: str) -> Any:
        return SimpleNamespace(config=frozen, user=SimpleNamespace(has=lambda name: name in properties))

    may_submit(asked(MANAGER))
    with pytest.raises(Forbidden, match="frozen"):
        may_submit(asked("NormalUser"))


def test_pilots_run_at_the_lowest_priority(tmp_path: Path) -> None:
    driver = NiceComputeElement(DriverContext(site="LCG.Example.org", ce="nice", directory=tmp_path))

    async def output() -> bytes | None:
        submitted = await driver.submit(PilotSpec(executable="nice"), [Copy(stamp="a" * 32)])
        handle = submitted.handles[0]
        for _ in range(400):
            if (await driver.status([handle]))[handle].state is CEState.DONE:
                break
            await asyncio.sleep(0.05)
        return (await driver.output(handle)).stdout

    # `nice` without arguments prints the priority that it runs at.
    assert asyncio.run(output()) == b"19\n"


def test_the_report_tells_how_a_job_ended_and_what_it_left(tmp_path: Path) -> None:
    command = EXTENSION.payload_commands["campaign_report"]
    result, job = tmp_path / "result.json", tmp_path / "job"
    result.write_text('{"status": "permanentFail", "exit_code": 3, "message": ""}')
    job.mkdir()
    (job / "events.txt").write_text("42\n")
    words = [word.format(archive=files("example_vo") / "payload") for word in command.command]
    environ = {**os.environ, "WEYL_JOB_ID": "7", "WEYL_RESULT_FILE": str(result)}
    subprocess.run(words, cwd=job, env=environ, check=True)
    assert json.loads((job / "campaign-report.json").read_text()) == {
        "job": 7,
        "status": "permanentFail",
        "exit_code": 3,
        "files": {"events.txt": 3},
    }
