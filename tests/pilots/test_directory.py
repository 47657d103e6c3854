"""The directory of pilots: one that somebody else could change is refused."""

import os
from pathlib import Path

import pytest
from tests.infra.app import Application

from weyl.config.service import CONFIG
from weyl.kit.db import DATABASE
from weyl.kit.s3 import STORE
from weyl.pilots.compute_elements.directory import UntrustedDirectory, default_directory, make_trusted
from weyl.pilots.compute_elements.driver import DRIVERS
from weyl.pilots.errors import ComputingElementFailed
from weyl.pilots.service.commands import COMMANDS
from weyl.pilots.service.yard import Yard


def test_a_new_one_is_closed_to_others_whatever_the_umask(tmp_path: Path) -> None:
    directory = tmp_path / "pilots"
    before = os.umask(0)
    try:
        make_trusted(directory)
    finally:
        os.umask(before)
    # As root, the users of payloads walk through.
    assert directory.stat().st_mode & 0o777 == (0o711 if os.geteuid() == 0 else 0o700)
    make_trusted(directory)


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o770, 0o703])
def test_one_that_others_can_change_is_refused(tmp_path: Path, mode: int) -> None:
    directory = tmp_path / "pilots"
    directory.mkdir()
    directory.chmod(mode)
    with pytest.raises(UntrustedDirectory, match=r"can be changed by others .*WEYL_PILOT_DIRECTORY"):
        make_trusted(directory)


def test_one_of_another_user_is_refused(tmp_path: Path) -> None:
    directory = tmp_path / "pilots"
    directory.mkdir(mode=0o700)
    if os.geteuid() == 0:
        os.chown(directory, 12345, 12345)
    else:
        directory = Path("/")
    with pytest.raises(UntrustedDirectory, match="belongs to user"):
        make_trusted(directory)


def test_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "pilots").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UntrustedDirectory, match="is no directory"):
        make_trusted(tmp_path / "pilots")


def test_one_that_everybody_can_replace_is_refused(tmp_path: Path) -> None:
    above = tmp_path / "open"
    above.mkdir()
    above.chmod(0o777)
    with pytest.raises(UntrustedDirectory, match="can replace it"):
        make_trusted(above / "pilots")
    above.chmod(0o1777)
    make_trusted(above / "pilots")


def test_the_default_is_each_accounts_own() -> None:
    assert default_directory().name == f"weyl-pilots-{os.geteuid()}"


async def test_no_computing_element_works_in_a_directory_of_others(application: Application, tmp_path: Path) -> None:
    services = application.services
    directory = tmp_path / "pilots"
    directory.mkdir()
    settings = application.settings.model_copy(update={"pilot_directory": directory})
    yard = Yard.open(
        settings,
        db=services[DATABASE],
        config=services[CONFIG],
        store=services[STORE],
        drivers=services[DRIVERS],
        commands=services[COMMANDS],
    )
    config = services[CONFIG].current().config
    assert yard.driver(config, "LCG.Alpha.org", "ce.alpha.org")
    directory.chmod(0o777)
    with pytest.raises(ComputingElementFailed, match="can be changed by others"):
        yard.driver(config, "LCG.Alpha.org", "ce.alpha.org")
