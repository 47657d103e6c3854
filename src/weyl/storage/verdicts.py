"""What a storage element says of a file against what it must be: whether that is proof, or the bytes must be read."""

from weyl.file_catalog.checksums import Checksums
from weyl.storage.drivers.driver import Stat

GONE = "nothing lies there"


def fault_of(size: int, checksums: Checksums, stat: Stat | None) -> str | None:
    """Return why what lies somewhere is not the file, for its owner; None if nothing speaks against it."""
    if stat is None:
        return GONE
    if stat.size != size:
        return f"it has {stat.size:,} bytes there, and must have {size:,}"
    name = checksums.differs(stat.checksums)
    if name is None:
        return None
    found, wanted = stat.checksums.as_json()[name], checksums.as_json()[name]
    return f"its {name} is {found} there, and must be {wanted}"


def is_proven(checksums: Checksums, stat: Stat) -> bool:
    """Tell whether the storage has told a checksum that can be compared."""
    return checksums.strongest_common(stat.checksums) is not None
