"""A world for tests of the files of jobs: a directory as storage element, runs of jobs, and what they leave."""

import hashlib
import zlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import sqlalchemy as sa
from tests.infra.app import Application, Installation, config_document

from weyl.file_catalog.queries.of_jobs import select_outputs_of_job
from weyl.jobs.tables import job_descriptions, jobs
from weyl.kit.db import Database

ALPHA, BETA = "LCG.Alpha.org", "LCG.Beta.org"
STAMP, OTHER = "a" * 32, "b" * 32
HOME = "/voa/user/a/alice"


def storage_document(disk: Path, **operations: Any) -> dict[str, Any]:
    """Return a configuration with two directories as storage elements, at two sites."""
    document: dict[str, Any] = config_document()
    document["Resources"]["StorageElements"] = {
        f"{name}-DISK": {
            "Sites": [site],
            "Endpoints": [{"Name": "file", "Protocol": "file", "Path": str(disk / name)}],
        }
        for name, site in (("ALPHA", ALPHA), ("BETA", BETA))
    }
    document["Operations"] = {"Defaults": operations}
    return document


def described(content: bytes, name: str, **more: Any) -> dict[str, Any]:
    """Return what a wrapper says of a file that the payload has left."""
    sums = {"adler32": f"{zlib.adler32(content):08x}", "sha256": hashlib.sha256(content).hexdigest()}
    return {"name": name, "size": len(content), "checksums": sums, **more}


def write(request: Mapping[str, Any], content: bytes) -> None:
    """Write a file as a request says, as the pilot does."""
    assert request["protocol"] == "file"
    temporary = Path(request["temporary"])
    temporary.write_bytes(content)
    temporary.rename(request["path"])


@dataclass
class FilesWorld:
    """An application with storage, and a database with jobs."""

    application: Application
    installation: Installation
    db: Database
    make_jobs: Callable[..., Awaitable[list[int]]]
    disk: Path

    async def run(self, *, stamp: str = STAMP, status: str = "Running", count: int = 1, **attributes: Any) -> list[int]:
        """Return jobs of alice that run at the first site, with these attributes."""
        state = "wanted" if attributes.get("OutputData") else None
        job_ids = await self.make_jobs(count, status=status, pilot=stamp, site=ALPHA, output_state=state)
        async with self.db.transaction() as tx:
            described_by = sa.select(jobs.c.description_id).where(jobs.c.job_id == job_ids[0]).scalar_subquery()
            document = {"Executable": "a", **attributes}
            await tx.execute(
                sa.update(job_descriptions)
                .where(job_descriptions.c.description_id == described_by)
                .values(document=document)
            )
        return job_ids

    def configure(self, **operations: Any) -> None:
        """Let the configuration say something else; an application that starts from then on takes it."""
        self.installation.commit_config(storage_document(self.disk, **operations), "Changed")

    async def call(
        self,
        path: str,
        body: Any = None,
        *,
        method: str = "POST",
        stamp: str = STAMP,
        headers: Mapping[str, str] | None = None,
    ) -> httpx2.Response:
        """Call a route of a job, by default as its payload."""
        job_id = int(path.split("/", maxsplit=1)[0])
        told = headers if headers is not None else self.application.payload(job_id, stamp=stamp)
        return await self.application.client.request(
            method, f"/api/jobs/{path}", json=body if method != "GET" else None, headers=dict(told)
        )

    async def open(self, job_id: int, contents: Mapping[str, bytes], *, stamp: str = STAMP, **more: Any) -> Any:
        """Open the upload of a run and write its files; returns the answer."""
        files = [described(content, name, **more.get(name, {})) for name, content in contents.items()]
        answer = await self.call(f"{job_id}/outputs", {"files": files, "protocols": ["file"]}, stamp=stamp)
        assert answer.status_code == 200, answer.text
        opened = answer.json()
        for name, content in contents.items():
            for target in opened["files"][name]["targets"][:1]:
                write(target["request"], content)
        return opened

    async def commit(self, job_id: int, opened: Mapping[str, Any], *, stamp: str = STAMP) -> httpx2.Response:
        """Commit an upload: each file is at its first target."""
        landed = {name: {"se": each["targets"][0]["se"]} for name, each in opened["files"].items() if each["targets"]}
        return await self.call(f"{job_id}/outputs/{opened['upload_id']}/commit", {"landed": landed}, stamp=stamp)

    async def leave(self, job_id: int, contents: Mapping[str, bytes], *, stamp: str = STAMP, **more: Any) -> Any:
        """Upload and register the output data of a run."""
        opened = await self.open(job_id, contents, stamp=stamp, **more)
        answer = await self.commit(job_id, opened, stamp=stamp)
        assert answer.status_code == 200, answer.text
        assert answer.json()["state"] == "registered", answer.text
        return opened

    async def outputs(self, job_id: int) -> dict[str, tuple[str, int]]:
        """Return what the catalogue has of a job: status and attempt by name."""
        async with self.db.read() as tx:
            return {each.lfn: (each.status, each.attempt) for each in await select_outputs_of_job(tx, job_id)}
