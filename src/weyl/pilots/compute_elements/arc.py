"""ARC computing elements through their REST interface, versions 1.0 and 1.1."""

import re
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field

from weyl.pilots.compute_elements.arc_description import (
    activity_of,
    describe,
    entries,
    number_of,
    state,
    text_of,
    title_of,
)
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
)
from weyl.remote.credentials import Capability, CredentialKind
from weyl.remote.errors import RemoteError
from weyl.remote.rest import Answer, Peer, Rest, connected, one_by_one

_ID = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}")
VERSIONS = ("1.1", "1.0")
JOBS_A_REQUEST = 100
LINES_OF_LOG = 200
# ARC says this of a token whose issuer it does not trust, and of none at all.
NOT_TRUSTED = "User can't be assigned configuration"


class ArcOptions(BaseModel):
    """`DriverOptions` of an ARC computing element."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    ca: Path | None = Field(None, alias="CA")
    """Certificate authorities: a file, or a directory such as /etc/grid-security/certificates."""
    runtime_environments: list[str] = Field(default_factory=list, alias="RuntimeEnvironments")
    """What ARC is to set up on the node, such as ENV/SINGULARITY."""
    timeout_s: float = Field(300.0, alias="Timeout", gt=0)
    """Seconds for one operation, however many pilots it is about."""


class ArcComputeElement:
    """Sends pilots to ARC. A handle is ARC's own id of the job."""

    def __init__(self, context: DriverContext) -> None:
        if not context.endpoint or not context.endpoint.startswith("https://"):
            raise ValueError("an ARC computing element needs Endpoint: https://HOST:PORT/arex")
        self._endpoint = context.endpoint.rstrip("/")
        self._ce = context.ce
        self._credentials = context.credentials
        self._options = ArcOptions.model_validate(dict(context.options))

    async def submit(self, spec: PilotSpec, copies: Sequence[Copy]) -> Submitted:
        """Describe many copies in one request, then upload what each of them needs; ARC starts it when all is there."""
        if not copies:
            return Submitted()
        if spec.gpus:
            raise DriverError("ARC's job description knows no GPUs: use a queue or a RuntimeEnvironment that has them")
        handles: dict[int, str] = {}
        failures: dict[int, str] = {}
        fed: set[int] = set()
        try:
            async with self._opened(Capability.CREATE) as rest:
                for batch in _batches(range(len(copies))):
                    await self._create(rest, spec, {index: copies[index] for index in batch}, handles, failures)
                failures |= await self._feed(rest, spec, copies, handles, fed)
        except RemoteError as error:
            if not fed:
                raise
            # Pilots that have all their files start whatever happened then; those without theirs never do.
            lost = set(range(len(copies))) - fed - set(failures)
            failures |= dict.fromkeys(lost, str(error))
        return Submitted({index: handles[index] for index in sorted(fed)}, failures)

    async def status(self, handles: Collection[str]) -> dict[str, CEStatus]:
        """Ask for the states in bulk, and for the reasons of those that failed."""
        found = dict.fromkeys(handles, CEStatus(CEState.UNKNOWN, "ARC does not know it"))
        known = [handle for handle in handles if _is_id(handle)]
        if not known:
            return found
        async with self._opened(Capability.READ) as rest:
            for handle, entry in (await self._about(rest, "status", known)).items():
                if text_of(entry.get("status-code")) == "200":
                    found[handle] = state(entry.get("state"))
            failed = [handle for handle in known if found[handle].state is CEState.FAILED]
            for handle, entry in (await self._about(rest, "info", failed)).items():
                if reason := text_of(activity_of(entry).get("Error")):
                    found[handle] = CEStatus(CEState.FAILED, reason)
        return found

    async def cancel(self, handles: Collection[str]) -> dict[str, str | None]:
        """Ask ARC to kill jobs; it does so at the next turn of its own."""
        ended: dict[str, str | None] = dict.fromkeys(handles)
        known = [handle for handle in handles if _is_id(handle)]
        if not known:
            return ended
        async with self._opened(Capability.CANCEL) as rest:
            answers = await self._about(rest, "kill", known)
        for handle in known:
            entry = answers.get(handle, {"reason": "ARC did not say what it did"})
            if text_of(entry.get("status-code")) not in ("200", "202", "404"):
                ended[handle] = text_of(entry.get("reason")) or "ARC refuses and gives no reason"
        return ended

    async def output(self, handle: str) -> Output:
        """Fetch the files of the job, also while it runs, and ARC's own story of it."""
        if not _is_id(handle):
            return Output()
        async with self._opened(Capability.READ) as rest:
            entry = (await self._about(rest, "info", [handle])).get(handle, {})
            activity = activity_of(entry)
            if text_of(entry.get("status-code")) != "200":
                return Output()
            place = f"jobs/{quote(handle, safe='')}"
            log = await rest.tail(f"{place}/diagnose/errors")
            return Output(
                stdout=await rest.tail(f"{place}/session/{quote(text_of(activity.get('StdOut')) or 'stdout.txt')}"),
                stderr=await rest.tail(f"{place}/session/{quote(text_of(activity.get('StdErr')) or 'stderr.txt')}"),
                log=None if log is None else b"\n".join(log.splitlines()[-LINES_OF_LOG:]),
                exit_code=number_of(activity.get("ExitCode")),
            )

    async def cleanup(self, handles: Collection[str]) -> None:
        """Have ARC forget jobs that are over."""
        over = [handle for handle, status in (await self.status(handles)).items() if status.state.is_final]
        if over:
            async with self._opened(Capability.CANCEL) as rest:
                await self._about(rest, "clean", over)

    async def find(self, names: Collection[str]) -> dict[str, str]:
        """Go through all our jobs there: ARC does not search by name."""
        if not names:
            return {}
        found: dict[str, str] = {}
        async with self._opened(Capability.READ) as rest:
            answer, document = await rest.ask_json("GET", "jobs")
            self._accept(answer)
            ids = [str(entry["id"]) for entry in entries(document) if _is_id(entry.get("id"))]
            told = await self._about(rest, "info", ids)
            titles = {handle: text_of(activity_of(entry).get("Name")) for handle, entry in told.items()}
            # Of a job that it took a moment ago ARC has no information yet, but the description that it was sent.
            fresh = [handle for handle in ids if not titles.get(handle)]
            described = await one_by_one(lambda handle: _title(rest, handle), fresh)
            titles |= {handle: title or "" for handle, title in zip(fresh, described, strict=True)}
        wanted = set(names)
        for handle, title in titles.items():
            if title in wanted:
                found[title] = handle
        return found

    async def capacity(self) -> Capacity | None:
        """Read the numbers that the information system publishes."""
        async with self._opened(Capability.READ) as rest:
            answer, document = await rest.ask_json("GET", "info")
            self._accept(answer)
        service = document
        for step in ("Domains", "AdminDomain", "Services", "ComputingService"):
            service = next(iter(entries(service, wanted=step)), {})
        running, waiting = number_of(service.get("RunningJobs")), number_of(service.get("WaitingJobs"))
        if running is None or waiting is None:
            return None
        manager = next(iter(entries(service, wanted="ComputingManager")), {})
        total = number_of(manager.get("TotalSlots"))
        used = sum(number_of(manager.get(kind)) or 0 for kind in ("SlotsUsedByLocalJobs", "SlotsUsedByGridJobs"))
        waiting += number_of(service.get("PreLRMSWaitingJobs")) or 0
        return Capacity(waiting, running, None if total is None else max(0, total - used))

    # -- one connection, several requests -----------------------------------------------------------------------------

    @asynccontextmanager
    async def _opened(self, capability: Capability) -> AsyncIterator[Rest]:
        kinds = (CredentialKind.BEARER_TOKEN, CredentialKind.X509_PROXY)
        credential = await self._credentials.get(self._endpoint, kinds, [capability])
        if credential is None:
            raise DriverError(f"{self._ce} needs Credentials: a token, or an X.509 proxy")
        has_token = credential.kind is CredentialKind.BEARER_TOKEN
        peer = Peer(
            url=f"{self._endpoint}/rest",
            timeout_s=self._options.timeout_s,
            ca=self._options.ca,
            token=credential.text if has_token else None,
            certificate=None if has_token else credential.path,
        )
        async with connected(peer) as rest:
            answer, document = await rest.ask_json("GET", "")
            self._accept(answer)
            offered = document.get("version") if isinstance(document, dict) else None
            offered = offered if isinstance(offered, list) else [offered]
            version = next((version for version in VERSIONS if version in offered), None)
            if version is None:
                raise DriverError(f"{self._endpoint} is no ARC with REST {' or '.join(VERSIONS)}: {answer.words}")
            yield rest.below(version)

    async def _create(
        self,
        rest: Rest,
        spec: PilotSpec,
        copies: Mapping[int, Copy],
        handles: dict[int, str],
        failures: dict[int, str],
    ) -> None:
        """Describe some copies in one request; each is taken, or has a reason why not."""
        answer = await rest.ask(
            "POST",
            "jobs",
            params={"action": "new"},
            content=describe(spec, list(copies.values()), runtime_environments=self._options.runtime_environments),
            headers={"Accept": "application/json", "Content-Type": "application/xml"},
        )
        self._accept(answer)
        created = entries(rest.document(answer))
        if len(created) != len(copies):
            raise DriverError(f"ARC was sent {len(copies)} jobs and answered for {len(created)}: {answer.words}")
        for index, entry in zip(copies, created, strict=True):
            if text_of(entry.get("status-code")) == "201" and _is_id(entry.get("id")):
                handles[index] = str(entry["id"])
            else:
                failures[index] = text_of(entry.get("reason")) or "ARC took no job and gave no reason"

    async def _feed(
        self, rest: Rest, spec: PilotSpec, copies: Sequence[Copy], handles: Mapping[int, str], fed: set[int]
    ) -> dict[int, str]:
        """Upload the files of every job; those that cannot have theirs are taken back."""

        async def upload(index: int) -> str | None:
            for name, content in {**spec.inputs, **copies[index].secrets}.items():
                path = f"jobs/{quote(handles[index], safe='')}/session/{quote(name, safe='')}"
                answer = await rest.ask("PUT", path, content=content)
                if not answer.is_good:
                    return f"ARC does not take the file {name}: {answer.words}"
            fed.add(index)
            return None

        reasons = dict(zip(handles, await one_by_one(upload, handles), strict=True))
        failed = {index: reason for index, reason in reasons.items() if reason is not None}
        hungry = [handles[index] for index in failed]
        for action in ("kill", "clean"):
            await self._about(rest, action, hungry)
        return failed

    async def _about(self, rest: Rest, action: str, handles: Sequence[str]) -> dict[str, Mapping[str, Any]]:
        """Ask one thing about many jobs; jobs that ARC says nothing of are left out."""
        found: dict[str, Mapping[str, Any]] = {}
        for batch in _batches(handles):
            body = {"job": [{"id": handle} for handle in batch]}
            answer, document = await rest.ask_json("POST", "jobs", params={"action": action}, body=body)
            self._accept(answer)
            asked = set(batch)
            found |= {str(entry["id"]): entry for entry in entries(document) if entry.get("id") in asked}
        return found

    def _accept(self, answer: Answer) -> None:
        """Raise what a refusal means."""
        if answer.is_good:
            return
        if answer.status in (401, 403) or NOT_TRUSTED in answer.reason:
            raise DriverError(
                f"{self._ce} does not accept our credentials ({answer.status} {answer.reason}): the token may be"
                " expired, or its issuer, group or subject unknown there"
            )
        raise DriverError(f"{self._endpoint} answers {answer.words}")


async def _title(rest: Rest, handle: str) -> str:
    description = await rest.tail(f"jobs/{quote(handle, safe='')}/diagnose/description") or b""
    return title_of(description.decode(errors="replace"))


def _is_id(handle: object) -> bool:
    return isinstance(handle, str) and _ID.fullmatch(handle) is not None


def _batches(items: Sequence[Any]) -> list[list[Any]]:
    rest = iter(items)
    return list(iter(lambda: list(islice(rest, JOBS_A_REQUEST)), []))
