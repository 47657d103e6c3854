"""The old names for logins, sites, pilots and queues, and what became of those that weyl has no alias for."""

from collections.abc import Iterator
from pprint import pformat
from typing import Any

from weyl.cli.legacy.arguments import Alias, Given, Option
from weyl.client.errors import UsageFault


def _login(given: Given) -> list[str]:
    words = ["login", *given.words[:1]]
    if given.has("group"):
        words += ["--group", given.one("group")]
    return words


def _facts(result: Any, given: Given) -> Iterator[str]:
    content = result.content
    shown = {
        "subject": content.get("sub"),
        "username": content.get("preferred_username"),
        "VO": content.get("vo"),
        "DIRAC group": content.get("dirac_group"),
        "properties": ", ".join(content.get("properties") or []),
    }
    for name, value in shown.items():
        yield f"{name:<12} : {value}"


def _allowed(result: Any, given: Given) -> Iterator[str]:
    yield from (row["Name"] for row in result.rows if row["Allowed"])


def _statuses(result: Any, given: Given) -> Iterator[str]:
    for row in result.rows:
        yield f"{row['Name']:<32} {'Active' if row['Allowed'] else 'Banned':<8} {row['Reason'] or ''}".rstrip()


def _document(result: Any, given: Given) -> Iterator[str]:
    yield pformat(dict(result.content))


def _one(*words: str, options: tuple[str, ...] = ()) -> Any:
    def make(given: Given) -> list[str]:
        if not given.words:
            raise UsageFault("Nothing is named.", hint="Give a name or an id.")
        return [*words, *given.words, *options]

    return make


def _fixed(*words: str) -> Any:
    return lambda given: list(words)


def _alias(name: str, summary: str, words: Any, show: Any = None, options: tuple[Option, ...] = ()) -> Alias:
    return Alias(name, summary, "[options] [NAME ...]", words, show, options)


def _mask(verb: str, noun: str) -> Any:
    """Return what bans or allows the first word, for the reason that the others are."""

    def make(given: Given) -> list[str]:
        if not given.words:
            raise UsageFault("Nothing is named.", hint="Give a name, and for a ban the reason.")
        name, *comment = given.words
        if verb == "allow":
            return [noun, "allow", name]
        if not comment:
            raise UsageFault("The reason is missing.", hint="As: NAME 'power cut until Monday'")
        return [noun, "ban", name, "--reason", " ".join(comment), "--until", "never", "--yes"]

    return make


GROUP = Option("group", "g", "Group to act in.")
ALIASES = (
    _alias("dirac-login", "Logs in; the VO is the argument.", _login, options=(GROUP,)),
    _alias("dirac-logout", "Ends the login.", _fixed("logout")),
    _alias("dirac-proxy-info", "Prints who you are logged in as.", _fixed("whoami"), _facts),
    _alias("dirac-admin-get-site-mask", "Lists the sites that may be used.", _fixed("sites", "list"), _allowed),
    _alias("dirac-rss-list-status", "Lists whether sites may be used.", _fixed("sites", "list"), _statuses),
    _alias("dirac-admin-ban-site", "Bans a site for a reason.", _mask("ban", "sites")),
    _alias("dirac-admin-allow-site", "Takes the ban of a site back.", _mask("allow", "sites")),
    _alias("dirac-admin-ban-se", "Bans a storage element for a reason.", _mask("ban", "ses")),
    _alias("dirac-admin-allow-se", "Takes the ban of a storage element back.", _mask("allow", "ses")),
    _alias("dirac-admin-site-mask-logging", "Lists the bans that a site has had.", _one("sites", "history")),
    _alias("dirac-admin-get-pilot-info", "Prints what is known about a pilot.", _one("pilots", "show"), _document),
    _alias("dirac-admin-get-pilot-logging-info", "Prints the log that a pilot has sent.", _one("pilots", "logs")),
    _alias(
        "dirac-admin-get-pilot-output",
        "Prints what a pilot wrote on its computing element.",
        _one("pilots", "logs", options=("--output",)),
    ),
    _alias(
        "dirac-admin-pilot-summary",
        "Counts pilots by site, computing element and status.",
        _fixed("pilots", "summary", "--by", "GridSite,DestinationSite,Status", "-o", "table"),
    ),
    _alias("dirac-admin-show-task-queues", "Lists what waits.", _fixed("task-queues", "list", "-o", "table")),
)

_IN_GIT = "weyl config: the configuration is in git, change it there (see the page Configuration)"
_RESOURCES = "weyl sites, weyl ces, weyl ses"
_DATA, _REQUESTS = "weyl data", "weyl requests"
_TRANSFORMATIONS, _PRODUCTIONS = "weyl transformations", "weyl productions"
# Old names without an alias here -> where that is done.
REPLACED = {
    "dirac-wms-job-get-output-data": f"{_DATA} get",
    "dirac-wms-jobs-select-output-search": "weyl jobs search, then weyl jobs output",
    "dirac-wms-match": "weyl task-queues",
    "dirac-admin-kill-pilot": "weyl pilots drain, weyl pilots admin revoke",
    **dict.fromkeys([f"dirac-admin-add-{name}" for name in ("user", "group", "host", "site")], _IN_GIT),
    **dict.fromkeys([f"dirac-rss-{name}" for name in ("query-db", "query-dtcache", "set-status")], _RESOURCES),
    **dict.fromkeys([f"dirac-rss-{name}" for name in ("set-token", "sync")], "nothing: there is no need for it"),
    **dict.fromkeys(["dirac-dms-replicate-lfn", "drepl"], f"{_DATA} replicate"),
    "dirac-dms-remove-replicas": f"{_DATA} rm --replica",
    "dirac-dms-protocol-matrix": f"{_DATA} matrix",
    "dirac-dms-directory-sync": f"{_DATA} sync",
    "dirac-dms-user-quota": f"{_DATA} quota",
    "dirac-dms-user-lfns": f"{_DATA} find --under",
    "dirac-dms-show-se-status": f"{_DATA} elements",
    **dict.fromkeys(["dcd", "dpwd"], "the variable WEYL_DATA_DIRECTORY, below which names without a slash lie"),
    **dict.fromkeys(["dconfig", "dgetenv"], "weyl config show, and the variables WEYL_*"),
}
FAMILIES = {
    "dirac-dms-": _DATA,
    "dirac-rms-": _REQUESTS,
    "dirac-transformation-": _TRANSFORMATIONS,
    "dirac-prod-": _PRODUCTIONS,
    "dirac-wms-": "weyl jobs",
    "dirac-admin-": "weyl config, weyl pilots, weyl tasks",
    "dirac-rss-": _RESOURCES,
}


def replacement(name: str) -> str | None:
    """Return where that is done what an old program did; None if it is no program of DIRAC that we know."""
    if name in REPLACED:
        return REPLACED[name]
    return next((home for prefix, home in FAMILIES.items() if name.startswith(prefix)), None)
