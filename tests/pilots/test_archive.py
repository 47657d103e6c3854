"""The pilot program as one file."""

import io
import subprocess
import sys
import zipfile
from pathlib import Path

from weyl.pilots.archive import ARCHIVE_NAME, SHEBANG, pilot_archive


def test_the_archive_runs_without_weyl(tmp_path: Path) -> None:
    (tmp_path / ARCHIVE_NAME).write_bytes(pilot_archive().content)
    done = subprocess.run(
        [sys.executable, "-I", "-S", ARCHIVE_NAME, "--help"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    assert "--secret-file" in done.stdout


def test_the_same_sources_make_the_same_bytes_and_are_packed_once() -> None:
    first = pilot_archive()
    assert pilot_archive() is first
    assert first.content.startswith(SHEBANG)
    with zipfile.ZipFile(io.BytesIO(first.content)) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert "weyl_pilot/keeper.py" in archive.namelist()
