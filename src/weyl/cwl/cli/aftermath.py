"""Ends the jobs of a runner that was killed: started by its guard, with what the runner had said on stdin."""

import json
import sys
import time
from collections.abc import Mapping
from typing import Any

from weyl.client import environment
from weyl.client.errors import ClientError, Unreachable
from weyl.client.sync import Client, default_store
from weyl.jobs.calls import changes
from weyl.kit.call import Call

PATIENCE_S = 600.0
PAUSE_S = 5.0


def main() -> int:
    """Kill the jobs; a server that is away for a while is waited for. Returns the exit code."""
    state = json.load(sys.stdin)
    environment.load_dotenv()
    deadline = time.monotonic() + PATIENCE_S
    with Client(state.get("url"), default_store(state.get("profile"))) as client:
        while True:
            try:
                jobs = state.get("jobs") or _submitted(client, state)
                client.send(changes.kill(jobs))
                return 0
            except Unreachable:
                if time.monotonic() > deadline:
                    return 1
                time.sleep(PAUSE_S)
            except ClientError:
                # Ended by itself, or never was: refused submissions made nothing.
                return 0


def _submitted(client: Client, state: Mapping[str, Any]) -> list[int]:
    """Return the ids of a submission whose answer nobody has seen: the same request with its key tells them."""
    headers = {"Idempotency-Key": str(state["key"])}
    body = str(state["body"]).encode()
    call: Call[list[dict[str, Any]]] = Call("POST", "/api/jobs/", list[dict[str, Any]], body=body, headers=headers)
    inserted = client.send(call)
    return [int(job["JobID"]) for job in inserted]


if __name__ == "__main__":
    sys.exit(main())
