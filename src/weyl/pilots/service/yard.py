"""Where pilots are sent from: the drivers of computing elements, and what every pilot is given."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

from weyl.config.models import Config
from weyl.config.service import ConfigStore
from weyl.kit.db import Database
from weyl.kit.s3 import ObjectStore
from weyl.kit.services import Key
from weyl.pilots.archive import pilot_archive
from weyl.pilots.compute_elements.directory import default_directory, make_trusted
from weyl.pilots.compute_elements.driver import DriverContext, DriverFactory
from weyl.pilots.errors import ComputingElementFailed
from weyl.pilots.need import Means
from weyl.pilots.secrets import PepperRing
from weyl.pilots.service.commands import Commands
from weyl.pilots.service.engines import Engines
from weyl.pilots.service.guarded import GuardedElement
from weyl.pilots.service.shelf import Shelf
from weyl.remote.credential_files import credentials_of
from weyl.settings import Settings


@dataclass(frozen=True, slots=True)
class Yard:
    """What a process needs to deal with computing elements."""

    db: Database
    config: ConfigStore
    drivers: Mapping[str, DriverFactory]
    engines: Engines
    commands: Commands
    ring: PepperRing
    directory: Path
    url: str
    secret_lifetime: timedelta
    archive: Path | None = None
    credentials: Path | None = None

    @classmethod
    def open(
        cls,
        settings: Settings,
        *,
        db: Database,
        config: ConfigStore,
        store: ObjectStore,
        drivers: Mapping[str, DriverFactory],
        commands: Commands,
    ) -> "Yard":
        """Return the yard of a process."""
        directory = settings.pilot_directory or default_directory()
        return cls(
            db=db,
            config=config,
            drivers=drivers,
            commands=commands,
            engines=Engines(Shelf(store, "engines"), cache=directory, directory=settings.engine_directory),
            ring=PepperRing(settings.pilot_peppers.get_secret_value()),
            directory=directory,
            url=settings.public_url,
            secret_lifetime=timedelta(hours=settings.pilot_secret_hours),
            archive=settings.pilot_archive,
            credentials=settings.credentials_directory,
        )

    def driver(self, config: Config, site: str, ce: str) -> GuardedElement:
        """Return the driver of a configured computing element."""
        place = config.resources.sites.get(site)
        element = place.ces.get(ce) if place else None
        if element is None:
            raise ComputingElementFailed(f"{ce} of {site} is not configured any more")
        if element.driver not in self.drivers:
            raise ComputingElementFailed(f"No driver {element.driver!r} is installed for {ce}")
        try:
            context = DriverContext(
                site=site,
                ce=ce,
                directory=self.directory / quote(site, safe="") / quote(ce, safe=""),
                endpoint=element.endpoint,
                options=element.driver_options,
                credentials=credentials_of(self.credentials, element.credentials),
            )
            # Each time: what is in /tmp may have been cleaned away, and made anew by somebody else.
            make_trusted(self.directory)
            return GuardedElement(self.drivers[element.driver](context), f"{ce} of {site}")
        except ValueError as error:  # options that the driver's own model refuses, a directory that others can change
            raise ComputingElementFailed(f"{ce} is configured wrongly: {error}") from error

    async def means(self) -> Means:
        """Return what there is to send pilots with."""
        return Means(self.drivers, await self.engines.machines())

    def archive_bytes(self) -> bytes:
        """Return the program that a pilot is."""
        return self.archive.read_bytes() if self.archive is not None else pilot_archive().content


YARD: Key[Yard] = Key("the yard of pilots")
