"""Trials of storage elements: a file goes there, and comes back as it was."""

from collections.abc import Iterator

from weyl.certify.trials import Bench, Trial, TrialFailed
from weyl.storage import calls
from weyl.storage.cli.names import Namer
from weyl.storage.transfer import fetching, sending
from weyl.storage.transfer.local_files import local_files


def writable(bench: Bench) -> list[str]:
    """Return the names of the storage elements that may be written to now."""
    found = bench.session.client.send(calls.elements())
    return [str(each["name"]) for each in found if (each["status"].get("write") or {}).get("allowed")]


def trials(bench: Bench) -> Iterator[Trial]:
    """Yield a trial for each of them."""
    yield from map(_trial, writable(bench))


def _trial(name: str) -> Trial:
    def run(bench: Bench) -> str:
        source = bench.file(f"{name}.txt", f"{bench.mark} on {name}\n")
        lfn = Namer(bench.session)(f"{bench.mark}/{name}.txt")
        advice = f"weyl ses why {name}; docs/admin/storage-elements.md"
        [put] = sending.put(bench.session.client, local_files([source], lfn), sending.Options(ses=(name,)))
        if put.reason is not None:
            raise TrialFailed(f"cannot put: {put.reason}", advice)
        bench.lfns.append(lfn)
        copy = bench.directory / f"{name}.back"
        [got] = fetching.get(bench.session.client, {lfn: copy})
        if got.reason is not None:
            raise TrialFailed(f"cannot get: {got.reason}", advice)
        if copy.read_bytes() != source.read_bytes():
            raise TrialFailed("other bytes came back", advice)
        return "a file went there, was verified, and came back as it was"

    return Trial(f"storage element {name}", run)
