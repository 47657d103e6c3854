"""Kubernetes: a Job for each pilot, through the API that every cluster has. Tested against an imitation of that API."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import islice
from typing import Any
from urllib.parse import quote

from weyl.kit.clock import utcnow
from weyl.pilots.compute_elements import kubernetes_job as objects
from weyl.pilots.compute_elements.driver import (
    Capacity,
    CEState,
    CEStatus,
    Copy,
    DriverContext,
    DriverError,
    Output,
    PilotSpec,
    Submitted,
    job_name,
)
from weyl.remote.credentials import Capability, CredentialKind
from weyl.remote.errors import RemoteError
from weyl.remote.rest import TAIL_BYTES, Answer, Peer, Rest, connected, one_by_one

JOBS_A_QUESTION = 50
PAGE = 500
MERGE_PATCH = "application/merge-patch+json"


class KubernetesComputeElement:
    """Sends pilots to a namespace of a cluster. A handle is the name of a Job."""

    def __init__(self, context: DriverContext) -> None:
        if not context.endpoint or not context.endpoint.startswith(("https://", "http://127.0.0.1:")):
            raise ValueError("a Kubernetes computing element needs Endpoint: https://HOST:PORT of the API server")
        self._options = objects.KubernetesOptions.model_validate(dict(context.options))
        self._endpoint = context.endpoint.rstrip("/")
        self._ce = context.ce
        self._credentials = context.credentials
        namespace = quote(self._options.namespace, safe="")
        self._jobs = f"apis/batch/v1/namespaces/{namespace}/jobs"
        self._core = f"api/v1/namespaces/{namespace}"

    async def submit(self, spec: PilotSpec, copies: Sequence[Copy]) -> Submitted:
        """Make the shared inputs, then for each copy its Job, then the Secret that the Job waits for."""
        if not copies:
            return Submitted()
        shared = objects.config_map(spec)
        reasons: dict[int, str | None] = {}

        async def start(rest: Rest, index: int) -> str | None:
            reasons[index] = "it is not known whether Kubernetes took it"
            reasons[index] = await self._start(rest, spec, copies[index], inputs=objects.name_of(shared))
            return None

        doubt = ""
        try:
            async with self._opened(Capability.CREATE) as rest:
                answer, _ = await rest.ask_json("POST", f"{self._core}/configmaps", body=shared)
                if answer.status != 409:  # the same inputs are there already
                    self._accept(answer)
                faults = await one_by_one(lambda index: start(rest, index), range(len(copies)))
                doubtful = {index: fault for index, fault in enumerate(faults) if fault is not None}
        except RemoteError as error:
            if not reasons:
                raise
            doubt = str(error)
            doubtful = {index: doubt for index, reason in reasons.items() if reason and reason.startswith("it is not")}
        failures = {index: reason for index, reason in reasons.items() if reason is not None and index not in doubtful}
        failures |= {index: doubt for index in range(len(copies)) if index not in reasons}
        taken = [index for index in range(len(copies)) if index not in failures and index not in doubtful]
        return Submitted({index: job_name(copies[index].stamp, spec.name) for index in taken}, failures, doubtful)

    async def status(self, handles: Collection[str]) -> dict[str, CEStatus]:
        """Ask for the Jobs and their pods in bulk."""
        unknown = CEStatus(CEState.UNKNOWN, "there is no such Job")
        if not any(map(objects.is_handle, handles)):
            return dict.fromkeys(handles, unknown)
        async with self._opened(Capability.READ) as rest:
            jobs, pods = await self._look(rest, handles)
        now = utcnow()
        found = {name: objects.judge(job, pods.get(name), now=now) for name, job in jobs.items()}
        return {handle: found.get(handle, unknown) for handle in handles}

    async def cancel(self, handles: Collection[str]) -> dict[str, str | None]:
        """Suspend Jobs, which ends their pods, and mark them: a deleted one could not be told from a lost one."""
        ended: dict[str, str | None] = dict.fromkeys(handles)
        states = await self.status(handles)
        alive = [handle for handle, status in states.items() if self._may_run(status)]
        if not alive:
            return ended
        patch = {"metadata": {"annotations": {objects.CANCELLED: "true"}}, "spec": {"suspend": True}}

        async def suspend(rest: Rest, handle: str) -> str | None:
            answer, _ = await rest.ask_json(
                "PATCH", f"{self._jobs}/{handle}", body=patch, headers={"Content-Type": MERGE_PATCH}
            )
            return None if answer.is_good or answer.status == 404 else f"Kubernetes answers {answer.words}"

        async with self._opened(Capability.CANCEL) as rest:
            reasons = await one_by_one(lambda handle: suspend(rest, handle), alive)
        return ended | dict(zip(alive, reasons, strict=True))

    async def output(self, handle: str) -> Output:
        """Fetch the log of the pod, in which stdout and stderr are one."""
        if not objects.is_handle(handle):
            return Output()
        async with self._opened(Capability.READ) as rest:
            jobs, pods = await self._look(rest, [handle])
            pod = pods.get(handle)
            if pod is None or handle not in jobs:  # a deleted Job's pod goes a little later
                return Output()
            path = f"{self._core}/pods/{quote(objects.name_of(pod), safe='')}/log"
            params = {"container": objects.CONTAINER, "limitBytes": str(64 * TAIL_BYTES), "tailLines": "20000"}
            answer = await rest.ask("GET", path, params=params)
        code = objects.exit_code(pod)
        # A pod that has not started has no log, and 400 is how that is said.
        return Output(stdout=answer.content[-TAIL_BYTES:] if answer.is_good else None, exit_code=code)

    async def cleanup(self, handles: Collection[str]) -> None:
        """Delete Jobs that are over, and with them their Secrets and pods."""
        over = [handle for handle, status in (await self.status(handles)).items() if status.state.is_final]

        async def delete(rest: Rest, handle: str) -> str | None:
            body = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
            answer, _ = await rest.ask_json("DELETE", f"{self._jobs}/{handle}", body=body)
            return None if answer.is_good or answer.status == 404 else f"{handle} cannot be deleted: {answer.words}"

        if over:
            async with self._opened(Capability.CANCEL) as rest:
                reasons = await one_by_one(lambda handle: delete(rest, handle), over)
            if reason := next(filter(None, reasons), None):
                raise DriverError(reason)

    async def find(self, names: Collection[str]) -> dict[str, str]:
        """Look for Jobs, whose names are those of the pilots."""
        if not any(map(objects.is_handle, names)):
            return {}
        async with self._opened(Capability.READ) as rest:
            jobs, _ = await self._look(rest, names)
        return {name: name for name in jobs}

    async def capacity(self) -> Capacity | None:
        """Count our own pods; how much room a cluster has is not for a tenant to know."""
        async with self._opened(Capability.READ) as rest:
            pods = await self._list(rest, f"{self._core}/pods", f"{objects.MANAGED}=weyl")
        phases = [str((pod.get("status") or {}).get("phase")) for pod in pods]
        return Capacity(phases.count("Pending"), phases.count("Running"))

    # -- one connection, several requests -----------------------------------------------------------------------------

    async def _start(self, rest: Rest, spec: PilotSpec, copy: Copy, *, inputs: str) -> str | None:
        """Make a Job and its Secret; returns why there is none."""
        body = objects.job(spec, copy, self._options, inputs=inputs)
        name = objects.name_of(body)
        answer, made = await rest.ask_json("POST", self._jobs, body=body)
        if not answer.is_good:
            return self._meaning(answer)
        uid = (made or {}).get("metadata", {}).get("uid") if isinstance(made, dict) else None
        if not copy.secrets:
            return None
        answer, _ = await rest.ask_json(
            "POST", f"{self._core}/secrets", body=objects.secret(copy, name=name, job_uid=str(uid))
        )
        if answer.is_good:
            return None
        await rest.ask_json("DELETE", f"{self._jobs}/{name}?propagationPolicy=Background")
        return self._meaning(answer)

    async def _look(
        self, rest: Rest, handles: Collection[str]
    ) -> tuple[dict[str, Mapping[str, Any]], dict[str, Mapping[str, Any]]]:
        """Return Jobs by name, and their pods by the Job's name."""
        jobs: dict[str, Mapping[str, Any]] = {}
        pods: dict[str, Mapping[str, Any]] = {}
        wanted = {handle for handle in handles if objects.is_handle(handle)}
        items = iter(sorted(wanted))
        for batch in iter(lambda: list(islice(items, JOBS_A_QUESTION)), []):
            # The name begins with a prefix that never changes within a call; the label has the rest of it.
            stamps = ",".join(name.partition("-")[2] or name for name in batch)
            selector = f"{objects.MANAGED}=weyl,{objects.STAMP} in ({stamps})"
            found, made = await asyncio.gather(
                self._list(rest, self._jobs, selector), self._list(rest, f"{self._core}/pods", selector)
            )
            jobs |= {objects.name_of(job): job for job in found}
            pods |= {objects.job_of(pod): pod for pod in made}
        return {name: job for name, job in jobs.items() if name in wanted}, pods

    async def _list(self, rest: Rest, path: str, selector: str) -> list[Mapping[str, Any]]:
        found: list[Mapping[str, Any]] = []
        params = {"labelSelector": selector, "limit": str(PAGE)}
        while True:
            answer, document = await rest.ask_json("GET", path, params=params)
            self._accept(answer)
            items = document.get("items") if isinstance(document, dict) else None
            if not isinstance(items, list):
                raise DriverError(f"{self._endpoint} answers no list: {answer.words}")
            found += [item for item in items if isinstance(item, dict)]
            following = (document.get("metadata") or {}).get("continue")
            if not following:
                return found
            params["continue"] = str(following)

    @asynccontextmanager
    async def _opened(self, capability: Capability) -> AsyncIterator[Rest]:
        kinds = (CredentialKind.BEARER_TOKEN, CredentialKind.X509_PROXY)
        credential = await self._credentials.get(self._endpoint, kinds, [capability])
        if credential is None:
            raise DriverError(f"{self._ce} needs Credentials: the token of a service account, or a client certificate")
        has_token = credential.kind is CredentialKind.BEARER_TOKEN
        peer = Peer(
            url=self._endpoint,
            timeout_s=self._options.timeout,
            ca=self._options.ca,
            token=credential.text if has_token else None,
            certificate=None if has_token else credential.path,
        )
        async with connected(peer) as rest:
            yield rest

    def _accept(self, answer: Answer) -> None:
        if not answer.is_good:
            raise DriverError(self._meaning(answer))

    def _meaning(self, answer: Answer) -> str:
        if answer.status == 401:
            return f"{self._ce} does not accept our credentials (401): the token may be expired, or of another cluster"
        if answer.status == 403:
            return f"{self._ce} does not allow this in the namespace {self._options.namespace}: {answer.words}"
        return f"{self._endpoint} answers {answer.words}"

    @staticmethod
    def _may_run(status: CEStatus) -> bool:
        # One that was given up, since its image is missing, would start once somebody pushes the image.
        return status.state in (CEState.WAITING, CEState.RUNNING, CEState.ABORTED)
