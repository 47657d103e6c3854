"""What can go wrong with a whole request to the file catalogue; what is wrong with one file is an outcome."""

from collections.abc import Mapping
from dataclasses import asdict

from weyl.file_catalog.models.files import Failure
from weyl.kit.errors import BadRequest, Conflict, Forbidden, NotFound, Unavailable

FAILED_SHOWN = 100


class NotAdmitted(Forbidden):
    """The caller has no property that the catalogue asks for."""


class RegistrationRefused(Conflict):
    """All or nothing was asked for, and some files cannot be registered; nothing was."""

    def __init__(self, failed: Mapping[str, Failure]) -> None:
        shown = {lfn: asdict(failure) for lfn, failure in list(failed.items())[:FAILED_SHOWN]}
        detail = f"{len(failed)} files cannot be registered, so none was: see `failed`"
        super().__init__(detail, extra={"failed": shown})
        self.failed = dict(failed)


class OtherMaster(Conflict):
    """The files of the VO are in another catalogue."""

    def __init__(self, vo: str, name: str) -> None:
        super().__init__(f"The files of {vo} are in the catalogue {name!r} (InputData.Catalog): ask it, not this one")


class BadFileOrder(BadRequest):
    """An order that cannot be meant."""


class DirectoryNotFound(NotFound):
    """No such directory, as far as the caller can tell."""


class FileNotFound(NotFound):
    """No such file, as far as the caller can tell."""


class NotReadable(Forbidden):
    """The directory's mode does not let the caller read it."""


class CatalogueBusy(Unavailable):
    """Others changed the same directories at the same time, again and again."""


class FieldNotFound(NotFound):
    """The VO has declared no field of this name."""


class FieldExists(Conflict):
    """The VO has declared a field of this name already."""


class FieldInUse(Conflict):
    """Files or directories have values of the field."""


class WrongField(BadRequest):
    """A field that cannot be declared so."""
