"""Turns the scores of a conversation into its ticket: cost of waiting, deadline, P1..P4, and the line that explains.

The order is Apparent Tardiness Cost (Vepsalainen and Morton, 1987): ``I(now) = W/h * exp(-max(0, due_at - now) / K)``
with ``W`` the expected cost of waiting, ``h`` the handling time, ``due_at`` = respond-by less ``h``, and ``K`` 40 minutes.
``log(W/h)`` is kept in steps of 5 %: within one step the order by ``due_at`` is the order by ``I``, due or not, so the
stored numbers never go stale and a store reads the queue as a merge of index ranges (see ``ports.Tickets.queue``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import attrgetter, mul
from typing import NamedTuple

from pipeline.config import Config, Target, Weights
from pipeline.domain import (
    QUEUE_STEP,
    WHOLE_POST,
    Category,
    Lane,
    Mention,
    Part,
    Priority,
    Rank,
    Score,
    ScoredMention,
    Ticket,
    Urgency,
)
from pipeline.hours import Calendar

WHY_LENGTH = 140
WORTH_QUOTING = (
    0.5  # a word is quoted where it pulls at least half as hard as the post as a whole: else it is not the reason
)
CRISIS_FLOOR = 0.5  # a crisis rule is a claim of danger in plain words: at least an even chance for the cost
MULTIPLIER_CAP = 4.0  # reach and repetition may lift a post by about one class, never a joke above a danger
SPAM_CERTAIN = 0.8  # above it, and without any sign of danger, a post is kept as a mention and makes no ticket
WORTH_SAYING = 0.2  # P(crisis) below this is most posts' and explains nothing
SHORTEST_WORDS = 4  # characters: "no" and "the" weigh something and tell a person nothing
_DANGER = "danger"  # the key of the crisis head's words
REPEAT_WINDOW = timedelta(days=30)
_PRESSING = (Urgency.CRITICAL, Urgency.HIGH)
_REPEATED = {"repeat contact", "spread", "reach", "VIP"}  # parts that say something of themselves
_ASKING = (Category.COMPLAINT, Category.REQUEST, Category.QUESTION)


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What the store knows around a conversation.

    Conversations its author began lately, reposts and their people; until when people have dealt with what had been heard
    (``handled``), and before which post nothing waits any more (``done_before``). Of a conversation too long to be read
    whole, how many ``posts`` it has, by how many ``people``, and how many are ``waiting``.
    """

    contacts: int = 1
    folded: int = 0
    folded_people: int = 0
    handled: datetime | None = None
    done_before: datetime | None = None
    posts: int = 0
    people: int = 0
    waiting: int = 0


def prioritise(conversation: Sequence[ScoredMention], *, config: Config, context: Context) -> Ticket | None:
    """The ticket of one conversation (mentions oldest first), or ``None`` when nobody needs to see it.

    Own posts close the waiting of what was posted before them, people's acts that of what was heard before them. The lead
    is the costliest waiting post, or the last one; what waits is due when the first of its deadlines is.
    """
    inbound = [item for item in conversation if not item.mention.own]
    wanted = [item for item in inbound if not _spam(item.score)]
    if not wanted:
        return None
    answers = [item.mention.posted_at for item in conversation if item.mention.own]
    first = inbound[0].mention
    waiting = [item for item in wanted if _waits(item.mention, answers, context)]
    candidates = waiting or wanted[-1:]
    labels = [_labels(item.score, config) for item in candidates]
    place = 0
    if len(candidates) > 1:
        costs = [
            _expected_cost(item.score, config.weights, said.category)[0]
            for item, said in zip(candidates, labels, strict=True)
        ]
        place = costs.index(max(costs))
    lead, said = candidates[place], labels[place]
    score = lead.score
    return Ticket(
        id=first.conversation,
        brand=lead.mention.brand,
        source=lead.mention.source,
        query=lead.mention.query,
        mention=lead.mention.id,
        author=lead.mention.author.id,
        language=lead.mention.language,
        category=said.category,
        urgency=said.urgency,
        sentiment=score.sentiment_label,
        crisis=score.crisis,
        rank=_rank(
            lead.mention,
            score,
            said,
            respond_by=min(
                [_due(item.mention, said.priority, config) for item, said in zip(candidates, labels, strict=True)]
            ),
            config=config,
            context=context,
            posts_waiting=max(len(waiting), context.waiting),
        ),
        opened_at=first.posted_at,
        last_at=inbound[-1].mention.posted_at,
        waiting_since=waiting[0].mention.posted_at if waiting else None,
        heard_at=max(item.mention.collected_at for item in waiting) if waiting else None,
        responded_at=next((at for at in answers if at >= first.posted_at), None),
        posts=max(len(conversation), context.posts),
        people=max(len({item.mention.author.id for item in inbound}), context.people) + context.folded_people,
        folded=context.folded,
    )


def _waits(mention: Mention, answers: Sequence[datetime], context: Context) -> bool:
    if answers and mention.posted_at <= answers[-1]:
        return False
    if context.done_before is not None and mention.posted_at < context.done_before:
        return False
    return context.handled is None or mention.collected_at > context.handled


def respond_by(mention: Mention, score: Score, *, config: Config) -> datetime:
    """When this post must have its first response."""
    return _due(mention, priority_of(score, config), config)


def _due(mention: Mention, priority: Priority, config: Config) -> datetime:
    target: Target = getattr(config.sla, priority)
    return Calendar.of(config, mention.brand, mention.language).deadline(mention.posted_at, target)


def priority_of(score: Score, config: Config) -> Priority:
    """P1 in the crisis lane, else by the table of urgency and category."""
    return _labels(score, config).priority


class _Labels(NamedTuple):
    """What a score says in words: worked out once a post, asked for often."""

    category: Category
    urgency: Urgency
    lane: Lane
    priority: Priority


def _labels(score: Score, config: Config) -> _Labels:
    category, urgency = score.category_label, score.urgency_label
    if in_crisis_lane(score, config.weights):
        return _Labels(category, urgency, Lane.CRISIS, Priority.P1)
    return _Labels(category, urgency, Lane.QUEUE, config.priority.of(urgency, category))


def rank(
    mention: Mention,
    score: Score,
    *,
    respond_by: datetime,
    config: Config,
    context: Context | None = None,
    posts_waiting: int = 1,
) -> Rank:
    """Where a post stands that is due at ``respond_by``, with every factor of it."""
    return _rank(
        mention,
        score,
        _labels(score, config),
        respond_by=respond_by,
        config=config,
        context=context or Context(),
        posts_waiting=posts_waiting,
    )


def _rank(
    mention: Mention,
    score: Score,
    said: _Labels,
    *,
    respond_by: datetime,
    config: Config,
    context: Context,
    posts_waiting: int,
) -> Rank:
    weights = config.weights
    cost, parts = _with_multipliers(
        _expected_cost(score, weights, said.category), _multipliers(mention, weights, context, posts_waiting)
    )
    return Rank(
        cost=cost,
        level=round(math.log(cost / weights.handling_minutes) / QUEUE_STEP),
        due_at=respond_by - timedelta(minutes=weights.handling_minutes),
        respond_by=respond_by,
        lane=said.lane,
        priority=said.priority,
        why=_why(score, parts, said.category, said.urgency),
        parts=parts,
        handling_minutes=weights.handling_minutes,
    )


def in_crisis_lane(score: Score, weights: Weights) -> bool:
    """P(crisis) at the lane's threshold, or a floor rule of danger."""
    if score.crisis >= weights.crisis_lane:
        return True
    return bool(score.rules) and any(hit.crisis or hit.urgency is Urgency.CRITICAL for hit in score.rules)


def cost_of(
    score: Score,
    weights: Weights,
    *,
    mention: Mention | None = None,
    context: Context | None = None,
    posts_waiting: int = 1,
) -> tuple[float, tuple[Part, ...]]:
    """``W`` and its factors: class cost, urgency, then the capped multipliers that apply. Their product is ``W``."""
    multipliers = _multipliers(mention, weights, context or Context(), posts_waiting) if mention else []
    return _with_multipliers(_expected_cost(score, weights, score.category_label), multipliers)


def _with_multipliers(
    expected: tuple[float, tuple[Part, Part]], multipliers: list[Part]
) -> tuple[float, tuple[Part, ...]]:
    cost, parts = expected
    if not multipliers:
        return cost, parts
    product = math.prod([part.value for part in multipliers])
    if product > MULTIPLIER_CAP:
        cap = Part(
            name="cap", value=MULTIPLIER_CAP / product, because=f"multipliers together at most {MULTIPLIER_CAP:g}"
        )
        multipliers.append(cap)
        product = MULTIPLIER_CAP
    return cost * product, (*parts, *multipliers)


def _expected_cost(score: Score, weights: Weights, category: Category) -> tuple[float, tuple[Part, Part]]:
    crisis = score.crisis
    if score.rules and any(hit.crisis for hit in score.rules):
        crisis = max(crisis, CRISIS_FLOOR)
    costs = (weights.complaint, weights.request, weights.question)
    asked = [score.category.get(label, 0.0) for label in _ASKING]
    calm = sum(map(mul, asked, costs)) + (sum(score.category.values()) - sum(asked)) * weights.other
    value = crisis * weights.crisis + (1 - crisis) * calm
    because = f"P(crisis) {crisis:.2f} x {weights.crisis:g} + {1 - crisis:.2f} x {calm:.2f} ({category})"
    levels: dict[str, float] = {
        Urgency.CRITICAL: weights.critical,
        Urgency.HIGH: weights.high,
        Urgency.NORMAL: weights.normal,
        Urgency.LOW: weights.low,
    }
    urgency = sum([p * levels[label] for label, p in score.urgency.items()])
    reason = " + ".join([f"{p:.2f} x {levels[label]:g}" for label, p in score.urgency.items() if p >= 0.005])
    for hit in score.rules:
        if levels[hit.urgency] > urgency:
            urgency, reason = levels[hit.urgency], f'rule "{hit.rule}": at least {hit.urgency}'
    return value * urgency, (
        Part(name="class cost", value=value, because=because),
        Part(name="urgency", value=urgency, because=reason),
    )


def _multipliers(mention: Mention, weights: Weights, context: Context, posts_waiting: int) -> list[Part]:
    parts: list[Part] = []
    followers = mention.author.followers or 0
    if followers >= 1000:
        value = min(2.0, 1 + 0.25 * math.log10(followers / 100))
        parts.append(Part(name="reach", value=value, because=f"{followers:,} followers"))
    spread = max(mention.reposts, context.folded)
    if spread >= 2:
        value = min(3.0, 1 + 0.3 * math.log2(spread))
        parts.append(Part(name="spread", value=value, because=f"{spread:,} reposts and repeats"))
    times = max(context.contacts, posts_waiting)
    if times >= 2:
        value = 1.25 if times == 2 else 1.5
        because = (
            f"{posts_waiting} posts unanswered" if posts_waiting >= context.contacts else f"contact {times} in 30 days"
        )
        parts.append(Part(name="repeat contact", value=value, because=because))
    if weights.vip and {mention.author.handle.lower(), mention.author.id.lower()} & {
        name.lower().lstrip("@") for name in weights.vip
    }:
        parts.append(Part(name="VIP", value=2.0, because="on the VIP list"))
    return parts


def _spam(score: Score) -> bool:
    return score.category.get(Category.SPAM, 0.0) >= SPAM_CERTAIN and score.crisis < 0.2 and not score.rules


def why(score: Score, parts: Sequence[Part]) -> str:
    """One line of at most 140 characters: rules first, then danger, urgency and kind with the words behind them, then
    repetition and reach."""
    return _why(score, parts, score.category_label, score.urgency_label)


def _why(score: Score, parts: Sequence[Part], category: Category, urgency: Urgency) -> str:
    reasons = [f'{hit.rule} (rule: "{_short(hit.words)}")' for hit in score.rules[:2]]
    told = {hit.words.lower() for hit in score.rules}
    words = _words_by_head(score)

    def add(head: str, text: str) -> None:
        for each in words.get(head, ()):
            lower = each.lower()
            if lower not in told and each != WHOLE_POST:
                told.add(lower)
                reasons.append(f'{text}: "{_short(each)}"')
                return
        if head == _DANGER or WHOLE_POST in words.get(head, ()):
            reasons.append(text)

    if score.crisis >= WORTH_SAYING:
        add(_DANGER, f"P(crisis) {score.crisis:.2f}")
    if urgency in _PRESSING:
        add(urgency, f"reads {urgency}")
    add(category, category)
    reasons += [part.because for part in parts if part.name in _REPEATED]
    if not reasons:
        reasons = [f"{category}, {urgency} urgency"]
    line = reasons[0][:WHY_LENGTH]
    for reason in reasons[1:]:
        if len(line) + len(reason) + 2 <= WHY_LENGTH:
            line += f"; {reason}"
    return line


def _words_by_head(score: Score) -> dict[str, list[str]]:
    """The words behind each label, strongest first; a signal is called "urgency: critical", or "crisis"."""
    words: dict[str, list[str]] = {}
    meant: dict[str, float] = {}
    for signal in sorted(score.signals, key=attrgetter("value"), reverse=True):
        head, _, label = signal.name.partition(": ")
        label = _DANGER if head == "crisis" else label
        if signal.because == WHOLE_POST:
            meant[label] = signal.value
        if len(signal.because) >= SHORTEST_WORDS and signal.value >= meant.get(label, 0.0) * WORTH_QUOTING:
            words.setdefault(label, []).append(signal.because)
    return words


def _short(words: str) -> str:
    return words if len(words) <= 48 else words[:47].rstrip() + "…"
