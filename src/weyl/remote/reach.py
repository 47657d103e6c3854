"""Which way leads to the commands of a system: here, as another user here, or over SSH."""

from pydantic import Field, model_validator

from weyl.remote.credentials import CredentialProvider
from weyl.remote.ssh_command import SSHAddress, SSHOptions
from weyl.remote.ssh_transport import SSHTransport
from weyl.remote.transport import LocalTransport, Transport


class ReachOptions(SSHOptions):
    """What `DriverOptions` may say of where commands run; the base of the options of drivers that run some."""

    run_as: str | None = None
    """The user of this machine that commands run as, by `runuser` for root and by `sudo -n` for others."""
    setup: tuple[str, ...] = ()
    """Lines of shell that come before the commands, such as `module load slurm` or `export SLURM_CONF=/etc/s.conf`."""
    timeout: float = Field(default=60, gt=0)
    """Seconds until commands that do not end are given up."""

    @model_validator(mode="after")
    def _one_source_of_host_keys(self) -> "ReachOptions":
        if self.host_keys and self.known_hosts:
            raise ValueError("HostKeys and KnownHosts exclude each other")
        return self


def open_transport(endpoint: str | None, options: ReachOptions, credentials: CredentialProvider) -> Transport:
    """Return the way to an endpoint: `ssh://user@host:port`, or None for this machine.

    Raises `ValueError` for what cannot be meant.
    """
    if endpoint is None:
        return LocalTransport(options.run_as)
    if options.run_as is not None:
        raise ValueError("RunAs is for commands on this machine; over SSH the user stands in the Endpoint")
    return SSHTransport(SSHAddress.parse(endpoint), options, credentials)
