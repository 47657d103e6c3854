"""How OpenSSH is called so that it does what we mean and nothing else: pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from urllib.parse import urlsplit

from pydantic import field_validator

from weyl.config.section import Section

ALIVE_EVERY_S = 10


class SSHOptions(Section):
    """What the configuration may say of the way to a system behind SSH, such as in `DriverOptions`."""

    host_keys: tuple[str, ...] = ()
    """Public keys of the host, as `ssh-keyscan` prints them without the name: `ssh-ed25519 AAAA…`."""
    known_hosts: Path | None = None
    """A file of host keys; without it and `HostKeys` those of this machine and of the worker's user are used."""
    config_file: Path | None = None
    """A configuration of ssh for all that has no option here; none is read otherwise."""
    proxy_jump: str | None = None
    """A host to go through, `ssh://user@gate:port`, with the same credentials."""
    proxy_host_keys: tuple[str, ...] = ()
    """Public keys of that host, beside `HostKeys`."""
    connect_timeout: float = 15
    """Seconds until a host that does not answer is given up."""

    @field_validator("host_keys", "proxy_host_keys")
    @classmethod
    def _are_keys(cls, keys: tuple[str, ...]) -> tuple[str, ...]:
        for key in keys:
            if len(key.split()) < 2 or "\n" in key:
                raise ValueError(f"{key!r} is no public key such as `ssh-ed25519 AAAA…`")
        return keys

    @field_validator("proxy_jump")
    @classmethod
    def _is_address(cls, endpoint: str | None) -> str | None:
        if endpoint is not None:
            SSHAddress.parse(endpoint)
        return endpoint


@dataclass(frozen=True)
class SSHAddress:
    """Where to log in."""

    host: str
    user: str | None = None
    port: int = 22

    @classmethod
    def parse(cls, endpoint: str) -> "SSHAddress":
        """Read `ssh://user@host:port`."""
        parts = urlsplit(endpoint)
        is_plain = not (parts.path.strip("/") or parts.query or parts.fragment or parts.password)
        words = (parts.hostname or "", parts.username or "")
        if parts.scheme != "ssh" or not parts.hostname or not is_plain or any(word.startswith("-") for word in words):
            raise ValueError(f"{endpoint!r} is not of the form ssh://user@host:port")
        return cls(parts.hostname, parts.username, parts.port or 22)

    @property
    def known_name(self) -> str:
        """What the host is called in a file of known hosts."""
        return self.host if self.port == 22 else f"[{self.host}]:{self.port}"

    def words(self) -> list[str]:
        """Return the end of a command of ssh."""
        user = ["-l", self.user] if self.user else []
        return ["-p", str(self.port), *user, "--", self.host]

    def __str__(self) -> str:
        return f"ssh://{f'{self.user}@' if self.user else ''}{self.host}:{self.port}"


def login_command(options: SSHOptions, *, known_hosts: Path | None, identity: Sequence[str], log: Path) -> list[str]:
    """Return the beginning of a command that logs in, through another host if that is configured."""
    words: dict[str, object] = {
        "ConnectTimeout": max(1, round(options.connect_timeout)),
        "ServerAliveInterval": ALIVE_EVERY_S,
        "ServerAliveCountMax": 3,
        "StrictHostKeyChecking": "yes",
        "UpdateHostKeys": "no",
        "IdentitiesOnly": "yes",
        "ForwardAgent": "no",
        "ForwardX11": "no",
        "PermitLocalCommand": "no",
        "NumberOfPasswordPrompts": 1,
        "LogLevel": "ERROR",
    }
    trusted = known_hosts or options.known_hosts
    if trusted is not None:
        words |= {"UserKnownHostsFile": trusted, "GlobalKnownHostsFile": "/dev/null"}
    # In a file, since the process of a connection throws away what a host on the way complains of.
    command = ["ssh", "-F", str(options.config_file or "none"), "-E", str(log)]
    command += [part for name, value in words.items() for part in ("-o", f"{name}={value}")]
    command += identity
    if options.proxy_jump is not None:
        # Spelled out, since `-J` would take neither our key nor our known hosts to the first host.
        gate = [*map(quote, command), "-W", "[%h]:%p", *map(quote, SSHAddress.parse(options.proxy_jump).words())]
        command += ["-o", f"ProxyCommand={' '.join(gate)}"]
    return [*command, "-o", "ClearAllForwardings=yes"]


def known_hosts(address: SSHAddress, options: SSHOptions) -> str:
    """Return the content of a file of known hosts, empty if the configuration gives no keys."""
    lines = [f"{address.known_name} {key}\n" for key in options.host_keys]
    if options.proxy_jump is not None:
        lines += [f"{SSHAddress.parse(options.proxy_jump).known_name} {key}\n" for key in options.proxy_host_keys]
    return "".join(lines)
