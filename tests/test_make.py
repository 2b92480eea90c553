"""What `make` installs works wherever the clone lies."""

from __future__ import annotations

import os
import shutil
import subprocess
import venv
from pathlib import Path

import pytest

from tests import REPOSITORY

SHOWS_ITS_ARGUMENTS = "import pipeline, sys\nprint(pipeline.__file__, sys.argv[1:])\n"


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed here")
def test_a_clone_in_a_folder_of_any_name_can_be_run(tmp_path: Path) -> None:
    name = r"""Ana's "$HOME" `date` $(date) back\slash & co; #1"""
    clone = tmp_path / name
    (clone / "pipeline" / "cli").mkdir(parents=True)
    (clone / "pipeline" / "__init__.py").touch()
    (clone / "pipeline" / "cli" / "__init__.py").touch()
    (clone / "pipeline" / "cli" / "__main__.py").write_text(SHOWS_ITS_ARGUMENTS, encoding="utf-8")
    (clone / "requirements.txt").touch()
    shutil.copy(REPOSITORY / "Makefile", clone)
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "PYTHON"))}
    # Bare, as pip takes longer to install than all the rest; `true` takes the place of uv: nothing is installed, the
    # path file and the launcher are what is tested.
    venv.create(clone / ".venv", symlinks=True)
    subprocess.run(
        ["make", ".venv/run.stamp", "UV=true"],
        cwd=clone, env=environ, check=True, capture_output=True, timeout=240,
    )  # fmt: skip
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "pipeline").mkdir(parents=True)
    (elsewhere / "pipeline" / "__init__.py").touch()
    told = subprocess.run(
        [clone / ".venv" / "bin" / "tocsin", "queue", "two words"],
        cwd=elsewhere, env=environ, check=True, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert told.stdout == f"{clone / 'pipeline' / '__init__.py'} ['queue', 'two words']\n"
