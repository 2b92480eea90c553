"""All benchmarks, one after another, each in a process of its own: ``make bench``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
RUNS = (
    ("triage: posts a second beside bare vaderSentiment", [str(HERE / "triage.py")]),
    (
        "queue: a page at 10 thousand to 1 million tickets",
        [str(HERE / "queue.py"), "--sizes", "10000", "100000", "1000000"],
    ),
    ("search: with its facets, SQLite, 100 thousand mentions", ["-m", "tests.bench.search"]),
    (
        "Elasticsearch: written beside bare helpers.bulk, the queue and search with facets, 100 thousand mentions",
        ["-m", "tests.bench.elastic", "--mentions", "100000", "--tickets", "20000"],
    ),
    ("queueing: who waits under overload, five orders simulated", ["-m", "tests.bench.queueing"]),
    ("arrival: from the source to the queue, and memory", ["-m", "tests.bench.arrival"]),
)

for title, command in RUNS:
    print(f"\n== {title}", flush=True)
    subprocess.run([sys.executable, *command], check=True, cwd=HERE.parent.parent)
