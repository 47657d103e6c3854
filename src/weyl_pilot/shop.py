"""What all jobs of the pilot share."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Mapping, Optional

from weyl_pilot.bundles import Bundles
from weyl_pilot.engine import Engine
from weyl_pilot.hashed import Shelf
from weyl_pilot.isolation import Walls
from weyl_pilot.sandbox import Sandboxes
from weyl_pilot.server import Server
from weyl_pilot.shares import Shares
from weyl_pilot.starts import Starts
from weyl_pilot.uploads import Uploads
from weyl_pilot.watchdog import Watchdog

log = logging.getLogger("weyl_pilot.shop")


@dataclass(frozen=True)
class CwlTools:
    """What CWL jobs need beside what all jobs need."""

    engine: Engine
    bundles: Bundles


@dataclass(frozen=True)
class Shop:
    """What all jobs of the pilot share."""

    server: Server
    sandboxes: Sandboxes
    uploads: Uploads
    walls: Walls
    watchdog: Watchdog
    starts: Starts
    jobs_dir: Path
    spool: Path
    facts: Mapping[str, Any]
    """Job parameters that are the same for every job here: host, pilot, processor."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """The queue's environment for payloads."""
    shelf: Optional[Shelf] = None
    """Archives of the community's commands."""
    cwl: Optional[CwlTools] = None
    mask: Any = str
    drain: Callable[[str], None] = log.info
    """Lets the pilot take no more jobs, for a reason."""
    power_db12: float = 10.0
    ends_at: float = float("inf")
    shares: Shares = field(default_factory=Shares)
