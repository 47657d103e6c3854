"""Computing elements behind SSH: one machine, or the batch system that is commanded from it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

from pydantic import Field

from weyl.pilots.compute_elements.direct import DirectScheduler
from weyl.pilots.compute_elements.driver import ComputeElementDriver, DriverContext, DriverFactory
from weyl.pilots.compute_elements.far_side import FarSide, PlaceOptions
from weyl.pilots.compute_elements.htcondor import HTCondorComputeElement
from weyl.pilots.compute_elements.slurm import slurm_element
from weyl.remote.reach import open_transport


class DirectOptions(PlaceOptions):
    """`DriverOptions` of a machine without a batch system."""

    scheduler: Literal["direct"] = "direct"
    running_max: int | None = Field(None, ge=1)
    """Pilots side by side; more are refused, since nothing there would start them later."""


def ssh_element(context: DriverContext) -> ComputeElementDriver:
    """Return the driver of `Driver: ssh`; `Scheduler` says what is on the far side."""
    if context.endpoint is None:
        raise ValueError("Driver ssh needs an Endpoint: ssh://user@host:port")
    scheduler = context.options.get("Scheduler", "direct")
    if scheduler in _OTHERS:
        options = {name: value for name, value in context.options.items() if name != "Scheduler"}
        return _OTHERS[str(scheduler)](replace(context, options=options))
    return _direct_element(context)


def _direct_element(context: DriverContext) -> ComputeElementDriver:
    options = DirectOptions.model_validate(dict(context.options))
    transport = open_transport(context.endpoint, options, context.credentials)
    scheduler = DirectScheduler(
        transport, directory=options.directory, running_max=options.running_max, timeout_s=options.timeout
    )
    return FarSide(transport, scheduler, options)


_OTHERS: Mapping[str, DriverFactory] = {"htcondor": HTCondorComputeElement, "slurm": slurm_element}
