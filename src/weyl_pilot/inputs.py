"""Input data of a job: brought before its payload starts, to where that finds them."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Callable, Dict, Mapping, Sequence

from weyl_pilot.connection import Unreachable
from weyl_pilot.errand import Errand
from weyl_pilot.isolation import write_private
from weyl_pilot.outbox import Outbox
from weyl_pilot.outcome import StageFailure, short
from weyl_pilot.server import AGENT
from weyl_pilot.shop import Shop
from weyl_pilot.sources import Sources, Unavailable
from weyl_pilot.streams import DiskFault, Streams
from weyl_pilot.watchdog import DISK_RESERVE_MB
from weyl_pilot.work import Work

LISTING = "input_data.json"
RESOLVING, UNAVAILABLE = "Resolving Input Data", "Input Data Not Available"
PROBLEM = "InputDataProblem"
PROBLEM_LENGTH_MAX = 1000

Place = Callable[[int, str], Path]
"""Where a file goes, from its number in the list and its logical name; its directory is made by then."""


class Inputs:
    """Brings the input data of one job."""

    def __init__(self, work: Work, shop: Shop, outbox: Outbox, errand: Errand) -> None:
        self._work = work
        self._sources = Sources(shop.server, work.job_id, Streams(shop.server.connections, errand, agent=AGENT))
        self._outbox = outbox
        self._errand = errand

    def bring(self, directory: Path, place: Place) -> Dict[str, str]:
        """Returns the paths below the directory, by logical name, and writes them into `input_data.json` there.

        Raises StageFailure, of class `input_data` when a file cannot be had, or Halted.
        """
        if not self._work.input_data:
            return {}
        self._outbox.state(minor=RESOLVING)
        try:
            return self._bring(directory, place)
        except Unavailable as error:
            self._outbox.parameters({PROBLEM: str(error)[:PROBLEM_LENGTH_MAX]})
            raise StageFailure(UNAVAILABLE, short(error), error_class="input_data") from error
        except DiskFault as error:
            raise StageFailure(UNAVAILABLE, short("the disk here: %s" % error), error_class="host") from error
        except Unreachable as error:
            raise StageFailure(UNAVAILABLE, short(error), error_class="site") from error

    def _bring(self, directory: Path, place: Place) -> Dict[str, str]:
        self._sources.ask()
        room, paths = self._room(directory), {}
        for number, lfn in enumerate(self._work.input_data):
            if lfn not in self._sources.files:
                continue  # its storage elements are none that a pilot can read: the program does it by itself
            self._errand.told = "input %d of %d: %s" % (number + 1, len(self._work.input_data), lfn)
            path = place(number, lfn)
            self._sources.fetch(lfn, path, room)
            room -= path.stat().st_size
            paths[lfn] = str(path.relative_to(directory))
        write_private(directory / LISTING, json.dumps(paths, indent=1).encode())
        return paths

    def _room(self, directory: Path) -> int:
        """How many bytes may come; raises StageFailure if the files have more."""
        needed, allowed_mb = self._sources.size, self._work.scratch_mb
        if allowed_mb and needed > allowed_mb << 20:
            text = "the input data have %d MB, and the job asks for %d MB of scratch space" % (needed >> 20, allowed_mb)
            raise StageFailure(UNAVAILABLE, text, error_class="payload")
        free_mb = max(0, (shutil.disk_usage(str(directory)).free >> 20) - DISK_RESERVE_MB)
        if needed > free_mb << 20:
            text = "the input data have %d MB, and %d MB are free here" % (needed >> 20, free_mb)
            raise StageFailure(UNAVAILABLE, text, error_class="host")
        return min(allowed_mb or free_mb, free_mb) << 20


def _name_of(lfn: str) -> str:
    name = lfn.rpartition("/")[2]
    if name in ("", ".", "..") or "\0" in name:
        raise StageFailure(UNAVAILABLE, short("%s names no file" % lfn), error_class="input_data")
    return name


def flat(directory: Path, taken: Sequence[str]) -> Place:
    """Puts files beside each other; one whose name is taken goes into a directory of its number."""
    reserved = {LISTING, *taken}

    def place(number: int, lfn: str) -> Path:
        name = _name_of(lfn)
        if name not in reserved and not os.path.lexists(str(directory / name)):
            return directory / name
        own = directory / str(number)
        while os.path.lexists(str(own)):
            own = own.with_name(own.name + "_")
        own.mkdir()
        return own / name

    return place


def apart(directory: Path, beside: Mapping[str, str]) -> Place:
    """Puts each file into a directory of its own, and those that belong to another one `beside` that."""
    own: Dict[str, Path] = {}

    def place(number: int, lfn: str) -> Path:
        place = own.setdefault(beside.get(lfn, lfn), directory / str(number))
        if os.path.lexists(str(place / _name_of(lfn))):
            place = directory / str(number)
        place.mkdir(parents=True, exist_ok=True)
        return place / _name_of(lfn)

    return place
