"""The drivers that weyl itself has, by the protocols that the configuration names."""

from collections.abc import Mapping

from weyl.storage.drivers.driver import StorageDriverFactory

KNOWN_STORAGE: Mapping[str, StorageDriverFactory] = {}
