"""DiracX's published tests of its client, command line and API, as they are, against a running system: all 29 pass."""

import json
from pathlib import Path

import pytest

from tests.admin.machine import make_certificates
from tests.compat.published import PublishedTests
from weyl.demo.stack import Stack

pytestmark = pytest.mark.xdist_group("compat")


@pytest.fixture
def demo(stack: Stack, tmp_path: Path) -> Path:
    """What the tests read of DiracX's demo: where it is, and who signs its certificates."""
    described = tmp_path / ".demo"
    described.mkdir()
    (described / "values.yaml").write_text(json.dumps({"developer": {"urls": {"diracx": stack.url}}}))
    make_certificates(described, "localhost")
    (described / "ca.pem").rename(described / "demo-ca.pem")
    return tmp_path


@pytest.mark.parametrize(("package", "count"), [("client", 7), ("cli", 19), ("api", 3)])
def test_every_published_test_passes(
    published: PublishedTests, demo: Path, tmp_path: Path, package: str, count: int
) -> None:
    outcomes = published.run(package, demo, tmp_path)
    assert {name: outcome for name, outcome in outcomes.items() if outcome != "passed"} == {}
    assert len(outcomes) == count
