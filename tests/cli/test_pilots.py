"""`weyl pilots` against a real server."""

import gzip
import json
import urllib.request
from collections.abc import Callable

from tests.cli.conftest import Program, Server

from weyl.kit.call import Call
from weyl.kit.ids import new_stamp


def pilot(server: Server, *, vo: str = "voa", log: bytes = b"") -> str:
    """Register a pilot, with a log if one is given, and return its stamp."""
    stamp = new_stamp()
    with server.client(group="service") as client:
        client.send(Call("POST", "/api/pilots/", body={"pilot_stamp": stamp, "vo": vo, "grid_site": "LCG.Alpha.org"}))
        if log:
            secret = client.send(Call("POST", "/api/pilots/secrets", dict, body={"vo": vo, "site": "LCG.Alpha.org"}))
            tokens = client.send(
                Call("POST", "/api/pilots/token", dict, body={"secret": secret["secret"]}, anonymous=True)
            )
            send_log(server, tokens["access_token"], log)
            stamp = tokens["stamp"]
    return stamp


def send_log(server: Server, token: str, log: bytes) -> None:
    request = urllib.request.Request(
        f"{server.url}/api/pilots/logs?chunk=0",
        data=gzip.compress(log),
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/gzip"},
    )
    urllib.request.urlopen(request).close()


def test_who_is_not_logged_in_gets_exit_4(weyl_as: Callable[..., Program]) -> None:
    for words in (["search"], ["summary"], ["show", "x"], ["logs", "x"], ["submission"]):
        assert weyl_as(None)("pilots", *words).returncode == 4, words


def test_pilots_do_not_read_about_pilots(weyl_as: Callable[..., Program]) -> None:
    assert weyl_as("alice", group="pilot")("pilots", "search").returncode == 5


def test_pilots_are_found_counted_and_shown(weyl: Program, server: Server) -> None:
    stamp = pilot(server)
    found = json.loads(weyl("pilots", "search", "--where", f"PilotStamp = {stamp}", "-o", "json").stdout)
    assert [(row["PilotStamp"], row["Status"]) for row in found] == [(stamp, "Submitted")]
    ids = weyl("pilots", "search", "-q", "--condition", f"PilotStamp eq {stamp}").stdout
    assert ids.split() == [stamp]
    counts = json.loads(weyl("pilots", "summary", "--by", "GridSite,Status", "-o", "json").stdout)
    assert {"GridSite", "Status", "count"} == set(counts[0])
    shown = json.loads(weyl("pilots", "show", stamp, "-o", "json").stdout)
    assert shown["GridSite"] == "LCG.Alpha.org"
    wrong = weyl("pilots", "search", "--parameter", "Statuss")
    assert wrong.returncode == 2
    assert "Did you mean: Status" in wrong.stderr


def test_pilots_of_another_vo_do_not_exist(weyl: Program, server: Server) -> None:
    stamp = pilot(server, vo="vob")
    assert weyl("pilots", "show", stamp).returncode == 3
    assert weyl("pilots", "logs", stamp).returncode == 3


def test_the_log_of_a_pilot_is_printed_as_it_is(weyl: Program, server: Server) -> None:
    stamp = pilot(server, log=b"found 4 cores\n")
    assert weyl("pilots", "logs", stamp).stdout == "found 4 cores\n"


def test_queues_are_listed(weyl: Program) -> None:
    assert weyl("pilots", "submission").returncode == 0
