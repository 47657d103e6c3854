"""The suite's configuration: two VOs with the same people, one for DiracX's tests, and a grid where nothing runs."""

import hashlib
from typing import Any
from uuid import uuid4

from tests.compat import dex
from weyl.config.administration import Document
from weyl.demo.idp import CLIENT_ID, USERS

VOS = (dex.VO, "voa", "vob")
MEMBERS = ("alice", "bob")
OUTSIDER = "max"
"""In the registry of both VOs, in no group."""
GROUPS = {
    "user": ["NormalUser"],
    "admin": ["NormalUser", "JobAdministrator", "ProxyManagement"],
    "service": ["ServiceAdministrator"],
    "pilot": ["GenericPilot"],
}
SUBJECTS = {user.name: user.subject for user in USERS}
RESCHEDULES_MAX = 2
WEB_PAGE = "http://localhost:3000"
EXCHANGE_SECRET = b"secret-of-the-compat-suite"
SETTINGS: dict[str, object] = {
    "logins_per_minute": 10_000,
    "cors_origins": [WEB_PAGE],
    "legacy_exchange_hash": hashlib.sha256(EXCHANGE_SECRET).hexdigest(),
}


def document(idp_url: str, dex_url: str) -> Document:
    """Return the configuration, given the URLs of the identity providers."""
    return {
        "DIRAC": {},
        "Registry": {
            dex.VO: _organisation_of_published_tests(dex_url),
            "voa": _organisation(idp_url),
            "vob": _organisation(idp_url),
        },
        "Operations": {
            "Defaults": {"Services": {"JobScheduling": {"MaxRescheduling": RESCHEDULES_MAX}}},
            "voa": {"ResourceStatus": {"Sites": {"LCG.Beta.org": {"Status": "Banned", "Reason": "no disk left"}}}},
        },
        "Resources": {
            "Sites": {
                # No CE has a queue: nobody sends a pilot, jobs stay where the tests put them.
                "LCG.Alpha.org": {"CEs": {"ce.alpha.org": {"Driver": "local"}}},
                "LCG.Beta.org": {
                    "CEs": {"ce.beta.org": {"Driver": "local", "Status": {"Status": "Degraded", "Reason": "slow"}}}
                },
            },
            "StorageElements": {
                "ALPHA-disk": {
                    "Status": {
                        "Read": {"Status": "Active"},
                        "Write": {"Status": "Banned", "Reason": "full"},
                        "Check": {"Status": "Degraded"},
                        "Remove": {"Status": "Probing"},
                    }
                }
            },
            "FTS": {},
        },
    }


def _organisation(idp_url: str) -> dict[str, Any]:
    return {
        "IdP": {"URL": idp_url, "ClientID": CLIENT_ID},
        "DefaultGroup": "user",
        "Users": {SUBJECTS[name]: {"PreferedUsername": name} for name in (*MEMBERS, OUTSIDER)},
        "Groups": {
            group: {"Properties": properties, "Users": [SUBJECTS[name] for name in MEMBERS]}
            for group, properties in GROUPS.items()
        },
    }


def _organisation_of_published_tests(dex_url: str) -> dict[str, Any]:
    return {
        "IdP": {"URL": dex_url, "ClientID": CLIENT_ID},
        "DefaultGroup": "user",
        "Users": {dex.ADMIN.subject: {"PreferedUsername": "admin"}},
        "Groups": {"user": {"Properties": GROUPS["user"], "Users": [dex.ADMIN.subject]}},
    }


def new_group() -> str:
    """Return a job group of a test's own, so that its captions and counts are its own."""
    return uuid4().hex[:16]


def jdl(group: str = "", **attributes: object) -> str:
    """Return a JDL of `/bin/true` with further attributes; lists and text are quoted."""
    given = {"Executable": "/bin/true", **({"JobGroup": group} if group else {}), **attributes}
    return "[\n" + "\n".join(f"  {name} = {_literal(value)};" for name, value in given.items()) + "\n]"


def _literal(value: object) -> str:
    if isinstance(value, list):
        return "{" + ", ".join(_literal(item) for item in value) + "}"
    return f'"{value}"' if isinstance(value, str) else str(value)


def of_group(group: str) -> dict[str, object]:
    """Return the condition that a job is of this group."""
    return {"parameter": "JobGroup", "operator": "eq", "value": group}
