"""How sandboxes are named: by their content, below an area that says whose they are."""

from weyl.sandboxes.errors import SandboxNameTooLong
from weyl.sandboxes.models import PFN_LENGTH_MAX, SandboxInfo, bare_pfn

REPACKED_SUFFIX = ".tar.bz2"


def make_area(bucket: str, *, vo: str, group: str, username: str) -> str:
    """Return what the names of all sandboxes of a user in a group begin with, without their prefix."""
    return f"/S3/{bucket}/" + "".join(f"{_segment(part)}/" for part in (vo, group, username))


def make_pfn(bucket: str, *, vo: str, group: str, username: str, info: SandboxInfo) -> str:
    """Return the name of a sandbox without its prefix: the same content of the same user has the same name."""
    area = make_area(bucket, vo=vo, group=group, username=username)
    return f"{area}{info.checksum_algorithm}:{info.checksum.lower()}.{info.format}"


def with_prefix(pfn: str, sandbox_se: str) -> str:
    """Return the name as clients get it; one that is longer than the contract allows is refused."""
    full = f"SB:{sandbox_se}|{pfn}"
    if len(full) > PFN_LENGTH_MAX:
        raise SandboxNameTooLong(
            f"the sandbox's name would have {len(full)} characters, and {PFN_LENGTH_MAX} are allowed: "
            "ask for a shorter name of your group or user"
        )
    return full


def object_key(pfn: str) -> str:
    """Return the key of the object in its bucket."""
    return bare_pfn(pfn).split("/", 3)[3]


def repacked_key(pfn: str) -> str:
    """Return the key of the copy for nodes that cannot read Zstandard; it is in nobody's area: no upload can hit it."""
    return f"repacked/{object_key(pfn).removesuffix('.tar.zst')}{REPACKED_SUFFIX}"


def _segment(name: str) -> str:
    # Slashes separate the parts, so names that have one get it escaped, reversibly.
    return name.replace("%", "%25").replace("/", "%2F")
