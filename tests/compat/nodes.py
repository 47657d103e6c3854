"""A worker node without a pilot program: speaks as a pilot does, so that jobs have run somewhere."""

from dataclasses import dataclass
from uuid import uuid4

import httpx2

from tests.compat.clients import Json, People

SITE, CE = "LCG.Alpha.org", "ce.alpha.org"


@dataclass(frozen=True)
class Pilot:
    """A pilot that has redeemed its secret."""

    stamp: str
    http: httpx2.Client

    def take(self, *, group: str, job_type: str, count: int = 1) -> list[int]:
        """Ask the matcher for jobs of a type that no other test uses; returns their ids."""
        request = {"offer": _offer(group, job_type), "count": count, "wait_s": 10}
        answer = self.http.post("/api/matcher/match", json=request)
        assert answer.status_code == 200, answer.text
        return [job["job_id"] for job in answer.json()["jobs"]]


def start_pilot(people: People, vo: str = "voa") -> Pilot:
    """Make a secret as an administrator does, and redeem it as the pilot does."""
    service = people("alice", vo, "service")
    secret = service.http.post("/api/pilots/secrets", json={"site": SITE, "ce": CE})
    assert secret.status_code == 201, secret.text
    stamp = f"node-{uuid4().hex[:12]}"
    redeemed = service.http.post("/api/pilots/token", json={"secret": secret.json()["secret"], "stamp": stamp})
    assert redeemed.status_code == 200, redeemed.text
    return Pilot(stamp, people.client_with(redeemed.json()["access_token"]))


def _offer(group: str, job_type: str) -> Json:
    return {
        "wall_time": 86_400,
        "cpu_power_db12": 10.0,
        "cpu": {"num_cores": 4, "ram_mb": 8000, "architecture": {"name": "x86_64"}},
        "gpu": {"count": 0},
        "io": {"scratch_mb": 10_000},
        "accept": {"job_types": [job_type], "groups": [group]},
    }
