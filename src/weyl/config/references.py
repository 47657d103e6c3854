"""Names in the configuration that nothing has: what one section says of another's entries."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches

from weyl.config.models import Config

Dangling = tuple[tuple[int | str, ...], str]
"""Where a name stands in the document, and what is wrong with it."""


def dangling(config: Config) -> Iterator[Dangling]:
    """Yield the names of sites and storage elements that are used and not there."""
    resources = config.resources
    for name, storage in resources.storage_elements.items():
        for index, site in enumerate(storage.sites):
            if site not in resources.sites:
                near = _nearest(site, resources.sites)
                yield ("Resources", "StorageElements", name, "Sites", index), f"is no site of Resources.Sites{near}"
    for vo, operations in config.operations.items():
        for lfn, listed in operations.input_data.files.items():
            for index, name in enumerate(listed.storage_elements):
                if name not in resources.storage_elements:
                    near = _nearest(name, resources.storage_elements)
                    at = ("Operations", vo, "InputData", "Files", lfn, "StorageElements", index)
                    yield at, f"is no storage element of Resources.StorageElements{near}"


def _nearest(name: str, known: Mapping[str, object]) -> str:
    near = get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"; did you mean {near[0]}?" if near else ""
