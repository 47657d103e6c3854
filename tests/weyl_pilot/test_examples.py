"""The example of the demo, run by a pilot that a computing element started."""

import json
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.weyl_pilot.stand_in import SECRET, StandIn
from weyl.descriptions import jdl
from weyl.descriptions.work import work_document
from weyl.kit.ids import new_stamp
from weyl.pilots.archive import ARCHIVE_NAME, pilot_archive
from weyl.pilots.compute_elements.driver import CEState, Copy, DriverContext, PilotSpec
from weyl.pilots.compute_elements.local import LocalComputeElement

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "zmumu"
GENERATORS = 4


def work_of(name: str, number: int, **values: str) -> dict[str, object]:
    """The work document of a job of the example."""
    text = (EXAMPLE / name).read_text()
    for placeholder, value in {"PYTHON": sys.executable, "EVENTS": "1000", **values}.items():
        text = text.replace(f"@{placeholder}@", value)
    return work_document(jdl.parse(text), {"Parameter": number, "ParameterNumber": number - 1}, number)


@pytest.mark.system
async def test_generated_merged_and_fitted_by_a_pilot_of_the_local_computing_element(
    server: StandIn, work_dir: Path
) -> None:
    server.settings["payload_software"] = [sys.prefix]
    scripts = {name: server.put_sandbox({name: (EXAMPLE / name).read_bytes()}) for name in ("generate.py", "merge.py")}
    for number in range(1, GENERATORS + 1):
        work = work_of("zmumu.jdl", number)
        # Without storage elements, files go by sandboxes.
        files = {"output_data": [], "output_sandbox": ["std.out", f"zmumu-{number}.json"]}
        server.add(number, **{**work, **files, "input_sandbox": [scripts["generate.py"]]})

    element = LocalComputeElement(DriverContext(site="Here", ce="local", directory=work_dir / "ce"))
    stamp = new_stamp()
    arguments = [ARCHIVE_NAME, "--url", server.url, "--secret-file", "secret", "--cores", "2", "--empty-max", "60"]
    spec = PilotSpec(
        executable=sys.executable,
        arguments=(*arguments, "--long-poll-s", "1", "--max-jobs", str(GENERATORS + 1)),
        inputs={ARCHIVE_NAME: pilot_archive().content},
    )
    submitted = await element.submit(spec, [Copy(stamp, secrets={"secret": SECRET.encode()})])
    handle = submitted.handles[0]
    try:
        server.wait(lambda: all(server.jobs[n].last("Status") == "Done" for n in range(1, GENERATORS + 1)), 120)
        outputs = [server.jobs[number].outputs[0] for number in range(1, GENERATORS + 1)]
        merge = work_of("merge.jdl", 99, FILES="")
        server.add(99, **{**merge, "input_data": [], "input_sandbox": [scripts["merge.py"], *outputs]})
        server.wait(lambda: server.pilot.get("Status"), 60)
    finally:
        await element.cancel([handle])
    assert server.pilot["Status"] == "Done"
    assert stamp in "".join(server.log)
    assert server.jobs[99].last("Status") == "Done", server.output(99)
    found = server.output(99)
    fit = json.loads(found["fit.json"])
    assert fit["histograms"] == GENERATORS
    assert fit["mass_gev"] == pytest.approx(91.19, abs=0.4)
    assert ("Pythia" in fit["generator"] and "not" not in fit["generator"]) is (find_spec("pythia8mc") is not None)
    assert found["zmumu.svg"].startswith(b"<svg")
    status = (await element.status([handle]))[handle]
    assert status.state in (CEState.DONE, CEState.DELETED)
    assert not (work_dir / "ce" / f"weyl-{stamp}" / "work" / "secret").exists()
