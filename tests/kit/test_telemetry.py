"""Logs: what others sent forges no lines and moves no cursor, and secrets are masked, in both forms."""

import json
import subprocess
import sys

import pytest

from weyl.kit.telemetry import mask

PROGRAM = """
import sys, structlog, logging
from weyl.kit.telemetry import configure_logging
configure_logging(log_format=sys.argv[1], level="INFO")
sent = "/x\\n2026-11-25 [info] all is well\\r\\x1b[2J\\x1b]0;title\\x07\\u202e"
structlog.get_logger("a").info("request.refused", path=sent, secret="weylp_test_" + "x" * 43)
logging.getLogger("library").warning("said %s", sent)
try:
    raise ValueError("a traceback\\nhas lines")
except ValueError:
    structlog.get_logger("a").error("request.failed", path=sent, exc_info=True)
"""


@pytest.mark.parametrize("form", ["json", "console"])
def test_what_somebody_sent_makes_no_lines_of_its_own(form: str) -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM, form], capture_output=True, text=True, check=True)
    lines = done.stderr.split("\n")
    assert not any(character in done.stderr for character in "\r\x1b\x07\u202e")
    assert not any(line.startswith("2026-11-25 [info]") for line in lines)
    assert sum("all is well" in line for line in lines) == 3
    assert "xxxx" not in done.stderr
    assert "has lines" in done.stderr
    if form == "json":
        assert [json.loads(line)["level"] for line in lines if line] == ["info", "warning", "error"]


def test_cookies_of_logins_are_masked() -> None:
    for name in ("__Host-session", "insecure-session", "__Host-weyl-login"):
        assert mask(f"a=b; {name}={'x' * 43}; c=d") == f"a=b; {name}=[secret]; c=d"
