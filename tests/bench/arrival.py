"""How long a post takes from its source to its place in the queue, and what each process weighs.

``python -m tests.bench.arrival [--posts 200]``

A faithful local X gives posts; a pass collects, triages and ranks what is new. The time of a pass is what Tocsin adds to the
schedule's interval. The peer is a bare fetch of the same page with ``requests``: what the network alone costs.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import requests

from pipeline.app import assemble
from pipeline.domain import Filters
from pipeline.flows import listen
from tests.contracts.sources.fake_server import Post
from tests.contracts.sources.fake_x import TOKEN, FakeX

CONFIG = """
[[brand]]
name = "Kestrel"
[[query]]
name = "kestrel"
brand = "Kestrel"
[[source]]
name = "x"
kind = "x"
base_url = "{url}"
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--posts", type=int, default=200, help="passes, with one new post each")
    posts = parser.parse_args().posts
    with tempfile.TemporaryDirectory() as folder, FakeX(limit=10**9) as server:
        config = Path(folder) / "tocsin.toml"
        config.write_text(CONFIG.format(url=server.url))
        os.environ |= {"TOCSIN_X_BEARER_TOKEN": TOKEN, "TOCSIN_HOME": str(Path(folder) / "home")}
        passes(config, server, posts)
        cold(config, server)
        weights(config)


def passes(config: Path, server: FakeX, count: int) -> None:
    """One post a pass, in a process that is warm."""
    tocsin = assemble(config)
    start = datetime.now(UTC) - timedelta(hours=2)
    ours: list[float] = []
    bare: list[float] = []
    for number in range(count + 5):
        server.publish([_post(number, start)])
        began = time.perf_counter()
        listen(tocsin)
        queued = time.perf_counter() - began
        url, key = f"{server.url}/2/tweets/search/recent", {"authorization": f"Bearer {TOKEN}"}
        began = time.perf_counter()
        requests.get(url, params={"query": "Kestrel", "max_results": "10"}, headers=key, timeout=5).json()
        if number >= 5:  # the first passes load the model
            ours.append(queued)
            bare.append(time.perf_counter() - began)
    waiting = tocsin.store.queue_counts(datetime.now(UTC), Filters()).waiting
    assert waiting == count + 5, f"{waiting} of {count + 5} posts are in the queue"
    tocsin.store.close()
    print(f"a pass with one new post, {count} passes: source to place in the queue")
    print(f"  ours       p50 {_at(ours, 50):7.1f} ms   p95 {_at(ours, 95):7.1f} ms")
    print(
        f"  bare fetch p50 {_at(bare, 50):7.1f} ms   p95 {_at(bare, 95):7.1f} ms   ratio {_at(ours, 50) / _at(bare, 50):.1f}x"
    )


def cold(config: Path, server: FakeX) -> None:
    """The same by the command line: a process that starts, loads the model, and ends."""
    times: list[float] = []
    for number in range(10_000, 10_005):
        server.publish([_post(number, datetime.now(UTC) - timedelta(hours=1) - timedelta(seconds=10_000))])
        began = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "pipeline.cli", "run", "--config", str(config)], check=True, capture_output=True
        )
        times.append(time.perf_counter() - began)
    print(f"  tocsin run, cold: median {statistics.median(times):.2f} s ({min(times):.2f} to {max(times):.2f})")


def weights(config: Path) -> None:
    """Memory of the processes that a schedule starts, at rest."""
    print("memory (PSS, MiB)")
    pages = [
        sys.executable,
        "-m",
        "uvicorn",
        "--factory",
        "pipeline.pages:pages",
        "--port",
        "0",
        "--log-level",
        "error",
    ]
    with subprocess.Popen(pages, env={**os.environ, "TOCSIN_CONFIG": str(config)}) as process:
        time.sleep(6)
        print(f"  pages                  {psutil.Process(process.pid).memory_full_info().pss / 2**20:7.0f}")
        process.terminate()
    script = (
        "import psutil; from pathlib import Path; from pipeline.app import assemble; from pipeline.flows import listen;"
        f"t = assemble(Path({str(config)!r})); t.classifier().classify_and_explain(['x'], ['en']); listen(t);"
        "print(round(psutil.Process().memory_full_info().pss / 2**20))"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    print(f"  a pass, model loaded   {int(done.stdout):7d}")


def _post(number: int, start: datetime) -> Post:
    text = f"Kestrel took my money twice, order {number}, nobody answers"
    return Post(number=number, text=text, at=start + timedelta(seconds=number), author=f"p{number}")


def _at(values: list[float], percent: int) -> float:
    return sorted(values)[min(len(values) - 1, len(values) * percent // 100)] * 1000


if __name__ == "__main__":
    main()
