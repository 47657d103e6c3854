"""What the pilot says about the machine that it runs on."""

import os
import pwd
import socket

import pytest

from weyl_pilot.probe import account, host_name


def test_a_host_that_its_own_table_calls_localhost_keeps_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "node7")
    monkeypatch.setattr(socket, "getfqdn", lambda: "localhost.localdomain")
    assert host_name() == "node7"
    monkeypatch.setattr(socket, "getfqdn", lambda: "node7.example.org")
    assert host_name() == "node7.example.org"


def test_the_account_has_a_name_if_the_machine_knows_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert account() == pwd.getpwuid(os.geteuid()).pw_name
    monkeypatch.setattr(os, "geteuid", lambda: 4_000_000_000)
    assert account() == "4000000000"
