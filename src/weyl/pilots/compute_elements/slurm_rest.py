"""Slurm by its REST daemon, with a token of the user that pilots run as."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx2

from weyl.kit import json
from weyl.pilots.compute_elements.driver import Capacity, CEState, CEStatus, DriverError, PilotSpec
from weyl.pilots.compute_elements.far_side import Taken
from weyl.pilots.compute_elements.slurm_words import IDENTITY, minutes, status_of
from weyl.remote.credentials import Capability, CredentialKind, CredentialProvider
from weyl.remote.errors import RemoteError
from weyl.remote.rest import Answer, Peer, Rest, connected, one_by_one

# Refusals that mean that a job is not there, or is over.
_GONE = {2017, 2021}
# A job gets this environment and what Slurm adds; without any, Slurm refuses it.
_ENVIRONMENT = ["PATH=/usr/local/bin:/usr/bin:/bin"]
# The pilot's own program lies in its place.
_SCRIPT = '#!/bin/sh\nexec /bin/sh "$1/job.sh" "$1"\n'
SUBMISSION_S = 0.5
"""What one more pilot adds to the time that a submission may take."""
REFUSALS_MAX = 3


class SlurmRest:
    """Slurm as a program sees it. A job is submitted by a request of its own: there is no other way."""

    identity = IDENTITY

    def __init__(
        self,
        peer: Peer,
        credentials: CredentialProvider,
        *,
        version: str,
        user: str,
        extra: Mapping[str, Any],
        partitions: Mapping[str, str],
    ) -> None:
        self._peer = peer
        self._credentials = credentials
        self._path = f"slurm/{version}"
        self._user = user
        self._extra = extra
        self._partitions = partitions

    async def submit(self, spec: PilotSpec, base: str, names: Sequence[str]) -> Taken:
        """Submit some at a time; when some in a row are refused, the others are not tried."""
        ids: dict[str, str] = {}
        refusals: dict[str, str] = {}
        asked: set[str] = set()

        async def send(name: str) -> str | None:
            if len(refusals) >= REFUSALS_MAX:
                refusals[name] = next(iter(refusals.values()))
                return None
            asked.add(name)
            answer, document = await rest.ask_json(
                "POST", "job/submit", body=self._job(spec, base, name), headers=headers
            )
            if isinstance(document, dict) and document.get("job_id"):
                ids[name] = str(document["job_id"])
            else:
                refusals[name] = _words(answer)
            return None

        async def try_to_send(name: str) -> str | None:
            try:
                return await send(name)
            except RemoteError as error:
                # The request may have arrived, and its answer been lost; not if there was no connection.
                if isinstance(error.__cause__, httpx2.ConnectError | httpx2.ConnectTimeout):
                    refusals[name] = str(error)
                return str(error)

        faults: Mapping[str, str | None] = {}
        try:
            async with self._open(Capability.CREATE, extra_s=SUBMISSION_S * len(names)) as (rest, headers):
                faults = dict(zip(names, await one_by_one(try_to_send, names), strict=True))
        except RemoteError as error:
            if not asked:
                raise
            faults = dict.fromkeys(asked, str(error))
        doubts = {name: fault for name, fault in faults.items() if fault and name not in ids and name not in refusals}
        return Taken(ids, refusals, doubts)

    async def states(self, ids: Mapping[str, str]) -> dict[str, CEStatus]:
        """Ask for the states of all jobs, which are few bytes each."""
        async with self._open(Capability.READ) as (rest, headers):
            jobs = await _jobs(rest, "jobs/state/", headers)
        found = {str(job.get("job_id")): _state(job) for job in jobs}
        return {name: found[id_] for name, id_ in ids.items() if id_ in found}

    async def cancel(self, ids: Mapping[str, str]) -> dict[str, str]:
        """Cancel in one request; what is not there any more, or is over, is as good as cancelled."""
        names = {id_: name for name, id_ in ids.items() if id_.isdecimal()}
        if not names:
            return {}
        async with self._open(Capability.CANCEL) as (rest, headers):
            body = {"jobs": list(names)}
            answer, document = await rest.ask_json("DELETE", "jobs/", body=body, headers=headers)
        if not isinstance(document, dict):
            raise DriverError(_words(answer))
        kept = {}
        for entry in document.get("status") or ():
            fault = entry.get("error") or {}
            id_ = str(entry.get("step_id", "")).partition(".")[0]
            if fault.get("code") and fault["code"] not in _GONE and id_ in names:
                kept[names[id_]] = str(fault.get("string") or fault)
        return kept

    async def find(self, names: Collection[str]) -> dict[str, str]:
        """Look for the names among all jobs."""
        wanted = set(names)
        return {job["name"]: str(job["job_id"]) for job in await self._own_jobs() if job.get("name") in wanted}

    async def capacity(self) -> Capacity | None:
        """Count the user's jobs."""
        states = [_state(job, "job_state").state for job in await self._own_jobs()]
        return Capacity(waiting=states.count(CEState.WAITING), running=states.count(CEState.RUNNING))

    async def _own_jobs(self) -> list[dict[str, Any]]:
        async with self._open(Capability.READ) as (rest, headers):
            jobs = await _jobs(rest, "jobs/", headers)
        return [job for job in jobs if job.get("user_name") == self._user]

    @asynccontextmanager
    async def _open(self, capability: Capability, *, extra_s: float = 0) -> AsyncIterator[tuple[Rest, dict[str, str]]]:
        token = await self._credentials.get(self._peer.url, (CredentialKind.BEARER_TOKEN,), {capability})
        if token is None:
            raise DriverError(f"{self._peer.url} needs a token of Slurm, in the file `token` of its Credentials")
        headers = {"X-SLURM-USER-NAME": self._user, "X-SLURM-USER-TOKEN": token.text}
        peer = Peer(self._peer.url, self._peer.timeout_s + extra_s, ca=self._peer.ca)
        async with connected(peer) as rest:
            yield rest.below(self._path), headers

    def _job(self, spec: PilotSpec, base: str, name: str) -> dict[str, Any]:
        place = f"{base}/{name}"
        demands: dict[str, Any] = {
            "name": name,
            "nodes": "1",
            "tasks": 1,
            "cpus_per_task": spec.cores,
            "partition": self._partitions.get(spec.queue, spec.queue) if spec.queue else None,
            "memory_per_node": {"set": True, "number": spec.memory_mb} if spec.memory_mb else None,
            "time_limit": {"set": True, "number": minutes(spec)} if spec.wall_s else None,
            "tres_per_node": f"gres/gpu:{spec.gpus}" if spec.gpus else None,
            # A pilot whose node died must not start again: its secret has been used.
            "requeue": False,
            "environment": _ENVIRONMENT,
            "current_working_directory": place,
            "standard_output": f"{place}/log.txt",
            "argv": ["pilot", place],
            "script": _SCRIPT,
        }
        return {"job": {**{key: value for key, value in demands.items() if value is not None}, **self._extra}}


async def _jobs(rest: Rest, path: str, headers: Mapping[str, str]) -> list[dict[str, Any]]:
    answer, document = await rest.ask_json("GET", path, headers=headers)
    jobs = document.get("jobs") if isinstance(document, dict) else None
    if not isinstance(jobs, list):
        raise DriverError(_words(answer))
    return [job for job in jobs if isinstance(job, dict)]


def _state(job: Mapping[str, Any], key: str = "state") -> CEStatus:
    words = job.get(key)
    return status_of([str(word) for word in words] if isinstance(words, list) else [str(words)])


def _words(answer: Answer) -> str:
    """Return what Slurm says of a fault; it says more than its status."""
    try:
        faults = json.loads(answer.content)["errors"]
        said = [f"{fault['error']}: {fault['description']}" for fault in faults]
    except (ValueError, LookupError, TypeError):
        said = []
    return f"slurmrestd: {'; '.join(said) or answer.words}"[:500]
