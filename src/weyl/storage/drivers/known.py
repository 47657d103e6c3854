"""The drivers that weyl itself has, by the protocols that the configuration names."""

from collections.abc import Mapping

from weyl.storage.drivers.driver import StorageDriverFactory
from weyl.storage.drivers.file import FileDriver
from weyl.storage.drivers.https import HttpsDriver
from weyl.storage.drivers.s3 import S3Driver

KNOWN_STORAGE: Mapping[str, StorageDriverFactory] = {"file": FileDriver, "https": HttpsDriver, "s3": S3Driver}
