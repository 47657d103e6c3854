"""How long the batch system lets the pilot live, in the words of each."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Dict, List, Mapping, Optional

from weyl_pilot.probe import batch_seconds_left


def seconds_left(environment: Mapping[str, str]) -> Optional[int]:
    """The least that any source says; None where there is none to ask."""
    found = [batch_seconds_left(environment), condor_seconds(environment, now=time.time()), pbs_seconds(environment)]
    known = [seconds for seconds in found if seconds is not None]
    return max(0, min(known)) if known else None


def condor_seconds(environment: Mapping[str, str], *, now: float) -> Optional[int]:
    """HTCondor's ads of machine and job, which lie beside the job."""
    machine = read_ad(environment.get("_CONDOR_MACHINE_AD"))
    job = read_ad(environment.get("_CONDOR_JOB_AD"))
    limits: List[float] = []
    for ad, name in ((machine, "GLIDEIN_ToDie"), (machine, "GLIDEIN_ToRetire")):
        if name in ad:
            limits.append(ad[name] - now)
    started = job.get("JobCurrentStartExecutingDate", job.get("JobCurrentStartDate", now))
    for ad, name in ((machine, "MaxRuntime"), (job, "AllowedExecuteDuration"), (job, "AllowedJobDuration")):
        if ad.get(name, 0) > 0:
            limits.append(ad[name] - (now - started))
    return int(min(limits)) if limits else None


def read_ad(path: Optional[str]) -> Dict[str, float]:
    """The attributes of an ad that are plain numbers; nothing of an ad that is not there."""
    found: Dict[str, float] = {}
    if not path:
        return found
    try:
        lines = Path(path).read_text(errors="replace").splitlines()
    except OSError:
        return found
    for line in lines:
        name, _, value = line.partition("=")
        try:
            found[name.strip()] = float(value)
        except ValueError:
            continue  # a text or an expression
    return found


def pbs_seconds(environment: Mapping[str, str]) -> Optional[int]:
    """Torque tells the limit, and the pilot is the first thing that runs under it."""
    value = environment.get("PBS_WALLTIME", "")
    return int(value) if value.isdigit() and "PBS_JOBID" in environment else None
