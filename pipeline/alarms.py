"""The telling half of ``watch``: incidents and silences become notices in the log, and notices reach people."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from pipeline.config import Config
from pipeline.domain import ChainRun, Filters, Incident, Notice, Part, ScoredMention
from pipeline.errors import ConfigError
from pipeline.escalate import WHOLE_LOG, Alarm, Delivered, chain_notices, deliver, notices_for, reasons_for
from pipeline.escalation.audit import Finding, audit
from pipeline.escalation.chains import DRILL, asks_since, chosen, current, run_of, snapshot, to_start
from pipeline.escalation.deadlines import deadline_notices, horizon
from pipeline.escalation.links import Links
from pipeline.escalation.silence import WATCH, silence_notices, silences
from pipeline.ports import Notifier, Store

MOST_LATE = 1_000  # tickets near or past their respond-by that are looked through, the costliest first


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """What telling needs. ``links`` loads the key of the links when it is first asked for; ``heartbeat`` tells another
    service that ``watch`` lives, and raises nothing."""

    store: Store
    config: Config
    notifiers: Mapping[str, Notifier]
    clock: Callable[[], datetime]
    links: Callable[[], Links] | None = None
    heartbeat: Callable[[], None] | None = None

    @property
    def channels(self) -> list[str]:
        """The names of all channels."""
        return [channel.name for channel in self.config.channel]


def tell(telling: Telling) -> tuple[int, Delivered]:
    """Write the notices that are due and deliver what has not been; how many were new, and what became of them."""
    store, now = telling.store, telling.clock()
    written = record_silences(telling, now=now) + record_deadlines(telling, now=now)
    written += record_notices(store.open_incidents(), store=store, config=telling.config, now=now)
    delivered = deliver(
        telling.notifiers,
        store=store,
        clock=telling.clock,
        people={person.name: person.channels for person in telling.config.person},
        link_of=_linker(telling),
    )
    store.beat(WATCH, telling.clock())
    if telling.heartbeat is not None:
        telling.heartbeat()
    return written, delivered


def record_notices(incidents: Sequence[Incident], *, store: Store, config: Config, now: datetime) -> int:
    """Record the notices that incidents call for, by their chains or to every channel at once; how many were new."""
    runs = store.chain_runs(incident.id for incident in incidents)
    written = 0
    for incident in incidents:
        running = _running(incident, runs.get(incident.id, ()), store=store, config=config, now=now)
        if running:
            notices = _by_chain(incident, running, store=store, config=config, now=now)
        elif chosen(config, incident) is None:
            notices = _at_once(incident, store=store, config=config, now=now)
        else:  # its first posts gather still
            continue
        written += sum(store.add_notice(notice) for notice in notices)
    return written


def record_silences(telling: Telling, *, now: datetime) -> int:
    """Record the notices of parts that have not run; how many were new."""
    store, limits = telling.store, telling.config.silence
    found = silences(limits, cursors=store.cursors(), pairs=telling.config.pairs(), pulses=store.pulses(), now=now)
    channels = limits.channels or telling.channels
    notices = silence_notices(found, channels=channels, address=telling.config.web.address, now=now)
    return sum(store.add_notice(notice) for notice in notices)


def record_deadlines(telling: Telling, *, now: datetime) -> int:
    """Record the notices of tickets near or past their respond-by, where somebody is to be told; how many were new."""
    settings, store = telling.config.deadlines, telling.store
    if not settings.channels:
        return 0
    waiting = store.queue(horizon(settings, now), Filters(breached=True), limit=MOST_LATE)
    notices = deadline_notices(waiting, settings, address=telling.config.web.address, now=now)
    return sum(store.add_notice(notice) for notice in notices)


def _running(
    incident: Incident, runs: Sequence[ChainRun], *, store: Store, config: Config, now: datetime
) -> list[ChainRun]:
    """The chains of an incident, with the one that starts now where one should."""
    starting = to_start(config, incident, current(runs), now=now)
    return [*runs] if starting is None else [*runs, store.start_chain(starting)]


def _by_chain(
    incident: Incident, runs: Sequence[ChainRun], *, store: Store, config: Config, now: datetime
) -> list[Notice]:
    run = current(runs)
    assert run is not None  # there is at least one
    alarm = Alarm(
        incident=incident,
        run=run,
        events=store.events(incident.id),
        told=store.notices(incident.id, limit=WHOLE_LOG),
        since=asks_since(runs),
    )
    if not chain_notices(alarm, address=config.web.address, now=now):  # most minutes: no post need be read
        return []
    quoted = replace(alarm, posts=_posts(incident, store))
    return chain_notices(quoted, address=config.web.address, now=now)


def _at_once(incident: Incident, *, store: Store, config: Config, now: datetime) -> list[Notice]:
    channels = [channel.name for channel in config.channel]
    told = store.notices(incident.id)
    if not reasons_for(incident, told=told, channels=channels):
        return []
    return notices_for(
        incident, _posts(incident, store), told=told, channels=channels, address=config.web.address, now=now
    )


def _posts(incident: Incident, store: Store) -> Sequence[ScoredMention]:
    return store.incident_posts([incident.id]).get(incident.id, ())


def _linker(telling: Telling) -> Callable[[Notice], str | None]:
    links = telling.links
    return (lambda _: None) if links is None else lambda notice: links().of(notice)


# --- drills and audits ----------------------------------------------------------------------------------------------


def start_drill(
    *, store: Store, config: Config, brand: str, severity: int, chain: str | None, who: str, now: datetime
) -> Incident:
    """Open an incident that is none; the next run of ``watch`` tells people of it as in earnest, each message marked.

    It runs along ``chain``, or the one that an incident of its brand and severity takes. Raises ``ConfigError`` for an
    unknown chain, and ``Conflict`` while another drill of the brand goes on.
    """
    settings = next((each for each in config.chain if each.name == chain), None)
    if chain is not None and settings is None:
        known = ", ".join(each.name for each in config.chain) or "none"
        raise ConfigError(f"there is no chain {chain!r}; known: {known}")
    incident = Incident(
        id=f"drill-{now:%Y%m%dT%H%M%S}",
        brand=brand,
        cause=DRILL,
        title=f"drill by {who}",
        rule="a drill",
        severity=severity,
        parts=(Part(name="drill", value=severity, because=f"chosen by {who}"),),
        opened_at=now,
        last_at=now,
        mentions=(),
        posts=0,
        people=0,
    )
    saved = store.save_incident(incident)
    settings = settings or chosen(config, incident)
    if settings is not None:
        store.start_chain(run_of(snapshot(settings, config, brand), incident, now=now))
    return saved


def audited(incident: Incident, *, store: Store, now: datetime) -> list[tuple[ChainRun, list[Finding]]]:
    """Each chain of an incident, oldest first, with what became of everything it owed."""
    runs = store.chain_runs([incident.id]).get(incident.id, [])
    events, told = store.events(incident.id), store.notices(incident.id, limit=WHOLE_LOG)
    found = []
    for place, run in enumerate(runs):
        followed_at = runs[place + 1].started_at if place + 1 < len(runs) else None
        since = run.started_at if place else None
        findings = audit(run, incident, events=events, told=told, now=now, since=since, followed_at=followed_at)
        found.append((run, findings))
    return found
