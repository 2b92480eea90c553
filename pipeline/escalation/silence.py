"""The dead man's switch: Tocsin says when a part of it has not run, as soon as anything runs that can say so."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pipeline.config import Silence
from pipeline.domain import Cursor, Notice, Reason
from pipeline.wording import span

WATCH = "watch"
LISTEN = "listen"
SEVERITY = 4  # while nothing is heard, nobody knows how bad it is
AGAIN = timedelta(hours=4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Silent:
    """A part of Tocsin that was last seen at ``since``; ``over`` when it is back (only then can ``watch`` tell of itself)."""

    part: str
    since: datetime
    over: bool


def silences(
    limits: Silence,
    *,
    cursors: Iterable[Cursor],
    pairs: Collection[tuple[str, str]],
    pulses: Mapping[str, datetime],
    now: datetime,
) -> list[Silent]:
    """The parts that have been silent for longer than they may; what never ran is not silent, it is not set up."""
    found = []
    watched = pulses.get(WATCH)
    if watched is not None and now - watched > timedelta(minutes=limits.watch_minutes):
        found.append(Silent(part=WATCH, since=watched, over=True))
    tries = [
        max(each.tried_at, each.retry_at or each.tried_at)  # left alone until then, because the source asked for it
        for each in cursors
        if each.tried_at is not None and (each.source, each.query) in pairs
    ]
    if tries and now - max(tries) > timedelta(minutes=limits.listen_minutes):
        found.append(Silent(part=LISTEN, since=max(tries), over=False))
    return found


def silence_notices(found: Iterable[Silent], *, channels: Sequence[str], address: str, now: datetime) -> list[Notice]:
    """The notices of silences, one a channel, again every four hours while it lasts."""
    notices = []
    for silent in found:
        time = (now - silent.since) // AGAIN if not silent.over else 0
        subject, body = _text(silent, address.rstrip("/"), now)
        for channel in channels:
            notices.append(
                Notice(
                    id=f"{Reason.SILENT}|{silent.part}|{silent.since:%Y%m%dT%H%M%S}|{time}|{channel}",
                    reason=Reason.SILENT,
                    group=f"silence {silent.part}",
                    channel=channel,
                    subject=subject,
                    body=body,
                    severity=SEVERITY,
                    created_at=now,
                )
            )
    return notices


def _text(silent: Silent, address: str, now: datetime) -> tuple[str, str]:
    length, since = span(now - silent.since), f"{silent.since:%-d %b %H:%M} UTC"
    if silent.over:
        return (
            f"Tocsin was silent: watch did not run for {length}",
            f"watch runs again; it last ended at {since}. What came meanwhile is told now, late.\n"
            f"{Reason.SILENT} · what to do: docs/runbook.md · {address}/incidents",
        )
    return (
        f"Tocsin is deaf: nothing has been listened to for {length}",
        f"The last try to read any source was at {since}. Nothing is lost yet, it is read later; but nobody hears it now.\n"
        f"{Reason.SILENT} · what to do: docs/runbook.md · {address}/coverage",
    )
