"""How fast a post is triaged, step by step, beside bare vaderSentiment on the same posts in the same run, on one core.

``python tests/bench/triage.py [--posts 6000] [--model FOLDER | --no-model] [--profile]``

The path is ``flows.triage_mentions`` itself, into a SQLite file, in batches of 1,000; its steps are timed from outside. Posts
are the authored corpus, and the labelled ones of ``TOCSIN_SHARED`` where it is there, shuffled with a fixed seed; each is
used once, so nothing is warm but what earlier posts of a running service would have warmed (the first fifth warms up and is
not counted). VADER scores each fifth right after it was triaged. Seconds are CPU seconds of this process.
"""

from __future__ import annotations

import os

for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[threads] = "1"  # one core, as promised; before numpy is imported

import argparse  # noqa: E402
import cProfile  # noqa: E402
import json  # noqa: E402
import pstats  # noqa: E402
import random  # noqa: E402
import resource  # noqa: E402
import statistics  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
import time  # noqa: E402
from collections import defaultdict  # noqa: E402
from collections.abc import Callable, Iterator, Sequence  # noqa: E402
from contextlib import contextmanager  # noqa: E402
from datetime import UTC, datetime, timedelta  # noqa: E402
from pathlib import Path  # noqa: E402
from types import SimpleNamespace  # noqa: E402
from typing import Any  # noqa: E402

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[0] = str(REPOSITORY)  # instead of this folder, where a file hides the standard library's queue

import numpy as np  # noqa: E402
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer  # noqa: E402

import models  # noqa: E402
from pipeline import flows  # noqa: E402
from pipeline.config import Config  # noqa: E402
from pipeline.domain import Author, Mention  # noqa: E402
from pipeline.flows import Tocsin  # noqa: E402
from pipeline.landing import LandingZone  # noqa: E402
from pipeline.stores.sqlite import SqliteStore  # noqa: E402

NOW = datetime(2026, 11, 25, 10, 0, tzinfo=UTC)
REPEATS = 5
BATCH = flows.TRIAGE_SIZE
STEPS = ("normalise", "sketch", "fold candidates", "fold", "models", "score", "write mentions", "read threads",
         "prioritise", "write tickets")  # fmt: skip


class Clock:
    """CPU seconds by step; a step inside another is taken out of it."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._inner: list[float] = []

    def timed(self, step: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, with its time added to a step."""

        def run(*arguments: Any, **named: Any) -> Any:
            self._inner.append(0.0)
            start = time.process_time()
            try:
                return function(*arguments, **named)
            finally:
                spent = time.process_time() - start
                self.seconds[step] += spent - self._inner.pop()
                if self._inner:
                    self._inner[-1] += spent

        return run


@contextmanager
def watched(clock: Clock, store: SqliteStore) -> Iterator[None]:
    """The flow with its steps timed."""
    steps = {
        "normalise": "normalise", "sketch": "sketch", "fold": "fold", "score": "score", "prioritise": "prioritise",
        "index_mentions": "write mentions", "touched_conversations": "read threads", "index_tickets": "write tickets",
    }  # fmt: skip
    before = {name: getattr(flows, name) for name in steps}
    for name, step in steps.items():
        setattr(flows, name, clock.timed(step, before[name]))
    store.fold_candidates = clock.timed("fold candidates", store.fold_candidates)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for name, function in before.items():
            setattr(flows, name, function)


class NoModel:
    """Stands in for a model: no cost, no answer, hence no ratio to be proud of."""

    version = "none"

    def classify_and_explain(
        self, texts: Sequence[str], languages: Sequence[str]
    ) -> tuple[SimpleNamespace, list[tuple[()]]]:
        n = len(texts)
        found = SimpleNamespace(
            sentiment=np.full((n, 3), 1 / 3), category=np.full((n, 8), 1 / 8), urgency=np.full((n, 4), 1 / 4),
            crisis=np.full(n, 0.01), rules=((),) * n,
        )  # fmt: skip
        return found, [()] * n


def corpus(limit: int) -> list[str]:
    """Texts to triage, in a fixed random order."""
    texts = [
        json.loads(line)["text"]
        for path in sorted((REPOSITORY / "models" / "authored").glob("*.jsonl"))
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    shared = (
        Path(os.environ.get("TOCSIN_SHARED", REPOSITORY.parent / "shared")) / "data" / "triage_labels" / "train.tsv"
    )
    if shared.is_file():
        texts += [line.split("\t")[3] for line in shared.read_text(encoding="utf-8").splitlines()[1:]]
    random.Random(7).shuffle(texts)
    return texts[:limit]


def mention(number: int, text: str) -> Mention:
    return Mention(
        id=f"x:{number}", source="x", query="bench", brand="Bench", text=text, posted_at=NOW + timedelta(seconds=number),
        author=Author(id=f"x:user{number}", handle=f"user{number}", name="A Person", followers=number % 5000),
        collected_at=NOW + timedelta(seconds=number + 60), conversation=f"x:{number}", language="und",
        url=f"https://x.example/{number}",
    )  # fmt: skip


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--posts", type=int, default=100_000, help="at most so many posts")
    options.add_argument("--model", type=Path, default=None, help="the model's folder; default: the shipped one")
    options.add_argument("--no-model", action="store_true", help="time the rest of the path alone")
    options.add_argument("--profile", action="store_true", help="print where the time of the whole path goes")
    chosen = options.parse_args()
    texts = corpus(chosen.posts)
    start = time.perf_counter()
    model: Any = NoModel() if chosen.no_model else models.load(chosen.model)
    print(f"model {model.version}, loaded in {time.perf_counter() - start:.2f} s")
    clock = Clock()
    classifier: Any = SimpleNamespace(
        version=model.version,
        classify_and_explain=clock.timed("models", model.classify_and_explain),
    )
    with tempfile.TemporaryDirectory() as folder:
        store = SqliteStore(Path(folder) / "bench.db")
        tocsin = Tocsin(
            config=Config(), store=store, landing=LandingZone(folder), sources={}, queries={}, notifiers={},
            classifier=lambda: classifier, clock=lambda: NOW, files=None,  # type: ignore[arg-type]
        )  # fmt: skip
        with watched(clock, store):
            report(run(tocsin, clock, texts, profile=chosen.profile), sum(map(len, texts)) / len(texts))
        store.close()


def run(tocsin: Tocsin, clock: Clock, texts: Sequence[str], *, profile: bool) -> list[dict[str, float]]:
    """Microseconds a post by step, for each part but the first, with VADER's beside them."""
    vader = SentimentIntensityAnalyzer()
    size = len(texts) // (REPEATS + 1)
    profiler = cProfile.Profile()
    parts: list[dict[str, float]] = []
    for part in range(REPEATS + 1):
        numbers = range(part * size, (part + 1) * size)
        mentions = [mention(number, texts[number]) for number in numbers]
        clock.seconds.clear()
        start, wall = time.process_time(), time.perf_counter()
        if profile and part:
            profiler.enable()
        for first in range(0, size, BATCH):
            flows.triage_mentions(tocsin, mentions[first : first + BATCH])
        profiler.disable()
        spent, elapsed = time.process_time() - start, time.perf_counter() - wall
        start = time.process_time()
        for number in numbers:
            vader.polarity_scores(texts[number])
        seconds = {**clock.seconds, "whole path": spent, "wall clock": elapsed, "vader": time.process_time() - start}
        if part:
            parts.append({step: value / size * 1e6 for step, value in seconds.items()})
    if profile:
        pstats.Stats(profiler).sort_stats("tottime").print_stats(45)
    return parts


def report(parts: Sequence[dict[str, float]], length: float) -> None:
    """The table: median of the parts, their spread, and the ratio to VADER."""
    print(f"{len(parts)} parts, posts of {length:.0f} characters on average; microseconds a post, one core")
    print(f"{'step':<18}{'median':>9}{'lowest':>9}{'highest':>9}{'posts/s':>11}")
    for step in (*STEPS, "whole path", "wall clock", "vader"):
        values = [part.get(step, 0.0) for part in parts]
        median = statistics.median(values)
        rate = f"{1e6 / median:,.0f}" if median else "-"
        print(f"{step:<18}{median:>9.1f}{min(values):>9.1f}{max(values):>9.1f}{rate:>11}")
    ratios = [part["vader"] / part["whole path"] for part in parts]
    print(
        f"rate of the whole path / rate of bare VADER: {statistics.median(ratios):.2f} "
        f"({min(ratios):.2f} to {max(ratios):.2f}); the goal is 0.33, better 0.50"
    )
    models_ = statistics.median([part.get("models", 0.0) for part in parts])
    print(
        f"of it models: {models_:.1f} microseconds; peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB"
    )


if __name__ == "__main__":
    main()
