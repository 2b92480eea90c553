"""One real Elasticsearch node for a run of the tests, on loopback; ``tests/elasticsearch.sh`` fetches what it is made of.

The first test that needs it starts a keeper process, which starts the node, writes down its address and stops it again
once the run is over, however it ended. The workers of one run share it.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import psutil
import pytest

from tests import REPOSITORY

VERSION = "9.2.8"
CACHED = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tocsin" / f"elasticsearch-{VERSION}.zip"
OLDEST_JAVA = 21
HEAP = "512m"
BOOT_SECONDS = 180  # 10 are usual; two busy cores may take a minute
NOBODY = 65534  # Elasticsearch refuses to run as root


def java() -> Path | None:
    """A JDK that can run the node: the distribution brings none."""
    homes = [Path(os.environ["JAVA_HOME"])] if os.environ.get("JAVA_HOME") else []
    for home in [*homes, *sorted(Path("/usr/lib/jvm").glob("*"))]:
        with_version = home / "release"
        if (home / "bin" / "java").exists() and with_version.is_file():
            version = re.search(r'^JAVA_VERSION="(\d+)', with_version.read_text(), re.MULTILINE)
            if version and int(version[1]) >= OLDEST_JAVA:
                return home
    return None


# --- for the tests --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Node:
    """A running node, and the prefix of the indices that this worker may use."""

    url: str
    prefix: str

    def emptied(self) -> str:
        """The prefix, with nothing in its indices: to empty them takes a tenth of making them anew."""
        everything = f"/{self.prefix}-*/_search?size=10000&_source=false&allow_no_indices=true"
        while found := self.ask("POST", everything)["hits"]["hits"]:
            lines = [json.dumps({"delete": {"_index": each["_index"], "_id": each["_id"]}}) for each in found]
            self.ask("POST", "/_bulk?refresh=true", "\n".join(lines) + "\n")
        return self.prefix

    def removed(self) -> None:
        """Take away all that was made under the prefix."""
        for name in self.ask("GET", f"/{self.prefix}-*?expand_wildcards=all&filter_path=*.aliases"):
            self.ask("DELETE", f"/{name}")
        for kind in ("_index_template", "_component_template"):
            self.ask("DELETE", f"/{kind}/{self.prefix}-*")

    def ask(self, method: str, path: str, body: str | None = None) -> Any:
        """The answer of the node to a request of the tests' own."""
        request = urllib.request.Request(self.url + path, body.encode() if body else None, method=method)
        request.add_header("Content-Type", "application/x-ndjson" if path.startswith("/_bulk") else "application/json")
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                if error.code == 404:
                    return {}
                raise RuntimeError(f"{method} {path}: {error.read().decode()[:600]}") from error


@pytest.fixture(scope="session")
def elasticsearch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A node that all tests of this run share; every worker, and every run on a node that was given, has its own prefix."""
    node = Node(_url(tmp_path_factory), f"test-{os.environ.get('PYTEST_XDIST_WORKER', 'alone')}-{secrets.token_hex(3)}")
    yield node
    node.removed()


def _url(tmp_path_factory: pytest.TempPathFactory) -> str:
    if given := os.environ.get("TOCSIN_TEST_ELASTICSEARCH_URL"):
        return given
    home = java()
    if home is None or not CACHED.is_file():
        reason = f"no JDK {OLDEST_JAVA}" if home is None else f"no {CACHED}: run tests/elasticsearch.sh"
        if home is not None and os.environ.get("CI") and shutil.which("mvn"):
            pytest.fail(f"this machine can have an Elasticsearch and has none: {reason}")
        pytest.skip(f"no Elasticsearch ({reason})")
    own = tmp_path_factory.getbasetemp()
    worker = "PYTEST_XDIST_WORKER" in os.environ
    return _shared_node(own.parent if worker else own, run=os.getppid() if worker else os.getpid())


def _shared_node(folder: Path, *, run: int) -> str:
    """The address of the run's node; whoever comes first starts its keeper."""
    told = folder / "elasticsearch.json"
    with (folder / "elasticsearch.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not told.exists():
            with (folder / "elasticsearch.log").open("w") as log:
                keeper = subprocess.Popen(
                    [sys.executable, "-m", "tests.node", "keep", str(told), str(run)],
                    cwd=REPOSITORY,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=log,
                    start_new_session=True,  # Ctrl-C is for the tests; the keeper ends after them
                )
            keeper.returncode = 0  # it outlives this process: nobody waits for it, and Python need not warn
            for _ in range(BOOT_SECONDS * 10):
                if told.exists():
                    break
                time.sleep(0.1)
    found = json.loads(told.read_text()) if told.exists() else {"error": "it did not start in time"}
    if "error" in found:
        pytest.fail(f"Elasticsearch: {found['error']}")
    return str(found["url"])


# --- the keeper -----------------------------------------------------------------------------------------------------


def keep(told: Path, run: int) -> None:
    """Start a node, write its address (or why there is none) to ``told``, stop it when the process ``run`` has ended."""
    folder = Path(tempfile.mkdtemp(prefix="tocsin-elasticsearch-"))
    try:
        try:
            process, url = start(folder, alive=lambda: psutil.pid_exists(run))
        except (OSError, RuntimeError, subprocess.SubprocessError, zipfile.BadZipFile) as error:
            _write(told, {"error": str(error)})
            return
        _write(told, {"url": url, "pid": process.pid})
        while psutil.pid_exists(run) and process.is_running():
            time.sleep(0.3)
        stop(process)
    finally:
        for each in psutil.process_iter(["cmdline"]):  # a node that was still starting when its time was up
            if any(str(folder) in part for part in each.info["cmdline"] or ()) and each.pid != os.getpid():
                stop(each)
        shutil.rmtree(folder, ignore_errors=True)


def start(folder: Path, *, alive: Callable[[], bool] = lambda: True) -> tuple[psutil.Process, str]:
    """A node in an empty folder, and its address, once it answers; raises ``RuntimeError`` with the end of its log."""
    unpack(folder)
    return boot(folder, free_port(), alive=alive)


def unpack(folder: Path) -> None:
    """Fill an empty folder with what a node is made of."""
    with zipfile.ZipFile(CACHED) as archive:
        archive.extractall(folder)
    for each in (folder / f"elasticsearch-{VERSION}").glob("bin/*"):
        each.chmod(0o755)
    folder.chmod(0o755)
    for name in ("data", "logs", "tmp", "snapshots"):
        (folder / name).mkdir()
    if os.getuid() == 0:
        subprocess.run(["chown", "-R", f"{NOBODY}:{NOBODY}", str(folder)], check=True)


def free_port() -> int:
    """A port of loopback that nobody listens to."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def boot(
    folder: Path,
    port: int,
    *,
    alive: Callable[[], bool] = lambda: True,
    more: Mapping[str, object] = MappingProxyType({"discovery.type": "single-node"}),
) -> tuple[psutil.Process, str]:
    """The node of a folder, which may have run there before, on a port, with ``more`` settings."""
    home = java()
    if home is None:
        raise RuntimeError(f"no JDK {OLDEST_JAVA}")
    node = folder / f"elasticsearch-{VERSION}"
    settings = {
        "network.host": "127.0.0.1", "http.port": port, "transport.port": 0,
        "path.data": folder / "data", "path.logs": folder / "logs", "path.repo": folder / "snapshots",
        "xpack.security.enabled": "false", "cluster.routing.allocation.disk.threshold_enabled": "false", **more,
    }  # fmt: skip
    command = [str(node / "bin" / "elasticsearch"), "-d", "-p", str(folder / "pid")]
    with (folder / "out").open("w") as out:
        done = subprocess.run(
            command + [part for name, value in settings.items() for part in ("-E", f"{name}={value}")],
            cwd=folder,
            env={
                "PATH": os.environ["PATH"], "HOME": str(folder), "ES_JAVA_HOME": str(home), "ES_TMPDIR": str(folder / "tmp"),
                "ES_PATH_CONF": str(node / "config"), "ES_JAVA_OPTS": f"-Xms{HEAP} -Xmx{HEAP}", "CLI_JAVA_OPTS": "-Xmx64m",
            },
            stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, timeout=BOOT_SECONDS, check=False,
            **({"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.getuid() == 0 else {}),
        )  # fmt: skip
    if done.returncode:
        raise RuntimeError("the node did not start: " + (folder / "out").read_text()[-600:])
    process = psutil.Process(int((folder / "pid").read_text()))
    url = f"http://127.0.0.1:{port}"
    for _ in range(BOOT_SECONDS * 5):
        if _healthy(url):
            return process, url
        if not process.is_running() or not alive():
            break
        time.sleep(0.2)
    stop(process)
    raise RuntimeError("the node did not become healthy: " + (folder / "out").read_text()[-600:])


def stop(process: psutil.Process) -> None:
    """End a node; it takes two seconds to write what it has."""
    try:
        process.terminate()
        process.wait(20)
    except psutil.TimeoutExpired:
        process.kill()
        process.wait(20)
    except psutil.NoSuchProcess:
        return


def _healthy(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/_cluster/health?wait_for_status=yellow&timeout=1s", timeout=5):
            return True
    except OSError:
        return False


def _write(path: Path, content: dict[str, object]) -> None:
    part = path.with_suffix(".part")
    part.write_text(json.dumps(content))
    part.replace(path)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["java"]:
            if (found := java()) is None:
                sys.exit(1)
            print(found)
        case ["keep", told, run]:
            keep(Path(told), int(run))
        case _:
            sys.exit("python -m tests.node java | keep FILE PID")
