"""What every test needs before anything is imported."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

import pytest

from tests.grouping import pytest_xdist_make_scheduler  # noqa: F401 - a hook

# Airflow reads these when it is first imported; a test never touches a developer's own Airflow.
_AIRFLOW = tempfile.mkdtemp(prefix="tocsin-airflow-")
atexit.register(shutil.rmtree, _AIRFLOW, ignore_errors=True)
os.environ["AIRFLOW_HOME"] = _AIRFLOW
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
os.environ["AIRFLOW__CORE__DAGS_FOLDER"] = str(Path(__file__).resolve().parent.parent / "dags")
for _variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")
for _variable in [
    name
    for name in os.environ
    if name.startswith("TOCSIN_") and name not in {"TOCSIN_SHARED", "TOCSIN_CHROMIUM", "TOCSIN_TEST_ELASTICSEARCH_URL"}
]:
    del os.environ[_variable]


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of shared data, beside the repository or where TOCSIN_SHARED says."""
    folder = Path(os.environ.get("TOCSIN_SHARED") or Path(__file__).resolve().parent.parent.parent / "shared")
    if not folder.is_dir():
        pytest.skip(f"no shared data at {folder}; set TOCSIN_SHARED")
    return folder
