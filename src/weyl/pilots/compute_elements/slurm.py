"""Slurm, by its commands here or behind SSH, or by its REST API."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from weyl.pilots.compute_elements.driver import ComputeElementDriver, DriverContext
from weyl.pilots.compute_elements.far_side import FarSide, PlaceOptions, Scheduler
from weyl.pilots.compute_elements.slurm_cli import SlurmCommands
from weyl.pilots.compute_elements.slurm_rest import SlurmRest
from weyl.remote.reach import open_transport
from weyl.remote.rest import Peer


class SlurmOptions(PlaceOptions):
    """`DriverOptions` of a Slurm."""

    api: Literal["cli", "rest"] = "cli"
    """`cli`: sbatch, squeue and scancel, here or behind the `ssh://` Endpoint; `rest`: slurmrestd at the Endpoint."""
    partitions: dict[str, str] = Field(default_factory=dict)
    """The partition of a queue, where its name is another."""
    arguments: tuple[str, ...] = ()
    """More arguments of sbatch, such as `--account=hep`."""
    api_version: str = Field("v0.0.42", pattern=r"^v\d+\.\d+\.\d+$")
    """Version of the REST API."""
    user: str | None = None
    """The user that the token of the REST API is for."""
    ca: Path | None = Field(None, alias="CA")
    """A file or directory of the authorities that the REST API is trusted by; this machine's if not set."""
    job: dict[str, Any] = Field(default_factory=dict)
    """More properties of a job in the REST API, such as `{account: hep}`."""
    files: str | None = None
    """Where the pilots' directories are reached, `ssh://user@host`, if Slurm is spoken to by REST and this machine does
    not share its file system."""


def slurm_element(context: DriverContext) -> ComputeElementDriver:
    """Return the driver of `Driver: slurm`."""
    options = SlurmOptions.model_validate(dict(context.options))
    scheduler: Scheduler
    if options.api == "rest":
        if context.endpoint is None or options.user is None:
            raise ValueError(
                "Slurm's REST API needs an Endpoint, https://host:6820, and the User that its token is for"
            )
        transport = open_transport(options.files, options, context.credentials)
        scheduler = SlurmRest(
            Peer(context.endpoint, options.timeout, ca=options.ca),
            context.credentials,
            version=options.api_version,
            user=options.user,
            extra=options.job,
            partitions=options.partitions,
        )
    else:
        transport = open_transport(context.endpoint, options, context.credentials)
        scheduler = SlurmCommands(
            transport,
            setup=options.setup,
            arguments=options.arguments,
            partitions=options.partitions,
            timeout_s=options.timeout,
        )
    return FarSide(transport, scheduler, options)
