"""The compositions of learning: a person corrects a post, and its ticket moves at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from pipeline.config import Config
from pipeline.domain import NO, EventKind, Head, Label, ScoredMention, label_id
from pipeline.flows import rank_conversations
from pipeline.index import touched_conversations
from pipeline.labels import answer_of, standing
from pipeline.ports import Store
from pipeline.prioritise import REPEAT_WINDOW
from pipeline.respond import somebody


def correct(
    store: Store, config: Config, mention_id: str, answers: Mapping[Head, str | None], *, who: str, now: datetime
) -> list[Label]:
    """Record what a person says of a mention under some heads (``None`` withdraws), and rank its conversation anew.

    Saying what stands already adds nothing. Raises ``NotFound``, ``ConfigError``.
    """
    return _correct(store, config, [store.mention(mention_id)], answers, who=somebody(who), now=now)


def false_alarm(store: Store, config: Config, incident_id: str, *, who: str, now: datetime) -> list[Label]:
    """An incident that was none: each of its posts is labelled as no crisis; raises ``NotFound``."""
    store.incident(incident_id)
    posts = store.incident_posts([incident_id]).get(incident_id, [])
    return _correct(store, config, posts, {Head.CRISIS: NO}, who=somebody(who), now=now)


def _correct(
    store: Store,
    config: Config,
    items: Sequence[ScoredMention],
    answers: Mapping[Head, str | None],
    *,
    who: str,
    now: datetime,
) -> list[Label]:
    log = store.labels_of([item.mention.id for item in items])
    # After whatever was said before, however wrong the clock of another machine went: the newest stands.
    at = max([now, *(said[-1].at + timedelta(microseconds=1) for said in log.values())])
    fresh = {
        item.mention.id: [
            Label(
                id=label_id(item.mention.id, head, who, at=at),
                mention=item.mention.id,
                head=head,
                value=value,
                who=who,
                at=at,
                model=item.score.model,
                said=answer_of(item.score, head, lane=config.weights.crisis_lane),
                language=item.mention.language,
            )
            for head, value in answers.items()
            if value != _value(standing(log.get(item.mention.id, ())), head)
        ]
        for item in items
    }
    touched = [item for item in items if fresh[item.mention.id]]
    labels = [label for item in touched for label in fresh[item.mention.id]]
    if not labels:
        return []
    store.add_labels(labels)
    conversations = touched_conversations(touched, new=(), window=REPEAT_WINDOW, store=store)
    rank_conversations(conversations, store=store, config=config)
    tickets = store.tickets({item.mention.conversation for item in touched})
    for item in touched:
        if item.mention.conversation in tickets:
            note = "; ".join(map(told, fresh[item.mention.id]))
            store.record(item.mention.conversation, EventKind.NOTED, who, note=note, now=now)
    return labels


def _value(stands: Mapping[Head, Label], head: Head) -> str | None:
    return stands[head].value if head in stands else None


def told(label: Label) -> str:
    """A label in a person's words."""
    if label.value is None:
        return f"withdrew the label of {label.head}"
    return f"{label.head} is {label.value} ({'as the model said' if label.agrees else f'the model said {label.said}'})"
