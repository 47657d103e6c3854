"""Start of the pilot: probe the machine, trade the secret for a token, work, say how it ended."""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from dataclasses import dataclass, replace
from typing import Any, Dict, FrozenSet, List, Optional

from weyl_pilot import bundle, logs, probe
from weyl_pilot.connection import Connections, Refused, Unreachable
from weyl_pilot.isolation import IsolationUnavailable
from weyl_pilot.loop import Loop, Rules
from weyl_pilot.processes import hide_memory
from weyl_pilot.sandbox import Sandboxes
from weyl_pilot.server import AGENT, Server, Welcome
from weyl_pilot.settings import Settings, parse_arguments
from weyl_pilot.workshop import Told, Workshop, wall_s
from weyl_pilot.wrapper import Wrapper

log = logging.getLogger("weyl_pilot")

STARTS_TOLD_MAX = 10_000


@dataclass(frozen=True)
class Farewell:
    """How the pilot ended, and the payloads that it started; None: it cannot tell, and may start another."""

    is_good: bool
    reason: str
    started: Optional[FrozenSet[int]] = None


def main(arguments: Optional[List[str]] = None) -> int:
    """Runs one pilot; exit code 0 means that it ended as it should."""
    started = time.monotonic()
    settings = parse_arguments(sys.argv[1:] if arguments is None else arguments)
    os.umask(0o022)
    hide_memory()
    if settings.bundle is not None:
        return bundle.run(settings, settings.bundle, started=started)
    server = Server(settings.url, Connections(settings.ca_file))
    formatter = logs.set_up(lambda: server.secrets)
    shipper = logs.Shipper(server.send_log)
    shipper.setFormatter(formatter)
    log.addHandler(shipper)
    # Until the loop takes over there is nothing to save.
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    try:
        welcome = _redeem(settings, server)
    except (OSError, Refused, Unreachable) as error:
        log.error("the server did not accept this pilot: %s", error)
        return 1
    shipper.start()
    try:
        ends_at = started + wall_s(settings, welcome.settings)
        farewell = _work(settings, server, welcome=welcome, ends_at=ends_at)
    except IsolationUnavailable as error:
        farewell = Farewell(False, str(error))
    except Exception as error:
        log.exception("the pilot failed")
        farewell = Farewell(False, "%s: %s" % (type(error).__name__, error))
    log.info("end: %s", farewell.reason)
    if settings.work_dir.is_dir():
        shipper.flush_now()
    _say_goodbye(server, welcome, farewell)
    return 0 if farewell.is_good else 1


def _redeem(settings: Settings, server: Server) -> Welcome:
    secret = settings.secret_file.read_text(encoding="utf-8").strip()
    host = probe.host_name()
    log.info("%s on %s, python %s", AGENT, host, sys.version.split()[0])
    welcome = server.redeem(secret, stamp=settings.stamp, host=host)
    # It is of no use any more, and what does not exist cannot be read.
    settings.secret_file.unlink()
    log.info("pilot %s of %s at %s", welcome.stamp, welcome.vo, welcome.site)
    return welcome


def _work(settings: Settings, server: Server, *, welcome: Welcome, ends_at: float) -> Farewell:
    told = Told(
        server, welcome.stamp, welcome.settings, ends_at=ends_at, sandboxes=lambda cache: Sandboxes(server, cache)
    )
    workshop = Workshop(settings, told)
    log.info("offer: %s", workshop.node.allocation)
    rules = Rules(
        ends_at=ends_at,
        idle_s=settings.idle_s,
        empty_matches_max=settings.empty_matches_max,
        jobs_max=settings.jobs_max,
        long_poll_s=max(0, min(30, settings.long_poll_s)),
        work_dir=settings.work_dir,
    )
    shop = workshop.shop
    loop = Loop(server, workshop.node, rules=rules, make=lambda work: Wrapper(work, replace(shop, drain=loop.drain)))
    loop.install_signals()
    try:
        is_good, reason = loop.run()
        return Farewell(is_good, reason, workshop.starts.seal())
    finally:
        workshop.close()


def _say_goodbye(server: Server, welcome: Welcome, farewell: Farewell) -> None:
    fields: Dict[str, Any] = {
        "Status": "Done" if farewell.is_good else "Failed",
        "StatusReason": farewell.reason[:255],
    }
    if farewell.started is not None and len(farewell.started) <= STARTS_TOLD_MAX:
        fields["StartedJobs"] = sorted(farewell.started)
    try:
        server.report_pilot(welcome.stamp, fields)
    except (Refused, Unreachable) as error:
        log.error("the server did not take the last report: %s", error)


def start() -> None:
    """Entry of the archive: runs the pilot and ends the process with its exit code."""
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # Threads may still sit in a request that nobody waits for; everything worth keeping has been sent.
    os._exit(code)


if __name__ == "__main__":
    start()
