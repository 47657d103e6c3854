"""Transfers beside the same bytes bare: addresses, one large file, many small ones, the outputs of a job."""

import asyncio
import itertools
import json
import os
import subprocess
import sys
import time
from argparse import Namespace
from hashlib import sha256
from pathlib import Path
from typing import Any
from zlib import adler32

import httpx2

from tests.bench.data_load import TOP
from tests.bench.data_stack import DISK, S3, DataStack
from tests.bench.statements import log_no_statements, log_statements, statements
from tests.bench.verdicts import ROOT, Report, Sample, alternate, count, limit, times
from weyl.kit.s3_signing import Signer

ADDRESSES, SMALL_FILES, FEW, OUTPUTS = 1_000, 1_000, 10, 50
LARGE_BYTES, SMALL_BYTES, ONE_MB = 1 << 30, 1 << 10, 1 << 20
ADDRESSES_TIMES_MAX, GET_TIMES_MAX, PUT_TIMES_MAX, SMALL_TIMES_MAX, OUTPUTS_TIMES_MAX = 3.0, 1.3, 1.5, 2.0, 3.0
MORE_MB_MAX = 32.0


def measure(report: Report, options: Namespace, stack: DataStack) -> None:
    """Measure each line in turn with its baseline."""
    run = Transfers(stack, stack.stack.files.directory / "bench")
    _large(report, options, run)
    _addresses(report, options, run)
    _small(report, options, run)
    _outputs(report, options, run)


class Transfers:
    """Puts and gets files in processes of their own."""

    def __init__(self, stack: DataStack, directory: Path) -> None:
        self.stack = stack
        self.directory = directory
        self._numbers = itertools.count(time.time_ns())
        directory.mkdir(exist_ok=True)

    def lfn(self) -> str:
        """Return a name that no file has had."""
        return f"{TOP}/transfers/t{next(self._numbers)}"

    def file(self, size: int) -> Path:
        """Return a file of new content."""
        path = self.directory / f"f{next(self._numbers)}"
        with path.open("wb") as file:
            for _ in range(0, size, ONE_MB):
                file.write(os.urandom(min(ONE_MB, size)))
        return path

    def run(self, **order: Any) -> tuple[float, float]:
        """Run a transfer; returns its seconds and the most memory, in MB, that it has had."""
        environment = {**os.environ, "WEYL_URL": self.stack.stack.url}
        environment["WEYL_CREDENTIALS_PATH"] = str(self.stack.credentials)
        done = subprocess.run(
            [sys.executable, "-m", "tests.bench.data_child"],
            input=json.dumps(order),
            env=environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=1_200,
            check=False,
        )
        if done.returncode:
            raise SystemExit(f"a transfer failed: {done.stderr[-2000:]}")
        cost = json.loads(done.stdout)
        return cost["seconds"], cost["mb"]

    def post(self, path: str, body: Any) -> Any:
        """Send a request; returns the answer."""
        answer = self.stack.client.post(path, json=body)
        answer.raise_for_status()
        return answer.json()

    def read_request(self, lfn: str) -> Any:
        """Return the request that reads a file."""
        [told] = self.post("/api/storage/access", {"lfns": [lfn]})["success"].values()
        return told["replicas"][0]["request"]

    def opened(self, contents: dict[str, bytes | Path], se: str) -> Any:
        """Open an upload of files."""
        files = [{"lfn": lfn, **_described(content)} for lfn, content in contents.items()]
        return self.post("/api/storage/uploads", {"files": files, "ses": [se], "protocols": ["file", "s3"]})


def _described(content: bytes | Path) -> dict[str, Any]:
    digest, quick, size = sha256(), 1, 0
    for piece in [content] if isinstance(content, bytes) else _read(content):
        digest.update(piece)
        quick, size = adler32(piece, quick), size + len(piece)
    return {"size": size, "checksums": {"sha256": digest.hexdigest(), "adler32": f"{quick:08x}"}}


def _read(path: Path) -> Any:
    with path.open("rb") as file:
        while piece := file.read(ONE_MB):
            yield piece


def _large(report: Report, options: Namespace, run: Transfers) -> None:
    """Judge wall and memory for one file of a GiB, beside the bare requests."""
    path = run.file(LARGE_BYTES)
    small, here = run.file(ONE_MB), run.directory / "here"
    lfn, small_lfn = run.lfn(), run.lfn()
    run.run(what="put", files={lfn: str(path)}, se=S3)
    run.run(what="put", files={small_lfn: str(small)}, se=S3)
    turns = options.long_alternations

    def bare_put() -> float:
        name = run.lfn()
        opened = run.opened({name: path}, S3)
        [target] = opened["files"][name]["targets"]
        request = target["request"]
        parts = request.get("parts") or [{**request, "offset": 0, "size": LARGE_BYTES}]
        requests = [{"method": request["method"], **part} for part in parts]
        took, _ = run.run(what="bare-put", path=str(path), requests=requests, read=run.read_request(lfn))
        run.stack.client.delete(f"/api/storage/uploads/{opened['upload_id']}").raise_for_status()
        return took

    def bare_get() -> float:
        return run.run(what="bare-get", request=run.read_request(lfn), path=str(here))[0]

    gets = alternate(lambda: run.run(what="get", lfn=lfn, path=str(here))[0], bare_get, turns=turns)
    report.add(times("get of 1 GiB, wall", gets, over="bare GET", of="s", at_most=GET_TIMES_MAX))
    puts = alternate(lambda: run.run(what="put", files={run.lfn(): str(path)}, se=S3)[0], bare_put, turns=turns)
    report.add(times("put of 1 GiB, wall", puts, over="bare PUT and GET", of="s", at_most=PUT_TIMES_MAX))
    for what, large, little in (
        ("get", {"lfn": lfn, "path": str(here)}, {"lfn": small_lfn, "path": str(here)}),
        ("put", {"files": {run.lfn(): str(path)}, "se": S3}, {"files": {run.lfn(): str(small)}, "se": S3}),
    ):
        more = run.run(what=what, **large)[1] - run.run(what=what, **little)[1]
        report.add(limit(f"memory of a {what} of 1 GiB above that of 1 MiB", more, "MB", at_most=MORE_MB_MAX))
    for each in (path, small, here):
        each.unlink(missing_ok=True)


def _addresses(report: Report, options: Namespace, run: Transfers) -> None:
    contents = {run.lfn(): os.urandom(SMALL_BYTES) for _ in range(ADDRESSES)}
    _uploaded(run, contents, S3)
    names = list(contents)
    signer = Signer("access", "secret", region="us-east-1")

    def sign() -> float:
        began = time.perf_counter()
        for name in names:
            signer.presigned("GET", f"http://127.0.0.1:1/bucket{name}", expires_s=1_200)
        return time.perf_counter() - began

    def ask() -> float:
        began = time.perf_counter()
        run.post("/api/storage/access", {"lfns": names})
        return time.perf_counter() - began

    ask()
    pairs = alternate(ask, sign, turns=options.alternations)
    name = f"{ADDRESSES:,} addresses, wall of the request"
    report.add(times(name, pairs, over="as many signatures", of="s", at_most=ADDRESSES_TIMES_MAX))


def _uploaded(run: Transfers, contents: dict[str, bytes], se: str) -> Any:
    """Upload small files as a client does; returns the answer to the commit."""
    opened = run.opened(dict(contents), se)
    with httpx2.Client(timeout=60) as client:
        for lfn, content in contents.items():
            [target] = opened["files"][lfn]["targets"]
            _write(client, target["request"], content)
    landed = {lfn: {"se": se} for lfn in contents}
    return run.post(f"/api/storage/uploads/{opened['upload_id']}/commit", {"landed": landed})


def _write(client: httpx2.Client, request: Any, content: bytes) -> None:
    if request["protocol"] == "file":
        path = Path(request["path"])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return
    client.request(request["method"], request["url"], headers=request["headers"], content=content).raise_for_status()


def _small(report: Report, options: Namespace, run: Transfers) -> None:
    """Judge the upload of many small files beside their bare requests, and its statements beside those of ten."""
    paths = [run.file(SMALL_BYTES) for _ in range(SMALL_FILES)]

    def ours() -> float:
        return run.run(what="put", files={run.lfn(): str(path) for path in paths}, se=S3)[0]

    def bare() -> float:
        contents = {run.lfn(): path for path in paths}
        opened = run.opened(dict(contents), S3)
        requests = [(opened["files"][lfn]["targets"][0]["request"], path) for lfn, path in contents.items()]
        took = asyncio.run(_side_by_side(requests))
        run.stack.client.delete(f"/api/storage/uploads/{opened['upload_id']}").raise_for_status()
        return took

    pairs = alternate(ours, bare, turns=options.long_alternations)
    name = f"put of {SMALL_FILES:,} files of 1 KiB, wall"
    report.add(times(name, pairs, over="bare PUT, four at a time", of="s", at_most=SMALL_TIMES_MAX))
    few, many = (
        _counted(run, {f"{run.lfn()}.{number}": os.urandom(16) for number in range(size)})
        for size in (FEW, SMALL_FILES)
    )
    report.add(count(f"statements more for {SMALL_FILES:,} files than for {FEW}", many - few, at_most=0))
    for path in paths:
        path.unlink()


async def _side_by_side(requests: list[tuple[Any, Path]]) -> float:
    waiting = iter(requests)

    async def work(client: httpx2.AsyncClient) -> None:
        for request, path in waiting:
            content = path.read_bytes()
            answer = await client.request(
                request["method"], request["url"], headers=request["headers"], content=content
            )
            answer.raise_for_status()

    async with httpx2.AsyncClient(timeout=60) as client:
        began = time.perf_counter()
        await asyncio.gather(*(work(client) for _ in range(4)))
        return time.perf_counter() - began


def _counted(run: Transfers, contents: dict[str, bytes]) -> int:
    """Count the statements of opening and committing an upload of files that are on their way already."""
    url = run.stack.database_url

    def once() -> None:
        fresh = {f"{run.lfn()}": content for content in contents.values()}
        _uploaded(run, fresh, DISK)

    asyncio.run(log_statements(url))
    try:
        return statements(run.stack.database_log, once)
    finally:
        asyncio.run(log_no_statements(url))


def _outputs(report: Report, options: Namespace, run: Transfers) -> None:
    """Judge the commit of fifty files beside fifty looks at storage and a registration that believes its caller."""

    def cost(act: Any) -> Sample:
        _ = run.stack.client
        before = run.stack.cpu_s()
        act()
        return tuple((late - early) * 1e3 for early, late in zip(before, run.stack.cpu_s(), strict=True))

    def ours() -> Sample:
        contents = {run.lfn(): os.urandom(SMALL_BYTES) for _ in range(OUTPUTS)}
        opened = run.opened(dict(contents), DISK)
        with httpx2.Client() as client:
            for lfn, content in contents.items():
                _write(client, opened["files"][lfn]["targets"][0]["request"], content)
        landed = {lfn: {"se": DISK} for lfn in contents}
        return cost(lambda: run.post(f"/api/storage/uploads/{opened['upload_id']}/commit", {"landed": landed}))

    def theirs() -> Sample:
        contents = {run.lfn(): os.urandom(SMALL_BYTES) for _ in range(OUTPUTS)}
        files = [{"lfn": lfn, **_described(content), "replicas": [{"se": DISK}]} for lfn, content in contents.items()]

        def act() -> None:
            run.post("/api/storage/stat", {"se": DISK, "lfns": list(contents)})
            run.post("/api/files/register", {"files": files, "atomic": True})

        return cost(act)

    ours()
    theirs()
    pairs = alternate(ours, theirs, turns=options.alternations)
    name = f"commit of {OUTPUTS} files, CPU"
    report.add(times(name, pairs, over="their stat and a trusted registration", of="ms", at_most=OUTPUTS_TIMES_MAX))
