"""Tells addresses that only this machine reaches."""

import ipaddress


def is_loopback(host: str) -> bool:
    """Tell whether a host, a name or an address, is this machine and nothing that others reach."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
