"""Runs in the Python of Rucio: `boot`, `serve`, or `calls`, which does a step for each line that it reads.

A line is a JSON list: the name of a step and how many files. The answer is a JSON line: seconds of wall.
"""

import json
import sys
import time
from typing import Any

SCOPE, ELEMENTS = "bench", ("BENCH-A", "BENCH-B")
WIDE = {"read": 1, "write": 1, "delete": 1}


def boot() -> None:
    """Make tables and the account root."""
    from rucio.db.sqla.util import build_database, create_base_vo, create_root_account

    build_database()
    create_base_vo()
    create_root_account()


def serve(port: int) -> None:
    """Serve until it is ended."""
    from cheroot.wsgi import Server
    from rucio.web.rest.flaskapi.v1.main import application

    Server(("127.0.0.1", port), application, numthreads=4).start()


class Steps:
    """What is measured, each a call or two of Rucio's own client."""

    def __init__(self) -> None:
        from rucio.client import Client

        self._client = Client()
        self._batches: list[list[dict[str, Any]]] = []
        self._client.add_scope("root", SCOPE)
        for name in ELEMENTS:
            self._client.add_rse(name, deterministic=True)
            protocol = {"hostname": "storage.example", "scheme": "https", "port": 443, "prefix": "/data/"}
            domains = {"lan": WIDE, "wan": {**WIDE, "third_party_copy_read": 1, "third_party_copy_write": 1}}
            self._client.add_protocol(
                name, {**protocol, "impl": "rucio.rse.protocols.webdav.Default", "domains": domains}
            )
            self._client.set_local_account_limit("root", name, -1)

    def register(self, count: int) -> None:
        """Register files with a replica and a checksum each, and two values of metadata."""
        self.replicate(count)
        self.describe(count)

    def replicate(self, count: int) -> None:
        """Register files with a replica and a checksum each."""
        number = len(self._batches)
        batch = [
            {"scope": SCOPE, "name": f"f{number:05}.{index:05}", "bytes": 1000 + index, "adler32": f"{index:08x}"}
            for index in range(count)
        ]
        self._batches.append(batch)
        self._client.add_replicas(ELEMENTS[0], batch)

    def locate(self, count: int) -> None:
        """Ask for the replicas and addresses of files."""
        wanted = [{"scope": SCOPE, "name": each["name"]} for each in self._last(count)]
        found = list(self._client.list_replicas(wanted))
        assert len(found) == count, f"{len(found)} of {count}"
        assert all(each["rses"][ELEMENTS[0]] for each in found)

    def describe(self, count: int) -> None:
        """Set two values of metadata on files."""
        meta = [
            {"scope": SCOPE, "name": each["name"], "meta": {"run": 1200 + index % 100, "particle": "gamma"}}
            for index, each in enumerate(self._last(count))
        ]
        self._client.set_dids_metadata_bulk(meta)

    def _last(self, count: int) -> list[dict[str, Any]]:
        return next(batch for batch in reversed(self._batches) if len(batch) >= count)[:count]


def calls() -> None:
    """Do steps until the input ends."""
    steps = Steps()
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        name, count = json.loads(line)
        began = time.perf_counter()
        getattr(steps, name)(count)
        print(json.dumps(time.perf_counter() - began), flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "boot":
        boot()
    elif sys.argv[1] == "serve":
        serve(int(sys.argv[2]))
    else:
        calls()
