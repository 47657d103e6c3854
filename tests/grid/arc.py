"""An ARC computing element with its fork back end and a token issuer of its own; one job takes it about 25 s.

A-REX listens on every address: a rule of the firewall keeps all but loopback out.
"""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil

from tests.grid.daemons import READY_S, USER, grid_user, listens, needs, run, until
from tests.grid.site import GridSite
from weyl.demo.processes import free_ports
from weyl.pilots.compute_elements.arc import ArcComputeElement

CREDENTIALS, CERTIFICATE = "arc", "arc-certificate"
PERSON = "weylperson"
SUBJECT = f"/DC=org/DC=nordugrid/DC=ARC/O=TestCA/CN={PERSON}"
SECURITY = Path("/etc/grid-security")
AUTHORITIES = SECURITY / "certificates"
START = Path("/usr/share/arc/arc-arex-start")
START_WEB = Path("/usr/share/arc/arc-arex-ws-start")
CONFIG = """\
[common]
hostname={host}
x509_host_key=/etc/grid-security/testCA-hostkey.pem
x509_host_cert=/etc/grid-security/testCA-hostcert.pem
x509_cert_dir=/etc/grid-security/certificates

[authgroup:tokens]
authtokens = * {issuer} * * *

[authgroup:certificates]
file = {directory}/subjects

[mapping]
map_to_user = tokens {user}:{user}
map_to_user = certificates {user}:{user}

[lrms]
lrms = fork

[arex]
controldir = {directory}/control
sessiondir = {directory}/jobs
logfile = {directory}/log/arex.log
pidfile = {directory}/arex.pid
joblog = {directory}/log/jobs.log
loglevel = 3
wakeupperiod = 5
maxjobs = 10000 1000 1000 2000 100
infoproviders_timelimit = 60
[arex/ws]
wsurl = https://{host}:{port}/arex
logfile = {directory}/log/ws.log
pidfile = {directory}/ws.pid
[arex/ws/jobs]
allowaccess = tokens
allowaccess = certificates

[infosys]
logfile = {directory}/log/info.log
[infosys/glue2]
[infosys/cluster]
[queue:fork]
comment = test queue
"""


def missing_arc() -> str | None:
    """Return why no ARC can be started here."""
    if reason := needs("arcctl", "arched", "iptables"):
        return reason
    if not START.exists() or not (SECURITY / "testCA-hostcert.pem").exists():
        return "nordugrid-arc-arex and nordugrid-arc-test-utils are not installed: see SYSTEM_PACKAGES"
    return None


@contextmanager
def running_arc(directory: Path) -> Iterator[GridSite]:
    """Start A-REX and its web service, and make a token."""
    grid_user()
    for name in ("control", "jobs", "log"):
        (directory / name).mkdir(mode=0o755)
    # A-REX would search for primes of its own for minutes, in a process that outlives it.
    primes = directory / "control" / "dhparam.pem"
    run("openssl", "genpkey", "-genparam", "-algorithm", "DH", "-pkeyopt", "group:ffdhe2048", "-out", primes)
    host, [port] = certified_host(), free_ports("127.0.0.1", 1)
    config = directory / "arc.conf"
    with ExitStack() as stack:
        issuer, deploy = token_issuer(stack)
        config.write_text(CONFIG.format(host=host, port=port, issuer=issuer, user=USER, directory=directory))
        run("arcctl", "--config", config, "deploy", "jwt-issuer", "--deploy-conf", deploy)
        (directory / "subjects").write_text(f'"{SUBJECT}"\n')
        environment = {"ARC_CONFIG": str(config)}
        for rule in ("iptables", "ip6tables"):
            if shutil.which(rule):
                closed = ["INPUT", "-p", "tcp", "--dport", str(port), "!", "-i", "lo", "-j", "DROP"]
                run(rule, "-I", *closed)
                stack.callback(run, rule, "-D", *closed)
        stack.callback(end, directory / "arex.pid")
        run(START, environment=environment)
        stack.callback(end, directory / "ws.pid")
        run(START_WEB, environment=environment)
        until(lambda: listens(port), "the web service of ARC does not start", directory / "log" / "ws.log")
        place = directory / "credentials" / CREDENTIALS
        place.mkdir(parents=True)
        make_certificate(directory, directory / "credentials" / CERTIFICATE)
        (place / "token").write_text(run("arcctl", "test-jwt", "token", "-n", "pilot1", "-v", "2").splitlines()[-1])
        (place / "token").chmod(0o600)
        yield GridSite(
            factory=ArcComputeElement,
            element={
                "Driver": "arc",
                "Endpoint": f"https://{host}:{port}/arex",
                "Credentials": CREDENTIALS,
                "DriverOptions": {"CA": str(AUTHORITIES)},
            },
            directory=directory,
            credentials=directory / "credentials",
            queue="fork",
            bulk=20,
            patience_s=300,
            impatient={"Timeout": 4},
        )


def running_on(site: GridSite) -> psutil.Process:
    """Return the process of the web service."""
    return psutil.Process(int((site.directory / "ws.pid").read_text()))


def certified_host() -> str:
    """Return the name that the test certificate was made for."""
    said = run("openssl", "x509", "-in", SECURITY / "testCA-hostcert.pem", "-noout", "-ext", "subjectAltName")
    found = re.search(r"DNS:([^\s,]+)", said)
    return found[1] if found else socket.gethostname()


def token_issuer(stack: ExitStack) -> tuple[str, str]:
    """Return the issuer of test tokens, made if it is missing, and how ARC is told of it."""
    directory = SECURITY / "jwt"
    if not list(directory.glob("*/metadata.json")):
        run("arcctl", "test-jwt", "init")
    issuer = json.loads(next(directory.glob("*/metadata.json")).read_text())["issuer"]
    found = re.search(r"--deploy-conf (\S+)", run("arcctl", "test-jwt", "export"))
    assert found is not None
    return issuer, found[1]


def make_certificate(directory: Path, place: Path) -> None:
    """Make a certificate of a person, whom ARC lets in, and put it with its key where a proxy would be."""
    made = directory / "person"
    made.mkdir(mode=0o700)
    command = ["arcctl", "test-ca", "usercert", "-n", PERSON, "--no-auth", "-v", "2"]
    subprocess.run(command, cwd=made, check=True, capture_output=True, timeout=READY_S)
    place.mkdir()
    (place / "proxy.pem").write_text("".join(path.read_text() for path in sorted(made.glob("*.pem"))))
    (place / "proxy.pem").chmod(0o600)


def end(pid_file: Path) -> None:
    """End a daemon by the process id that it wrote."""
    if not pid_file.exists():
        return
    try:
        process = psutil.Process(int(pid_file.read_text()))
    except (psutil.NoSuchProcess, ValueError):
        return
    family = [process, *process.children(recursive=True)]
    for number in (signal.SIGTERM, signal.SIGKILL):
        for each in family:
            if each.is_running():
                os.kill(each.pid, number)
        _, family = psutil.wait_procs(family, timeout=3)
