"""Two servers and two workers on one database behind one proxy; one of each is killed under load."""

import threading
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest

from tests.admin.machine import answers, await_that, blocks, environment, needed, nginx_config, running, weyl
from weyl.demo.processes import free_ports, loopback_address

pytestmark = [pytest.mark.timeout(600)]

CALLERS = 6
JDL = '[JobName = "several"; Executable = "/bin/true";]'


class Caller(threading.Thread):
    """Submits job after job until it is told to stop, and keeps account."""

    def __init__(self, url: str, headers: dict[str, str], stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self.job_ids: list[int] = []
        self.failures: list[str] = []
        self._url, self._headers, self._stop_event = url, headers, stop

    def run(self) -> None:
        with httpx2.Client(base_url=self._url, headers=self._headers, timeout=30) as http:
            while not self._stop_event.is_set():
                try:
                    answer = http.post("/api/jobs/jdl", json=[JDL])
                except httpx2.TransportError as error:
                    self.failures.append(repr(error))
                    continue
                if answer.status_code == 201:
                    self.job_ids.append(answer.json()[0]["JobID"])
                else:
                    self.failures.append(f"{answer.status_code} {answer.text[:200]}")


def upstream(directory: Path, host: str, port: int, servers: list[int]) -> Path:
    """Return the page's nginx, without TLS, with two lines `server` in its `upstream`; all at one address."""
    [site] = blocks("proxy.md", "nginx")
    site = site.replace("listen 443 ssl", f"listen {host}:{port}").replace("    http2 on;\n", "")
    site = "".join(line for line in site.splitlines(keepends=True) if "ssl_certificate" not in line)
    line = "    server 127.0.0.1:8000 max_fails=1 fail_timeout=5s;\n"
    assert line in site
    return nginx_config(
        directory, site.replace(line, "".join(line.replace("127.0.0.1:8000", f"{host}:{each}") for each in servers))
    )


def test_only_what_is_in_flight_is_lost_when_a_server_and_a_worker_die(
    tmp_path: Path, application, installation, database_url: str, object_store
) -> None:
    host = loopback_address()
    proxy_port, *servers = free_ports(host, 3)
    program, url = needed("nginx"), f"http://{host}:{proxy_port}"
    env = environment(installation, database_url, object_store)
    conf = upstream(tmp_path, host, proxy_port, servers)
    nginx = [program, "-p", str(tmp_path), "-e", f"{tmp_path}/nginx.err", "-c", str(conf)]

    def log(name: str) -> Path:
        return tmp_path / f"{name}.log"

    with (
        running(serve(host, servers[0]), log("server-1"), env=env) as first,
        running(serve(host, servers[1]), log("server-2"), env=env),
        running(weyl("worker"), log("worker-1"), env=env) as worker,
        running(weyl("worker"), log("worker-2"), env=env),
        running(nginx, log("nginx")),
    ):
        for port in (*servers, proxy_port):
            await_that(ready(host, port), f"{port} ready")
        for name in ("worker-1", "worker-2"):
            await_that(lambda name=name: "worker.started" in log(name).read_text(), f"{name} started")
        headers = application.login()
        stop = threading.Event()
        callers = [Caller(url, headers, stop) for _ in range(CALLERS)]
        for caller in callers:
            caller.start()
        await_that(lambda: all(len(caller.job_ids) >= 10 for caller in callers), "every caller at ten jobs")
        first.kill()
        worker.kill()
        before = {caller: len(caller.job_ids) for caller in callers}
        await_that(lambda: all(len(caller.job_ids) >= before[caller] + 10 for caller in callers), "ten more jobs each")
        stop.set()
        for caller in callers:
            caller.join(60)
        failures = [failure for caller in callers for failure in caller.failures]
        assert len(failures) <= CALLERS, failures
        acknowledged = {job_id for caller in callers for job_id in caller.job_ids}
        with httpx2.Client(base_url=url, headers=headers, timeout=30) as http:
            await_that(lambda: statuses(http)["Waiting"] == jobs(http), "every job checked by the worker that is left")
            body = {"parameters": ["JobID"], "search": []}
            found = http.post("/api/jobs/search", params={"per_page": 10_000}, json=body).json()
        assert acknowledged <= {row["JobID"] for row in found}
        # What failed in flight may have been done all the same; nothing else was done twice.
        assert len(found) <= len(acknowledged) + len(failures)


def serve(host: str, port: int) -> list[str]:
    return weyl("serve", "--host", host, "--port", str(port))


def ready(host: str, port: int) -> Callable[[], bool]:
    return lambda: answers(f"http://{host}:{port}/api/health/ready")


def statuses(http: httpx2.Client) -> dict[str, int]:
    body = {"grouping": ["Status"], "search": []}
    return {"Waiting": 0} | {row["Status"]: row["count"] for row in http.post("/api/jobs/summary", json=body).json()}


def jobs(http: httpx2.Client) -> int:
    return sum(statuses(http).values())
