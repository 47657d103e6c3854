"""The way over SSH: who is not let in, who is not believed, and what is done about lost and garbled answers."""

import asyncio
import os
import secrets
import shutil
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
import pytest

from tests.grid.contract import Grid, copies
from tests.grid.daemons import run
from tests.grid.site import GridSite
from weyl.pilots.compute_elements.driver import CEState
from weyl.remote.credential_files import credentials_of
from weyl.remote.errors import OutcomeUnknown, RemoteError
from weyl.remote.ssh_command import SSHAddress, SSHOptions
from weyl.remote.ssh_transport import SSHTransport, Trouble, private_directory
from weyl.remote.transport import LocalTransport, Transport

pytestmark = [pytest.mark.xdist_group("grid-ssh"), pytest.mark.timeout(200)]

TIMEOUT_S = 30.0
OTHER_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMwMzjnq1u+7IqH0dLJbFh3v4u4b0mUX1pCM9sB0yWzK"


@pytest.fixture
def site(start_system: Callable[[str], GridSite]) -> GridSite:
    """A machine behind SSH."""
    return start_system("ssh")


@dataclass(frozen=True)
class Way:
    """How to get to that machine, with changes."""

    site: GridSite

    def open(self, *, credentials: Path | None = None, **changes: object) -> SSHTransport:
        """Return a transport of its own connection: unlike options make unlike connections."""
        options = {"HostKeys": tuple(self.site.element["DriverOptions"]["HostKeys"]), **changes}
        directory = credentials or self.site.credentials
        return SSHTransport(
            SSHAddress.parse(self.site.element["Endpoint"]),
            SSHOptions.model_validate(options),
            credentials_of(directory, self.site.element["Credentials"]),
        )


@pytest.fixture
def way(site: GridSite) -> Way:
    """The way to that machine."""
    return Way(site)


def masters(way: Way) -> set[int]:
    """Return the processes that hold connections of ours to that machine; other tests have theirs to others."""
    directory, port = str(private_directory()), str(SSHAddress.parse(way.site.element["Endpoint"]).port)
    found = set()
    for process in psutil.process_iter(["cmdline", "name"]):
        words = process.info["cmdline"] or []
        if process.info["name"] == "ssh" and port in words and directory in " ".join(words):
            found.add(process.pid)
    return found


@pytest.mark.parametrize("shell", ["sh", "ssh"])
async def test_scripts_get_arguments_and_data_as_they_are(way: Way, shell: str) -> None:
    transport: Transport = LocalTransport("weyltest") if shell == "sh" else way.open()
    data = bytes(range(256)) * 100
    finished = await transport.run(
        'printf "%s|" "$#" "$@"; echo; id -un; cat; echo oh >&2; exit 7',
        "",
        "two words",
        'it\'s $HOME `id` \\ "quoted"',
        "line\nbreak",
        stdin=data,
        timeout_s=TIMEOUT_S,
    )
    head = b'4||two words|it\'s $HOME `id` \\ "quoted"|line\nbreak|\nweyltest\n'
    assert finished.out == head + data
    assert (finished.code, finished.complaint) == (7, "oh")


async def test_a_host_with_another_key_is_not_spoken_to(way: Way) -> None:
    with pytest.raises(RemoteError, match=r"(?i)host key"):
        await way.open(HostKeys=(OTHER_KEY,)).run("id", timeout_s=TIMEOUT_S)


async def test_a_host_whose_key_nobody_gave_is_not_spoken_to(way: Way, tmp_path: Path) -> None:
    (tmp_path / "known").write_text("")
    with pytest.raises(RemoteError, match=r"(?i)host key"):
        await way.open(HostKeys=(), KnownHosts=tmp_path / "known").run("id", timeout_s=TIMEOUT_S)


async def test_a_key_that_is_not_welcome_is_told_and_the_host_left_alone_for_a_while(way: Way, tmp_path: Path) -> None:
    (tmp_path / "ssh").mkdir()
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "ssh" / "ssh-key")
    transport = way.open(credentials=tmp_path)
    with pytest.raises(RemoteError, match="Permission denied"):
        await transport.run("id", timeout_s=TIMEOUT_S)
    with pytest.raises(RemoteError, match="Permission denied"):
        await transport.run("id", timeout_s=TIMEOUT_S)
    # The welcome key, put into the same place, is used at once: it makes a connection of its own.
    assert way.site.credentials is not None
    shutil.copy(way.site.credentials / "ssh" / "ssh-key", tmp_path / "ssh" / "ssh-key")
    assert (await transport.run("id -un", timeout_s=TIMEOUT_S)).out == b"weyltest\n"


async def test_a_host_is_reached_through_another_whose_key_is_checked_too(way: Way) -> None:
    endpoint, keys = way.site.element["Endpoint"], way.site.element["DriverOptions"]["HostKeys"]
    gate = endpoint.replace("127.0.0.1", "localhost")
    with pytest.raises(RemoteError, match=r"(?i)host key"):
        await way.open(ProxyJump=gate, ProxyHostKeys=(OTHER_KEY,)).run("id -un", timeout_s=TIMEOUT_S)
    transport = way.open(ProxyJump=gate, ProxyHostKeys=tuple(keys))
    assert (await transport.run("id -un", timeout_s=TIMEOUT_S)).out == b"weyltest\n"


async def test_a_password_does_where_a_site_has_nothing_better(way: Way, tmp_path: Path) -> None:
    password = secrets.token_urlsafe(24)
    subprocess.run(["chpasswd"], input=f"weyltest:{password}".encode(), check=True)
    (tmp_path / "ssh").mkdir()
    file = tmp_path / "ssh" / "password"
    for content in ("not-that-one", password):
        file.write_text(f"{content}\n")
        file.chmod(0o600)
        transport = way.open(credentials=tmp_path)
        if content == password:
            assert (await transport.run("id -un", timeout_s=TIMEOUT_S)).out == b"weyltest\n"
        else:
            with pytest.raises(RemoteError, match="Permission denied"):
                await transport.run("id -un", timeout_s=TIMEOUT_S)


async def test_no_secret_stays_behind(way: Way) -> None:
    await way.open().run("true", timeout_s=TIMEOUT_S)
    assert list(private_directory().glob("*.secret")) == []
    assert (private_directory().stat().st_mode & 0o777) == 0o700


async def test_what_is_left_of_old_keys_is_forgotten(way: Way) -> None:
    old = [private_directory() / f"{'0' * 24}.{ending}" for ending in ("lock", "log", "hosts")]
    for path in old:
        path.write_text("")
        os.utime(path, (1, 1))
    await way.open(ConnectTimeout=11).run("true", timeout_s=TIMEOUT_S)
    assert not any(path.exists() for path in old)
    assert list(private_directory().glob("*.lock"))


async def test_many_scripts_at_once_share_one_connection_whatever_the_host_allows(way: Way) -> None:
    before = masters(way)
    transport = way.open(ConnectTimeout=14)
    finished = await asyncio.gather(
        *(transport.run("sleep 0.3; echo $1", str(number), timeout_s=60) for number in range(30))
    )
    assert [each.out.decode().strip() for each in finished] == [str(number) for number in range(30)]
    assert len(masters(way) - before) == 1


async def test_a_connection_whose_process_was_killed_is_made_anew(way: Way) -> None:
    before = masters(way)
    transport = way.open(ConnectTimeout=13)
    assert (await transport.run("echo 1", timeout_s=TIMEOUT_S)).out == b"1\n"
    (mine,) = masters(way) - before
    os.kill(mine, signal.SIGKILL)
    assert (await transport.run("echo 2", timeout_s=TIMEOUT_S)).out == b"2\n"


async def test_what_takes_too_long_is_in_doubt_and_the_next_is_not_held_up(way: Way) -> None:
    transport = way.open(ConnectTimeout=12)
    assert (await transport.run("echo 1", timeout_s=TIMEOUT_S)).out == b"1\n"  # the login takes time of its own
    with pytest.raises(OutcomeUnknown, match="No answer within 1 s"):
        await transport.run("sleep 100", timeout_s=1)
    assert (await transport.run("echo 2", timeout_s=TIMEOUT_S)).out == b"2\n"


async def test_a_script_whose_end_is_not_seen_is_in_doubt(way: Way) -> None:
    with pytest.raises(OutcomeUnknown):
        await way.open().run("echo half an answer; kill -9 $$; kill -9 $PPID", timeout_s=TIMEOUT_S)


@pytest.mark.parametrize(
    "endpoint",
    [
        "ssh://",
        "node",
        "https://node",
        "ssh://u:secret@node",
        "ssh://node/path",
        "ssh://-oProxyCommand=x",
        "ssh://-l@h",
    ],
)
def test_what_is_no_address_is_refused(endpoint: str) -> None:
    with pytest.raises(ValueError, match="ssh://"):
        SSHAddress.parse(endpoint)


def is_left_alone(trouble: Trouble) -> bool:
    """Tell whether a host is not to be tried yet."""
    try:
        trouble.demand_pause_is_over("ssh://node")
    except RemoteError:
        return True
    return False


def test_a_host_is_left_alone_for_longer_and_longer(tmp_path: Path) -> None:
    now = 1000.0
    trouble = Trouble(tmp_path / "t", now=lambda: now)
    pauses = []
    for _ in range(8):
        trouble.demand_pause_is_over("ssh://node")
        trouble.note("no route")
        began = now
        while is_left_alone(trouble):
            now += 1
        pauses.append(now - began)
    with pytest.raises(RemoteError, match="left alone for 60 s more: no route"):
        Trouble(trouble.path, now=lambda: now - pauses[-1]).demand_pause_is_over("ssh://node")
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]
    trouble.clear()
    trouble.demand_pause_is_over("ssh://node")


async def test_a_pilot_works_where_scratch_says_and_leaves_nothing_there(site: GridSite) -> None:
    scratch = site.directory / "far side"
    driver = site.make(Directory=str(scratch / "with scratch"), Scratch="/tmp/weyl-scratch-${USER}")
    shutil.rmtree("/tmp/weyl-scratch-weyltest", ignore_errors=True)
    run("runuser", "-u", "weyltest", "--", "mkdir", "/tmp/weyl-scratch-weyltest")
    grid = Grid(site, site.directory)
    spec = replace(grid.spec(), executable="/bin/sh", arguments=("-c", "pwd; cat secret; echo; exit 4"))
    submitted = await driver.submit(spec, copies(1))
    handle = submitted.handles[0]

    async def is_over() -> bool:
        return (await driver.status([handle]))[handle].state.is_final

    await grid.until(is_over)
    output = await driver.output(handle)
    assert output.stdout is not None
    assert output.stdout.decode().startswith("/tmp/weyl-scratch-weyltest/weyl.")
    assert output.stdout.endswith(b"hush-0\n")
    assert output.exit_code == 4
    assert list(Path("/tmp/weyl-scratch-weyltest").iterdir()) == []
    assert (await driver.status([handle]))[handle].state is CEState.FAILED
    await driver.cleanup([handle])
