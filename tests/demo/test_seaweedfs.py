"""An S3 store of our own: checks its keys, keeps its objects, and leaves neither process nor socket."""

import os
import select
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from weyl.demo.processes import owns_port
from weyl.demo.seaweedfs import SOCKET_DIRECTORY, start_seaweedfs

CHILD = """
import signal, sys
from pathlib import Path
from weyl.demo.seaweedfs import start_seaweedfs
running = start_seaweedfs(Path(sys.argv[1]))
print(running.pid, running.sweeper.pid, running.endpoint_url.rpartition(":")[2], flush=True)
signal.pause()
"""


def _sockets_of(port: int) -> list[Path]:
    return list(SOCKET_DIRECTORY.glob(f"seaweedfs-*-{port}.sock"))


def test_the_store_refuses_anonymous_requests_and_leaves_nothing(tmp_path: Path) -> None:
    with start_seaweedfs(tmp_path) as store:
        address, _, port = store.endpoint_url.removeprefix("http://").partition(":")
        assert owns_port(store.pid, address, int(port))
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(store.endpoint_url)
        with refused.value as answer:
            assert answer.code == 403
        assert tmp_path.stat().st_mode & 0o777 == 0o700
        for name in ("identities.json", "inner-key.pem"):
            assert (tmp_path / name).stat().st_mode & 0o777 == 0o600
        assert _sockets_of(int(port))
    assert store.process.returncode == -signal.SIGKILL
    assert not _sockets_of(int(port))


def test_a_parent_that_is_killed_takes_the_store_along(tmp_path: Path) -> None:
    parent = subprocess.Popen([sys.executable, "-c", CHILD, tmp_path], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    with parent.stdout:
        server, sweeper, port = (int(word) for word in parent.stdout.readline().split())
    descriptors = [os.pidfd_open(server), os.pidfd_open(sweeper)]
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    for descriptor in descriptors:
        assert select.select([descriptor], [], [], 20)[0]
        os.close(descriptor)
    assert not _sockets_of(port)
