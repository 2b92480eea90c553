"""The compositions of learning: a person corrects a post and its ticket moves at once; what people said becomes a candidate,
which is tried beside the live model on live posts, passes the gate, and is made live by a person."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

from pipeline.config import Config
from pipeline.domain import (
    NO,
    Change,
    EventKind,
    Filters,
    Head,
    Label,
    Labelled,
    Mention,
    ModelVersion,
    Promotion,
    ScoredMention,
    Shadow,
    Tally,
    label_id,
    labels_from,
)
from pipeline.errors import ConfigError, GateFailed, NotFound
from pipeline.index import touched_conversations
from pipeline.labels import answer_of, standing
from pipeline.ports import Models, Store
from pipeline.prioritise import REPEAT_WINDOW
from pipeline.ranking import rank_conversations
from pipeline.respond import somebody
from pipeline.score import score
from pipeline.wording import counted


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


# --- from labels to a candidate ---------------------------------------------------------------------------------------

ANCHORS = 2000
"""Newest posts that nobody labelled, on which a candidate should say what its base says: people label what is wrong, and
without the rest a model would take everything for wrong."""

SHADOWED = 1000
"""Newest posts on which a candidate is tried beside the live model: a busy day's."""

PAGE = 500


def labelled(store: Store) -> list[Labelled]:
    """Every post that people labelled and that is still here, with the answers that stand."""
    logs: dict[str, list[Label]] = {}
    for label in whole_log(store):
        logs.setdefault(label.mention, []).append(label)
    found = []
    for mention_id, log in logs.items():
        answers = {head: str(label.value) for head, label in standing(log).items()}
        if not answers:
            continue
        with suppress(NotFound):  # forgotten since, with its words: there is nothing to read any more
            mention = store.mention(mention_id).mention
            found.append(
                Labelled(
                    mention=mention.id,
                    text=mention.text,
                    language=mention.language,
                    conversation=mention.conversation,
                    answers=answers,
                )
            )
    return found


def whole_log(store: Store, *, after: str = "") -> Iterator[Label]:
    """All labels, oldest first."""
    while page := store.labels(after=after, limit=PAGE):
        yield from page
        after = page[-1].id


def newest_posts(store: Store, count: int) -> list[Mention]:
    """The newest original posts that are not the brand's own."""
    found: list[Mention] = []
    offset = 0
    while len(found) < count and (page := store.search("", Filters(), limit=PAGE, offset=offset)):
        found += [item.mention for item in page if not item.mention.own and item.mention.fold is None]
        offset += len(page)
    return found[:count]


def train_own(
    store: Store, models: Models, *, now: datetime, progress: Callable[[str, float], None] = lambda step, share: None
) -> ModelVersion:
    """A candidate from people's labels; raises ``ConfigError`` where there are none yet."""
    taught = labelled(store)
    known = {each.mention for each in taught}
    anchors = [(each.text, each.language) for each in newest_posts(store, ANCHORS) if each.id not in known]
    return models.train(taught, anchors, name=f"own-{now:%Y%m%dT%H%M%S}", at=now, progress=progress)


def shadow(store: Store, models: Models, name: str, *, config: Config, now: datetime) -> Shadow:
    """What a candidate says of the newest posts beside the live model; nothing else sees it. The result is kept."""
    posts = newest_posts(store, SHADOWED)
    live = models.live()
    lane = config.weights.crisis_lane
    ours, theirs = (score(posts, models.load(each)) for each in (live, name))
    changes = tuple(
        Change(mention=mention.id, head=head, live=before, candidate=after)
        for mention, one, other in zip(posts, ours, theirs, strict=True)
        for head in Head
        if (before := answer_of(one, head, lane=lane)) != (after := answer_of(other, head, lane=lane))
    )
    found = Shadow(candidate=name, live=live, at=now, posts=len(posts), changes=changes)
    models.keep_shadow(found)
    return found


def refusals(version: ModelVersion) -> tuple[str, ...]:
    """Why a version from own labels may not go live by itself; ``Models.refusals`` asks of any, and takes longer."""
    return version.trial.failures if version.trial else ()


def promote(models: Models, name: str, *, who: str, why: str, now: datetime, override: str = "") -> Promotion:
    """Make a version live; one that the gate refuses only with a reason, which is kept. Raises ``GateFailed``."""
    failed = models.refusals(name)
    if failed and not override.strip():
        raise GateFailed(
            f"the gate refuses {name}: {'; '.join(failed)}; promote it with --override REASON, or train again"
        )
    return models.promote(name, who=somebody(who), why=why.strip(), at=now, override=override.strip() if failed else "")


def roll_back(models: Models, *, who: str, why: str, now: datetime) -> Promotion:
    """Make the version before the live one live again; raises ``ConfigError`` where there was none."""
    previous = models.previous()
    if previous is None:
        raise ConfigError("no version was live before this one: there is nothing to go back to")
    return models.promote(previous, who=somebody(who), why=why.strip() or "rolled back", at=now)


# --- how right the models are -----------------------------------------------------------------------------------------


def rightness(store: Store, candidate: ModelVersion | None, *, since: datetime) -> list[Tally]:
    """Of what people said since then, how much the models had said too, by language: the model that was asked at the time,
    and a candidate that had not seen the answer. With a candidate, only of what it was tried on: both on the same posts."""
    newest: dict[tuple[str, Head], Label] = {}
    for label in whole_log(store, after=labels_from(since)):
        newest[label.mention, label.head] = label
    answers = candidate.trial.answers if candidate and candidate.trial else {}
    found: dict[str, Tally] = {}
    for label in newest.values():
        tried = candidate is None or label.head in answers.get(label.mention, {})
        if label.value is None or not tried:
            continue
        tally = found.get(label.language, Tally(name=label.language, labels=0, base=0, own=0))
        right = answers.get(label.mention, {}).get(label.head) == label.value
        found[label.language] = replace(
            tally, labels=tally.labels + 1, base=tally.base + label.agrees, own=tally.own + right
        )
    return sorted(found.values(), key=lambda tally: (-tally.labels, tally.name))


# --- the weekly run ---------------------------------------------------------------------------------------------------


def unlearned(store: Store, models: Models) -> int:
    """How many labels there are since the newest candidate was made."""
    made = max((each.made_at for each in models.versions() if each.made_at), default=None)
    return sum(1 for _ in whole_log(store, after=labels_from(made) if made else ""))


def hold_to_gate(models: Models, name: str) -> str:
    """The name of a version that may go live; raises ``GateFailed``."""
    if failed := models.refusals(name):
        raise GateFailed(f"the gate refuses {name}: {'; '.join(failed)}; the live model stays")
    return name


def proposal(store: Store, models: Models, name: str, *, config: Config, now: datetime) -> str:
    """Try a candidate in shadow, and say in a few lines what a person decides about."""
    version, seen = models.version(name), shadow(store, models, name, config=config, now=now)
    posts = len({each.mention for each in seen.changes})
    lines = [f"Of the newest {counted(seen.posts, 'post')} it changes {posts:,}, beside {seen.live}."]
    if version.trial is not None:
        lines += [
            f"{tally.name}: {tally.own} of {counted(tally.labels, 'own label')} right, {tally.base} before."
            for tally in version.trial.heads
            if tally.labels
        ]
    return "\n\n".join([*lines, f"See {config.web.address}/learn, or `tocsin models compare {name}`."])


def approved_by(answer: object) -> str:
    """Who approved in Airflow, of its own answer; Airflow itself where it names nobody."""
    user = answer.get("responded_by_user") if isinstance(answer, Mapping) else None
    name = user.get("name") if isinstance(user, Mapping) else None
    return f"{name} (Airflow)" if isinstance(name, str) and name else "Airflow"
