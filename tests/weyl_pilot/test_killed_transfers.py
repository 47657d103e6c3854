"""`kill -9` of a pilot at each step of its files: nothing says Done, and nothing is half registered."""

import pytest

from tests.infra.waiting import await_that
from tests.weyl_pilot.conftest import Start
from tests.weyl_pilot.elements import Catalogue, Elements, Fault
from tests.weyl_pilot.stand_in import StandIn

pytestmark = [pytest.mark.system, pytest.mark.long]

STEPS = ["asked", "input", "payload", "opened", "output", "landed", "committed"]


@pytest.mark.parametrize("step", STEPS)
def test_a_pilot_killed_at_a_step_leaves_all_or_nothing(
    server: StandIn, start: Start, catalogue: Catalogue, elements: Elements, step: str
) -> None:
    catalogue.add("/vo/a", b"content" * 1000)
    catalogue.holds = {step}
    if step in ("asked", "input"):
        elements.faults["/NEAR/vo/a"] = [Fault("stall", 10)]
    if step == "output":
        elements.faults["/NEAR/vo/out/b1"] = [Fault("hold")]
    nap = "sleep 60" if step == "payload" else "true"
    script = f"-c 'for n in 0 1 2; do cp a b$n; done; {nap}'"
    job = server.add(
        1, executable="/bin/sh", arguments=script, input_data=["/vo/a"], wants_inputs=True, output_data=["b*"]
    )
    pilot = start()

    def is_there() -> bool:
        asked = {path for _, path, _ in elements.requests}
        return {
            "asked": any(path.startswith("/api/jobs/1/inputs") for _, path in server.requests),
            "input": "/NEAR/vo/a" in asked,
            "payload": "Application" in job.minors(),
            "output": "/NEAR/vo/out/b1" in asked,
        }.get(step, catalogue.at == step)

    await_that(is_there, f"the pilot at {step}")
    pilot.kill()
    pilot.communicate(timeout=30)
    assert "Done" not in {update.get("Status") for _, update in job.states}
    is_registered = step == "committed"
    assert set(catalogue.registered) == ({f"/vo/out/b{number}" for number in range(3)} if is_registered else set())
