"""The catalogues that weyl itself has, by the names that the configuration uses for them."""

from collections.abc import Mapping

from weyl.config.input_data import STATIC
from weyl.file_catalog.drivers.catalog import CatalogFactory
from weyl.file_catalog.drivers.static import StaticCatalog

KNOWN_CATALOGS: Mapping[str, CatalogFactory] = {STATIC: StaticCatalog}
