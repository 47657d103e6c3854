"""The catalogues that weyl itself has, by the names that the configuration uses for them."""

from collections.abc import Mapping

from weyl.config.input_data import STATIC, WEYL
from weyl.file_catalog.drivers.catalog import CatalogFactory
from weyl.file_catalog.drivers.static import StaticCatalog
from weyl.file_catalog.drivers.weyl import WeylCatalog

KNOWN_CATALOGS: Mapping[str, CatalogFactory] = {WEYL: WeylCatalog, STATIC: lambda _: StaticCatalog()}
