"""What a notice says: what happened, how bad, since when, why, and who is told next; personal data masked."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from pipeline.detection import words
from pipeline.domain import ChainRun, Incident, Reason, ScoredMention
from pipeline.escalation.chains import DRILL, Telling, next_telling, recipients
from pipeline.redact import redact
from pipeline.wording import counted, span

QUOTES = 3
QUOTE_LENGTH = 200


def message(
    incident: Incident, posts: Sequence[ScoredMention], *, reason: Reason, address: str, then: str = ""
) -> tuple[str, str]:
    """Subject and text of a notice, worst and newest posts first; ``then`` says who is told next."""
    title = redact(incident.title)
    drill = incident.cause == DRILL
    subject = f'Severity {incident.severity} · {incident.brand} · "{title}" · since {incident.opened_at:%H:%M} UTC'
    arithmetic = " + ".join(f"{part.value:g} {part.name} ({redact(part.because)})" for part in incident.parts)
    people = counted(incident.people, "person", "people")
    lines = [
        f"{counted(incident.posts, 'post')} by {people}. One grave post is enough: {incident.rule}."
        if incident.finding is None
        else f"{words.arithmetic(incident.finding)} ({incident.rule})",
        f"Severity {incident.severity} = {arithmetic}.",
    ]
    if drill:
        subject, lines = (
            f"DRILL · {subject}",
            ["This is a drill: nothing burns. Acknowledge it as you would in earnest."],
        )
    worst = sorted(posts, key=lambda item: (item.score.crisis, item.mention.posted_at), reverse=True)[:QUOTES]
    for item in worst:
        text = redact(" ".join(item.mention.text.split()))
        quote = text if len(text) <= QUOTE_LENGTH else f"{text[: QUOTE_LENGTH - 1]}…"
        lines.append(
            f'"{quote}" ({item.mention.source}, {item.mention.posted_at:%H:%M}, P(crisis) {item.score.crisis:.2f})'
        )
    if then:
        lines.append(then)
    model = f" · model {worst[0].score.model}" if worst else " · model " if not drill else ""
    lines.append(f"{reason}{model} · why: {address.rstrip('/')}/incidents/{incident.id}")
    return subject, "\n".join(lines)


def told_next(run: ChainRun, telling: Telling, *, acknowledged: Collection[str], now: datetime) -> str:
    """Where the reader stands in the chain, and who is told when nobody acknowledges."""
    place = "You are told first" if telling.step == 0 else "Nobody who was told before you has acknowledged"
    if telling.time > 0:
        place = "You were told before"
    needs = run.chain.steps[telling.step].needs
    if needs > 1:
        place += f" ({needs} people must acknowledge, {len(acknowledged)} did)"
    following = next_telling(run, after=max(telling.at, now), acknowledged=acknowledged)
    if following is None:
        return f"{place}; nobody is told after you."
    names = list(dict.fromkeys(each.person or each.channel for each in recipients(run.chain, following)))
    return f"{place}; {' and '.join(names) or 'nobody'} in {span(following.at - now)} unless somebody acknowledges."


def taken(incident: Incident, who: str, at: datetime, *, address: str) -> tuple[str, str]:
    """Subject and text for those who were told and need not act any more."""
    drill = "DRILL · " if incident.cause == DRILL else ""
    subject = f'{drill}{who} has it · {incident.brand} · "{redact(incident.title)}"'
    where = f"{address.rstrip('/')}/incidents/{incident.id}"
    return subject, f"{who} acknowledged it at {at:%H:%M} UTC; you need not act.\n{Reason.ACKNOWLEDGED} · {where}"
