"""Physical names: the storage path of what somebody names by the address under which a storage element has it."""

from weyl.storage.elements import Element


def storage_path_of(element: Element, pfn: str) -> str | None:
    """Return the storage path that a name stands for at an element; None: it is at none of its doors.

    A name that begins with a slash is a storage path already.
    """
    if pfn.startswith("/"):
        return pfn
    for endpoint in element.endpoints:
        bucket = f"/{endpoint.bucket}" if endpoint.bucket is not None else ""
        root = endpoint.path_for(element.vo)
        base = f"{endpoint.url or 'file://'}{bucket}{'' if root == '/' else root}"
        if pfn.startswith(f"{base}/"):
            return pfn[len(base) :]
    return None
