"""Names in the configuration that do not fit together: those that nothing has, and those that two users have."""

from collections.abc import Collection, Iterator
from itertools import pairwise
from typing import NamedTuple

from weyl.config.models import Config
from weyl.config.storage_elements import places_of
from weyl.kit.likeness import most_like

Place = tuple[int | str, ...]


class Misfit(NamedTuple):
    """Where a name stands in the document, what is wrong with it, and where the one stands that it clashes with."""

    at: Place
    message: str
    first: Place | None = None


def misfits(config: Config) -> Iterator[Misfit]:
    """Yield the names that do not fit together."""
    yield from _dangling(config)
    yield from _unknown_commands(config)
    yield from _unknown_bases(config)
    yield from _unknown_protocols(config)
    yield from _same_places(config)
    yield from _doubled(config)
    yield from _shared_roots(config)


def _doubled(config: Config) -> Iterator[Misfit]:
    """Yield the names of users that another user of their VO has: jobs belong to names."""
    for vo, organisation in config.registry.items():
        owners: dict[str, str] = {}
        for subject, user in organisation.users.items():
            first = owners.setdefault(user.preferred_username, subject)
            if first != subject:
                users = ("Registry", vo, "Users")
                message = (
                    f"user {first} already has the name {user.preferred_username}. "
                    "Jobs belong to names, so each user of a VO needs a different one"
                )
                yield Misfit((*users, subject, "PreferedUsername"), message, first=(*users, first, "PreferedUsername"))


def _dangling(config: Config) -> Iterator[Misfit]:
    """Yield the names of sites and storage elements that are used and not there."""
    resources = config.resources
    for name, storage in resources.storage_elements.items():
        for index, site in enumerate(storage.sites):
            if site not in resources.sites:
                near = _nearest(site, resources.sites)
                at = ("Resources", "StorageElements", name, "Sites", index)
                yield Misfit(at, f"is not a site of Resources.Sites{near}")
    for vo, operations in config.operations.items():
        for lfn, listed in operations.input_data.files.items():
            for index, name in enumerate(listed.storage_elements):
                if name not in resources.storage_elements:
                    near = _nearest(name, resources.storage_elements)
                    listed_at = ("Operations", vo, "InputData", "Files", lfn, "StorageElements", index)
                    yield Misfit(listed_at, f"is not a storage element of Resources.StorageElements{near}")


def _unknown_commands(config: Config) -> Iterator[Misfit]:
    """Yield the names of payload commands that no installed extension has, where it is known which are installed."""
    known = type(config).known_commands
    if known is None:
        return
    for vo, operations in config.operations.items():
        for job_type, hints in operations.cwl.per_job_type.items():
            for index, name in enumerate(hints.commands):
                if name not in known:
                    at = ("Operations", vo, "CWL", "PerJobType", job_type, "Commands", index)
                    yield Misfit(at, f"is not a payload command of an installed extension{_nearest(name, known)}")


def _unknown_bases(config: Config) -> Iterator[Misfit]:
    """Yield the names of bases that are not there."""
    bases = config.resources.storage_element_bases
    for name, element in config.resources.storage_elements.items():
        if element.base is not None and element.base not in bases:
            at = ("Resources", "StorageElements", name, "Base")
            yield Misfit(at, f"is not one of Resources.StorageElementBases{_nearest(element.base, bases)}")


def _unknown_protocols(config: Config) -> Iterator[Misfit]:
    """Yield the protocols that no installed driver speaks, where it is known which are installed."""
    known = type(config).known_protocols
    if known is None:
        return
    for name, element in config.resources.storage_elements.items():
        for index, endpoint in enumerate(element.endpoints):
            if endpoint.protocol not in known:
                at = ("Resources", "StorageElements", name, "Endpoints", index, "Protocol")
                near = _nearest(endpoint.protocol, known) or f"; there are {', '.join(sorted(known))}"
                yield Misfit(at, f"is not the protocol of an installed driver{near}")


def _same_places(config: Config) -> Iterator[Misfit]:
    """Yield the doors behind which a VO finds the files of another element: each would delete the other's."""
    for vo in config.registry:
        taken: dict[tuple[str, str], str] = {}
        for name, element in config.resources.storage_elements.items():
            for index, place in enumerate(places_of(element, vo) if element.serves(vo) else ()):
                first = taken.setdefault(place, name)
                if first != name:
                    elements = ("Resources", "StorageElements")
                    message = f"is for {vo} the same place as {first}: two storage elements never share a directory"
                    yield Misfit((*elements, name, "Endpoints", index), message, first=(*elements, first))


def _shared_roots(config: Config) -> Iterator[Misfit]:
    """Yield the roots of files that lie below, or are, those of another VO."""
    roots = sorted(
        (f"{root}/", vo)
        for vo, operations in config.operations.items()
        for root in operations.data_management.roots_of(vo)
    )
    for (upper, first), (lower, second) in pairwise(roots):
        if lower.startswith(upper) and first != second:
            message = f"{lower} overlaps with {upper}, a root of {first}: the files of two VOs are kept apart"
            place = ("Operations", second, "DataManagement", "Roots")
            yield Misfit(place, message, first=("Operations", first, "DataManagement", "Roots"))


def _nearest(name: str, known: Collection[str]) -> str:
    near = most_like(name, known)
    return f"; did you mean {near[0]}?" if near else ""
