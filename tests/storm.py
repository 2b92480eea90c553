"""Kills ``tocsin run`` and ``tocsin watch`` at random moments of a spike, lets them finish, and counts.

``python tests/storm.py --kills 50`` prints a table and ends with 1 when a post is lost or doubled, when a conversation has
not exactly one ticket, or when a notice is missing. The measure is a calm twin: another store that reads the same posts
from the same server without being killed.
"""

from __future__ import annotations

import argparse
import base64
import itertools
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY))

from tests.contracts.sources.fake_server import Post  # noqa: E402
from tests.contracts.sources.fake_x import HOLDBACK, TOKEN, FakeX, native_id  # noqa: E402

EVERY_OTHER = 7  # one post in so many is about something else
EVERY_ANSWER = 5  # one post in so many goes on in an earlier conversation
EVERY_GRAVE = 200  # one post in so many is an emergency
LONGEST_RUN = 600  # seconds; what takes longer hangs
WORDS = (
    "app", "card", "lamp", "cable", "screen", "parcel", "order", "refund", "delay", "queue", "button", "update", "charger",
    "letter", "invoice", "battery", "socket", "door", "morning", "evening", "today", "branch", "counter", "clerk", "seat",
    "ticket", "garden", "kitchen", "river", "holiday", "cousin", "neighbour", "green", "slow", "loud",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Kill:
    """One killed command."""

    command: str
    after: float
    struck: bool  # false: it had ended by itself


@dataclass(slots=True)
class Home:
    """One store with its configuration."""

    folder: Path
    config: Path
    environ: dict[str, str]

    def start(self, command: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "pipeline.cli", command, "--json", "--config", str(self.config)],
            cwd=REPOSITORY,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def finish(self, command: str) -> str:
        """Run a command to its end, with what it printed; ends the storm when it fails."""
        process = self.start(command)
        out, err = process.communicate(timeout=LONGEST_RUN)
        if process.returncode:
            raise SystemExit(f"tocsin {command} ended with {process.returncode}:\n{err.decode()[-3000:]}")
        return out.decode()

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(f"file:{self.folder}/home/tocsin.db?mode=ro", uri=True)) as connection:
            return connection.execute(sql).fetchall()


@dataclass(slots=True)
class Spike:
    """People who keep posting."""

    server: FakeX
    dice: random.Random
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    stopped: threading.Event = field(default_factory=threading.Event)
    last: datetime = datetime(2000, 1, 1, tzinfo=UTC)

    def publish(self, count: int, *, over: timedelta) -> None:
        """Posts that end now, in the order of time: what is published later is newer."""
        now = datetime.now(UTC)
        first = max(now - over, self.last)
        posts = [self._post(next(self.numbers), first + (now - first) * (place + 1) / count) for place in range(count)]
        self.last = now
        self.server.publish(posts)

    def go_on(self) -> None:
        """A handful every tenth of a second, until it is stopped."""
        while not self.stopped.wait(0.1):
            self.publish(self.dice.randint(1, 5), over=timedelta(seconds=0.05))

    def _post(self, number: int, at: datetime) -> Post:
        words = " ".join(self.dice.sample(WORDS, 9))
        about = "the weather" if number % EVERY_OTHER == 0 else "Kestrel"
        what = "base caught fire, my son's hand is burnt" if number % EVERY_GRAVE == 1 else words
        earlier = [post for post in self.server.posts[-40:] if "Kestrel" in post.text]
        extra: dict[str, object] = {}
        if number % EVERY_ANSWER == 0 and earlier:
            parent = self.dice.choice(earlier)
            root = parent.extra.get("conversation_id", str(native_id(parent)))
            extra = {
                "conversation_id": root,
                "referenced_tweets": [{"type": "replied_to", "id": str(native_id(parent))}],
            }
        return Post(number=number, text=f"{about} {what} {number}", at=at, author=f"person{number % 997}", extra=extra)


@contextmanager
def receiver() -> Iterator[tuple[str, Counter[str]]]:
    """A webhook's other end: its address, and how often each notice has come."""
    heard: Counter[str] = Counter()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            heard[self.headers["webhook-id"]] += 1
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/", heard
    finally:
        server.shutdown()
        server.server_close()


def home(folder: Path, *, source: str, hook: str, pages: int) -> Home:
    """A configuration that listens for Kestrel at the server and tells the receiver."""
    folder.mkdir(parents=True)
    config = folder / "tocsin.toml"
    config.write_text(
        f'home = "{folder}/home"\n'
        '[[brand]]\nname = "Kestrel"\n[[query]]\nname = "kestrel"\nbrand = "Kestrel"\n'
        f'[[source]]\nname = "x"\nkind = "x"\nbase_url = "{source}"\npages = {pages}\n'
        f'[[channel]]\nkind = "webhook"\nname = "ops"\nurl = "{hook}"\nallow_private = true\n'
        f'[[channel]]\nkind = "webhook"\nname = "room"\nurl = "{hook}"\nallow_private = true\n'
        '[[person]]\nname = "Ana"\nchannels = ["ops"]\n[[person]]\nname = "Ben"\nchannels = ["ops", "room"]\n'
        '[[chain]]\nname = "crisis"\n[[chain.step]]\npeople = ["Ana"]\nrepeat = 2\nevery = 1\n'
        '[[chain.step]]\nwait = 1\npeople = ["Ben"]\n',
        encoding="utf-8",
    )
    environ = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
    environ |= {
        "TOCSIN_X_BEARER_TOKEN": TOKEN,
        "TOCSIN_WEBHOOK_OPS": "whsec_" + base64.b64encode(b"storm" * 6).decode(),
        "TOCSIN_WEBHOOK_ROOM": "whsec_" + base64.b64encode(b"storm" * 6).decode(),
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
    return Home(folder=folder, config=config, environ=environ)


def kill_some(
    stormy: Home, *, kills: int, longest: float, dice: random.Random, say: Callable[[str], None]
) -> list[Kill]:
    """Start commands and kill each at a random moment of what it usually takes."""
    done: list[Kill] = []
    for number in range(kills):
        command = "watch" if number % 5 == 4 else "run"
        process = stormy.start(command)
        after = dice.uniform(0.2, longest)
        try:
            process.communicate(timeout=after)
            struck = False
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            struck = True
        done.append(Kill(command=command, after=after, struck=struck))
        say(f"{number + 1}/{kills} {command} {'killed' if struck else 'done'} after {after:.1f} s")
    return done


def settle(calm: Home, *, runs: int = 200) -> int:
    """Runs until nothing is new and no gap is open; how many it took."""
    state = (
        "SELECT (SELECT count(*) FROM batches), (SELECT count(*) FROM gaps WHERE closed_at IS NULL AND lost_at IS NULL)"
    )
    before: list[tuple[object, ...]] = []
    for count in range(1, runs + 1):
        calm.finish("run")
        after = calm.rows(state)
        if after == before and after[0][1] == 0:
            calm.finish("watch")
            calm.finish("watch")
            return count
        before = after
    raise SystemExit(f"after {runs} runs there is still something left to read")


def verdict(stormy: Home, twin: Home, server: FakeX, heard: Counter[str]) -> list[tuple[str, object, object]]:
    """What is counted, what it is, and what it should be."""
    served = {f"x:{native_id(post)}" for post in server.posts if "Kestrel" in post.text}
    mentions = [str(row[0]) for row in stormy.rows("SELECT id FROM mentions")]
    conversations = stormy.rows("SELECT id, conversation FROM mentions ORDER BY id")
    tickets = "SELECT id, posts, people FROM tickets ORDER BY id"
    notices = [str(row[0]) for row in stormy.rows("SELECT id FROM notices")]
    same = 'SELECT 1 FROM notices GROUP BY person, channel, reason, step, severity, "group" HAVING count(*) > 1'
    return [
        ("posts lost", len(served - set(mentions)), 0),
        ("posts invented", len(set(mentions) - served), 0),
        ("mentions, each once", len(mentions), len(served)),
        ("mentions in the conversation of the calm twin", conversations == twin.rows("SELECT id, conversation FROM mentions ORDER BY id"), True),
        ("tickets", len(stormy.rows(tickets)), len(twin.rows(tickets))),
        ("tickets with the posts and people of the twin's", stormy.rows(tickets) == twin.rows(tickets), True),
        ("gaps open", stormy.rows("SELECT count(*) FROM gaps WHERE closed_at IS NULL AND lost_at IS NULL")[0][0], 0),
        ("gaps lost", stormy.rows("SELECT count(*) FROM gaps WHERE lost_at IS NOT NULL")[0][0], 0),
        ("batches not triaged", stormy.rows("SELECT count(*) FROM batches WHERE triaged_at IS NULL")[0][0], 0),
        ("dead letters", stormy.rows("SELECT count(*) FROM dead_letters")[0][0], 0),
        ("notices delivered, by id", len([notice for notice in notices if heard[notice]]), len(notices)),
        ("notices that nobody recorded", len(set(heard) - set(notices)), 0),
        ("notices written twice for one person, reason and step", len(stormy.rows(f"{same} AND reason != 'silent'")), 0),
        ("incidents whose chain reached somebody", *_reached(stormy)),
    ]  # fmt: skip


def _reached(stormy: Home) -> tuple[int, int]:
    """How many incidents have a chain by which somebody was told, and how many there are."""
    told = 'SELECT count(DISTINCT "group") FROM notices WHERE step IS NOT NULL AND sent_at IS NOT NULL'
    return int(str(stormy.rows(told)[0][0])), int(str(stormy.rows("SELECT count(*) FROM incidents")[0][0]))


def storm(*, kills: int, posts: int, pages: int, seed: int, folder: Path, say: Callable[[str], None]) -> bool:
    """One storm; whether all is well."""
    dice = random.Random(seed)
    with FakeX(limit=10_000_000) as server, receiver() as (hook, heard), receiver() as (twin_hook, _):
        server.now = lambda: datetime.now(UTC) + HOLDBACK  # what is posted is found at once
        spike = Spike(server=server, dice=random.Random(seed + 1))
        stormy = home(folder / "stormy", source=server.url, hook=hook, pages=pages)
        twin = home(folder / "twin", source=server.url, hook=twin_hook, pages=1000)
        started = time.monotonic()
        stormy.finish("run")  # how long an empty one takes, and the schema is there
        longest = 1.2 * (time.monotonic() - started) + 0.5  # a run with posts takes longer
        spike.publish(posts, over=timedelta(minutes=50))
        people = threading.Thread(target=spike.go_on, daemon=True)
        people.start()
        done = kill_some(stormy, kills=kills, longest=longest, dice=dice, say=say)
        spike.stopped.set()
        people.join()
        say("letting it finish")
        runs = settle(stormy)
        say("the calm twin")
        settle(twin)
        findings = verdict(stormy, twin, server, heard)
    struck = Counter(kill.command for kill in done if kill.struck)
    [(landed, records, gaps)] = stormy.rows("SELECT count(*), sum(count), (SELECT count(*) FROM gaps) FROM batches")
    print(
        f"{len(server.posts)} posts, {struck['run']} runs and {struck['watch']} watches killed within {longest:.1f} s"
    )
    print(f"{landed} batches with {records} records, {gaps} gaps on the way; {runs} runs to finish; seed {seed}\n")
    for what, is_now, should in findings:
        print(f"{'ok   ' if is_now == should else 'WRONG'} {what:<52} {is_now!s:>8}  of {should}")
    repeated = sum(times - 1 for times in heard.values())
    print(f"      notices sent again with the same id after a kill     {repeated:>8}")
    return all(is_now == should for _, is_now, should in findings)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--posts", type=int, default=3000, help="of the spike's beginning; more come while it lasts")
    parser.add_argument("--pages", type=int, default=4, help="page budget of a run: small, so that gaps open")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--quiet", action="store_true", help="no progress on standard error")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1_000_000)

    def say(line: str) -> None:
        if not options.quiet:
            print(line, file=sys.stderr, flush=True)

    with tempfile.TemporaryDirectory(prefix="tocsin-storm-") as folder:
        well = storm(
            kills=options.kills, posts=options.posts, pages=options.pages, seed=seed, folder=Path(folder), say=say
        )
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
