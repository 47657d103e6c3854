"""Computing elements behind SSH: one machine, or the batch system that is commanded from it."""

from typing import Literal

from pydantic import Field

from weyl.pilots.compute_elements.direct import DirectScheduler
from weyl.pilots.compute_elements.driver import ComputeElementDriver, DriverContext
from weyl.pilots.compute_elements.far_side import FarSide, PlaceOptions
from weyl.pilots.compute_elements.reach import open_transport


class DirectOptions(PlaceOptions):
    """`DriverOptions` of a machine without a batch system."""

    scheduler: Literal["direct"] = "direct"
    running_max: int | None = Field(None, ge=1)
    """Pilots side by side; more are refused, since nothing there would start them later."""


def ssh_element(context: DriverContext) -> ComputeElementDriver:
    """Return the driver of `Driver: ssh`; `Scheduler` says what is on the far side: direct, slurm or htcondor."""
    if context.endpoint is None:
        raise ValueError("Driver ssh needs an Endpoint: ssh://user@host:port")
    options = DirectOptions.model_validate(dict(context.options))
    transport = open_transport(context.endpoint, options, context.credentials)
    scheduler = DirectScheduler(
        transport, directory=options.directory, running_max=options.running_max, timeout_s=options.timeout
    )
    return FarSide(transport, scheduler, options)
