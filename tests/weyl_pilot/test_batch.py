"""What batch systems say of the time that a pilot has left."""

from pathlib import Path

from weyl_pilot.batch import condor_seconds, pbs_seconds, read_ad, seconds_left


def test_without_a_batch_system_nobody_says_anything() -> None:
    assert seconds_left({}) is None
    assert seconds_left({"PBS_WALLTIME": "100"}) is None
    assert seconds_left({"_CONDOR_MACHINE_AD": "/nowhere", "_CONDOR_JOB_AD": ""}) is None


def test_htcondor_says_it_in_its_ads(tmp_path: Path) -> None:
    machine, job = tmp_path / "machine.ad", tmp_path / "job.ad"
    machine.write_text('Name = "slot1@node"\nGLIDEIN_ToDie = 5000\nMaxRuntime = 7200\nStart = (A && B) =?= true\n')
    job.write_text("JobCurrentStartDate = 900\nAllowedExecuteDuration = 3600\n")
    environment = {"_CONDOR_MACHINE_AD": str(machine), "_CONDOR_JOB_AD": str(job)}
    assert read_ad(str(machine)) == {"GLIDEIN_ToDie": 5000, "MaxRuntime": 7200}
    assert condor_seconds(environment, now=1000) == 3500
    assert condor_seconds(environment, now=4900) == -400
    assert seconds_left(environment) == 0
    assert condor_seconds({"_CONDOR_MACHINE_AD": str(machine)}, now=1000) == 4000


def test_torque_says_it_in_the_environment() -> None:
    assert pbs_seconds({"PBS_WALLTIME": "3600", "PBS_JOBID": "1.server"}) == 3600
    assert seconds_left({"PBS_WALLTIME": "3600", "PBS_JOBID": "1.server"}) == 3600
