"""Names in the configuration that do not fit together: those that nothing has, and those that two users have."""

from collections.abc import Collection, Iterator
from difflib import get_close_matches
from typing import NamedTuple

from weyl.config.models import Config

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
    yield from _doubled(config)


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


def _nearest(name: str, known: Collection[str]) -> str:
    near = get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"; did you mean {near[0]}?" if near else ""
