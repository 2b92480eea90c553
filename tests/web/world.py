"""A shift at the desk: a store filled by the real stages with posts about invented brands, at a clock that tests turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from pipeline import detect, escalate, lessons
from pipeline.config import Config, parse
from pipeline.domain import Batch, Cursor, DeadLetter, Filters, Gap, Head, Hit, Score, ScoredMention, Signal, Urgency
from pipeline.prioritise import Context, prioritise
from pipeline.stores.sqlite import SqliteStore
from tests.factories import NOW, mention, score
from tests.versions import VersionsInMemory

CONFIG = parse(
    {
        "brand": [{"name": name} for name in ("Brightly", "Kestrel Bank", "Lumiva", "Nordwing Air", "Cloudroost")],
        "query": [
            {"name": "kestrel", "brand": "Kestrel Bank", "any": ["kestrel"]},
            {"name": "lumiva", "brand": "Lumiva", "any": ["lumiva"]},
        ],
        "source": [
            {"name": "x", "kind": "x"},
            {"name": "news", "kind": "rss", "urls": ["http://127.0.0.1/feed"]},
        ],
        "hours": {"timezone": "Europe/Berlin"},
        "web": {"responders": ["Ana", "Ben", "Şule"]},
    }
)


@dataclass
class Clock:
    """The present, as the test has it."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now

    def on(self, **span: float) -> None:
        """Let time pass."""
        self.now += timedelta(**span)


@dataclass
class Desk:
    """The store behind the pages, filled as the flows fill it."""

    store: SqliteStore = field(default_factory=lambda: SqliteStore(":memory:"))
    config: Config = CONFIG
    clock: Clock = field(default_factory=Clock)
    models: VersionsInMemory = field(default_factory=VersionsInMemory)
    count: int = 0

    def post(
        self, text: str = "my brightly broke", *, given: Score | None = None, minutes_ago: float = 4, **about: Any
    ) -> ScoredMention:
        """One mention, without a ticket yet."""
        self.count += 1
        at = self.clock.now - timedelta(minutes=minutes_ago)
        native = about.pop("native", str(self.count))
        about.setdefault("handle", f"user{self.count}")
        found = mention(native, text, **{"posted_at": at, "collected_at": self.clock.now, **about})
        return ScoredMention(mention=found, score=given or score())

    def candidate(self) -> str:
        """A candidate from two labels, tried in shadow; its name."""
        for item, value in zip(self.store.search("", Filters(), limit=2), ("complaint", "request"), strict=True):
            lessons.correct(
                self.store, self.config, item.mention.id, {Head.CATEGORY: value}, who="Ana", now=self.clock()
            )
        name = lessons.train_own(self.store, self.models, now=self.clock()).name
        lessons.shadow(self.store, self.models, name, config=self.config, now=self.clock())
        return name

    def add(self, *items: ScoredMention, folded: int = 0, people: int = 0) -> list[str]:
        """Index mentions and make the tickets of their conversations; the tickets' ids."""
        self.store.add_mentions(items, {})
        ids = list(dict.fromkeys(item.mention.conversation for item in items))
        tickets = []
        for conversation in self.store.conversations(ids).values():
            first = conversation[0].mention
            contacts = self.store.contacts({first.author.id: first.posted_at}, window=timedelta(days=30))
            context = Context(
                contacts=contacts.get(conversation[0].mention.author.id, 1), folded=folded, folded_people=people
            )
            if ticket := prioritise(conversation, config=self.config, context=context):
                tickets.append(ticket)
        self.store.save_tickets(tickets)
        return ids

    def ticket(self, text: str = "my brightly broke", **about: Any) -> str:
        """One post and its ticket; the ticket's id."""
        return self.add(self.post(text, **about))[0]

    def tickets(self, number: int) -> list[str]:
        """So many tickets that differ in nothing but their post."""
        return self.add(*(self.post(f"my brightly broke, number {i}") for i in range(number)))

    def watch(self) -> None:
        """One pass of detect and escalate, all notices delivered."""
        grave = self.store.grave_mentions(since=self.clock.now - timedelta(hours=24), crisis=self.config.weights.grave)
        found = detect.detect(grave, self.store.open_incidents(), weights=self.config.weights, now=self.clock.now)
        for incident in found.incidents:
            saved = self.store.save_incident(incident)
            posts = [item for item in grave if item.mention.id in saved.mentions]
            for notice in escalate.notices_for(
                saved, posts, told=[], channels=["console"], address=self.config.web.address, now=self.clock.now
            ):
                self.store.add_notice(notice)
                self.store.save_notice(replace(notice, sent_at=self.clock.now))

    def heard(self, source: str = "x", query: str = "kestrel", *, minutes_ago: float = 2, **about: Any) -> None:
        """One query read at its source, by default without trouble."""
        at = self.clock.now - timedelta(minutes=minutes_ago)
        gaps = about.pop("gaps", ())
        batch = about.pop("batch", None)
        values: dict[str, Any] = {"source": source, "query": query, "tried_at": at, "succeeded_at": at}
        self.store.save_progress(Cursor(**{**values, **about}), gaps=gaps, batch=batch)

    def gap(self, query: str = "kestrel", reason: str = "page budget of 10 used up", **about: Any) -> Gap:
        """An interval that was not read."""
        values: dict[str, Any] = {
            "id": f"x/{query}/{self.count}",
            "source": "x",
            "query": query,
            "newer_than": "1",
            "older_than": "9",
            "since": self.clock.now - timedelta(minutes=75),
            "until": self.clock.now - timedelta(minutes=40),
            "reason": reason,
            "opened_at": self.clock.now - timedelta(minutes=30),
        }
        return Gap(**{**values, **about})

    def batch(self, query: str = "kestrel") -> Batch:
        """A landed batch."""
        return Batch(
            id=f"b-{query}", source="x", query=query, path=f"x/{query}.jsonl.gz", count=3, digest="0" * 64,
            landed_at=self.clock.now,
        )  # fmt: skip

    def dead_letter(self, reason: str, raw: str) -> None:
        """A record that could not be made a mention."""
        batch = self.batch("lumiva")
        self.heard(query="lumiva", batch=batch)
        letter = DeadLetter(
            id="d-1", source="x", query="lumiva", batch=batch.id, reason=reason, raw=raw, at=self.clock.now
        )
        self.store.batch_triaged(replace(batch, triaged_at=self.clock.now, bad=1), dead_letters=[letter])


def words(**heads: str) -> tuple[Signal, ...]:
    """Signals as the models give them: ``words(complaint="third time")``, strongest first."""
    names = {"complaint": "category", "question": "category", "request": "category", "praise": "category",
             "critical": "urgency", "high": "urgency", "negative": "sentiment", "crisis": "crisis"}  # fmt: skip
    return tuple(
        Signal(name=f"{names[label]}: {label}", value=round(0.62 - 0.11 * i, 2), because=because)
        for i, (label, because) in enumerate(heads.items())
    )


def rule(name: str, because: str, urgency: Urgency = Urgency.CRITICAL) -> Hit:
    """A floor rule of danger that fired."""
    return Hit(rule=name, urgency=urgency, crisis=urgency is Urgency.CRITICAL, words=because)


def shift(desk: Desk) -> dict[str, str]:
    """A busy quarter of an hour; ticket ids by a word for each."""
    bank: dict[str, Any] = {"brand": "Kestrel Bank", "query": "kestrel"}
    care: dict[str, Any] = {"brand": "Lumiva", "query": "lumiva"}
    model = "starter 2026-11-21"

    def scored(*about: Any, **more: Any) -> Score:
        return replace(score(*about, **more), model=model)

    ids: dict[str, str] = {}
    drained = desk.post(
        "hesabimdan ucer dakika arayla 4 kere 9.750 tl cikti ben yapmadim!! hat mesgul caliyor, kestrelden biri baksin ne olur hala cikiyor para",
        given=scored("complaint", "critical", 0.81, rules=(rule("unauthorised payment", "cikti ben yapmadim"),),
                     signals=words(crisis="hala cikiyor para", request="biri baksin")),
        minutes_ago=4, language="tr", handle="deniz_k", followers=12_400, likes=31, reposts=12, replies=9,
        url="https://x.example/deniz_k/status/1", native="1863", **bank,
    )  # fmt: skip
    ids["drained"] = desk.add(drained, folded=12, people=9)[0]
    ids["statement"] = desk.ticket(
        "In meiner Kestrel-App sehe ich gerade die Umsätze einer Frau Hagedorn aus Kassel. Vollständig. Mit IBAN. Ich glaube nicht, dass das so gedacht ist, @kestrelbank",
        given=scored("complaint", "critical", 0.77, rules=(rule("data breach", "Umsätze einer Frau Hagedorn"),),
                     signals=words(complaint="nicht, dass das so gedacht ist")),
        minutes_ago=11, language="de", handle="m_albrecht", followers=840, tagged=True, **bank,
    )  # fmt: skip
    ids["eyelid"] = desk.ticket(
        "so um my left eyelid has gone the size of a grape. only new thing is the lumiva tubing mascara i put on at 7. is that normal or should i be washing it off",
        given=scored("question", "critical", 0.64, sentiment="neutral",
                     signals=words(crisis="left eyelid", critical="size of a grape", question="is that normal")),
        minutes_ago=26, source="reddit", handle="tiny_teapot", **care,
    )  # fmt: skip
    desk.add(
        desk.post("Card still not back from your ATM on Camden St. When? @kestrelbank", minutes_ago=60 * 26,
                  handle="orla.f", native="777", given=scored("question", "high"), **bank),
        desk.post("Sorry to hear that, Orla. It is on its way: 48 hours at most.", minutes_ago=60 * 25,
                  handle="kestrelhelp", own=True, native="778", conversation="x:777", in_reply_to="x:777", **bank),
    )  # fmt: skip
    ids["swallowed"] = desk.add(
        desk.post('Third time writing. Card swallowed by your ATM on Camden St on Friday, told "48 hours", it\'s Wednesday. I\'ve €11 in my pocket and rent due tomorrow. @kestrelbank',
                  given=scored("complaint", "high", 0.11, signals=words(complaint="Third time writing", high="rent due tomorrow", negative="swallowed")),
                  minutes_ago=52, handle="orla.f", followers=310, tagged=True, native="900",
                  url="https://x.example/orla.f/status/900", **bank),
        desk.post("Hi Orla, we are looking into it. Which branch was it?", minutes_ago=41, handle="kestrelhelp", own=True,
                  native="901", conversation="x:900", in_reply_to="x:900", given=scored("chatter", "low", 0.0), **bank),
        desk.post("I said it in the first post: Camden St.\nAnd in the two before. https://kestrel.example/help says “instant replacement”, your chat says five days.",
                  given=scored("complaint", "high", 0.09, signals=words(complaint="in the two before", negative="five days")),
                  minutes_ago=38, handle="orla.f", followers=310, native="902", conversation="x:900", in_reply_to="x:901",
                  url="https://x.example/orla.f/status/902", **bank),
    )[0]  # fmt: skip
    ids["gate"] = desk.ticket(
        "@nordwingair gate B14 Oslo, screen says closed, nobody at the desk, connection to Boston leaves in 40 min. What do we do??",
        given=scored("request", "high", 0.05, sentiment="neutral", signals=words(high="leaves in 40 min", request="What do we do")),
        minutes_ago=6, handle="kari_i_oslo", followers=96, tagged=True, brand="Nordwing Air", query="nordwing",
    )  # fmt: skip
    ids["mediator"] = desk.ticket(
        "Objet : réclamation, Kestrel Bank. Sans réponse de votre part sous 48 h concernant le dossier KB-20918, je saisirai le médiateur bancaire. Trois courriers recommandés, zéro accusé de lecture.",
        given=scored("complaint", "high", 0.14, rules=(rule("ombudsman", "médiateur bancaire", Urgency.HIGH),),
                     signals=words(complaint="Trois courriers")),
        minutes_ago=130, source="mastodon", language="fr", handle="y.lefort@social.example", followers=58, **bank,
    )  # fmt: skip
    ids["interest"] = desk.ticket(
        "Kestrel'in ek hesap faizi bu ay değişti mi? Sitede başka, uygulamada başka oran yazıyor, hangisi güncel?",
        given=scored("question", "normal", 0.01, sentiment="neutral", signals=words(question="değişti mi", negative="başka oran")),
        minutes_ago=75, language="tr", handle="burcu.a", **bank,
    )  # fmt: skip
    ids["norwegian"] = desk.ticket(
        "Er det bare meg eller er Cloudroost helt nede i dag? Får ikke åpnet en eneste mappe",
        given=replace(scored("complaint", "normal", 0.2, signals=(*words(complaint="helt nede"), Signal(name="language not first-class", value=1.0, because="the models have hardly seen 'no'"))), degraded=True),
        minutes_ago=18, source="mastodon", language="no", handle="fjell", brand="Cloudroost", query="cloudroost",
    )  # fmt: skip
    ids["pin"] = desk.ticket(
        "Feature idea for Cloudroost: let me pin a comment inside a doc so new people don't ask the same thing every Monday.",
        given=scored("suggestion", "low", 0.0, sentiment="neutral"), minutes_ago=95, source="reddit", handle="docs_and_dogs",
        brand="Cloudroost", query="cloudroost",
    )  # fmt: skip
    ids["praise"] = desk.ticket(
        "sue me but the drugstore lumiva cream beats my 90 dollar one",
        given=scored("praise", "low", 0.0, sentiment="positive", signals=words(praise="beats my 90 dollar one")),
        minutes_ago=44, handle="rosa", followers=2_150, **care,
    )  # fmt: skip
    return ids


def listening(desk: Desk) -> None:
    """Sources in all states: well, behind, refused, with bad records."""
    now = desk.clock.now
    desk.heard(query="kestrel", calls_left=412, calls_reset_at=now + timedelta(minutes=9), gaps=[desk.gap()])
    desk.dead_letter("no author in the record", '{"id": "17", "text": "lumiva?", "author_id": null}')
    desk.heard(query="lumiva", minutes_ago=3, calls_left=412)
    desk.heard("news", "kestrel", minutes_ago=42, error="news answers 403 to the feed's address: check its URL")
    desk.heard("news", "lumiva", minutes_ago=1)


def ids_in_order(desk: Desk) -> Sequence[str]:
    """The queue as the store has it."""
    from pipeline.domain import Filters

    return [item.ticket.id for item in desk.store.queue(desk.clock.now, Filters())]
