"""Writes mentions and the tickets their conversations make; run twice, it changes nothing."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from pipeline.domain import Excerpt, Mention, ScoredMention, Ticket
from pipeline.merges import with_acts
from pipeline.ports import Mentions, Tickets
from pipeline.tickets import handled_at

NEWEST = 200  # posts that rank a conversation: more than anyone reads before they answer; what is longer is a storm
GRAVEST = 20  # of the others, so that no storm buries a danger


class Index(Mentions, Tickets, Protocol):
    """The part of the store that this stage writes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """The mentions of one conversation, oldest first, with what the store knows around it.

    Of a long one they are those that rank it, and ``posts``, ``people`` and ``waiting`` count all (see ``Excerpt``).
    """

    id: str
    mentions: Sequence[ScoredMention]
    contacts: int = 1
    folded: int = 0
    folded_people: int = 0
    ticket: Ticket | None = None
    posts: int = 0
    people: int = 0
    waiting: int = 0


def index_mentions(
    scored: Sequence[ScoredMention], sketches: Mapping[str, Sequence[int]], *, moves: Mapping[str, str], store: Index
) -> list[str]:
    """Index mentions and re-root the conversations in ``moves`` (old id -> new id); returns the new mentions' ids."""
    new = store.add_mentions(scored, sketches)
    for old, target in moves.items():
        store.move_conversation(old, target)
    return new


def finished_originals(mentions: Sequence[Mention], *, store: Index) -> set[str]:
    """The originals that copies in this batch repeat, and whose tickets no longer wait."""
    originals = {mention.fold for mention in mentions if mention.fold and mention.repost_of is None}
    if not originals:
        return set()
    conversations = store.conversations_of(originals)
    tickets = store.tickets(set(conversations.values()))
    return {
        original
        for original, conversation in conversations.items()
        if (ticket := tickets.get(conversation)) is not None
        and (ticket.waiting_since is None or ticket.resolved_at is not None)
    }


def touched_conversations(
    scored: Sequence[ScoredMention], *, new: Collection[str], window: timedelta, store: Index
) -> list[Conversation]:
    """The conversations a batch belongs to, and those of the originals it repeats, as they now stand in the store.

    ``new`` are the ids that were just indexed: a conversation that holds nothing else is not read back. ``window`` is how
    far back an author's earlier conversations count.
    """
    originals = {item.mention.fold for item in scored if item.mention.fold}
    ids = {item.mention.conversation for item in scored if not item.mention.fold or item.mention.own}
    ids |= set(store.conversations_of(originals).values())
    return read_conversations(ids, scored=scored, new=new, window=window, store=store)


def read_conversations(
    ids: Collection[str],
    *,
    scored: Sequence[ScoredMention] = (),
    new: Collection[str] = (),
    window: timedelta,
    store: Index,
) -> list[Conversation]:
    """Conversations as they now stand in the store, with all those whose tickets are one with theirs."""
    tickets = store.tickets(ids)
    joined = {id_ for each in tickets.values() for id_ in (each.merged_into, *each.merged) if id_ is not None}
    if joined := joined - tickets.keys():  # few: a person has said so of each
        wholes = store.tickets(joined)
        parts = {id_ for each in wholes.values() for id_ in each.merged} - tickets.keys() - wholes.keys()
        tickets = {**tickets, **wholes, **(store.tickets(parts) if parts else {})}
    wholes = {each.id: each for each in tickets.values() if each.merged}
    tickets = {
        id_: with_acts(each, wholes[each.merged_into]) if each.merged_into in wholes else each
        for id_, each in tickets.items()
    }
    sizes = store.sizes({*ids, *tickets})
    if not sizes:
        return []
    excerpts = {key: _excerpt(key, tickets.get(key), store) for key, size in sizes.items() if size > NEWEST}
    for key in excerpts:
        del sizes[key]
    whole = _whole(sizes, scored=scored, new=new, store=store)
    read = {**whole, **{key: found.mentions for key, found in excerpts.items()}}
    contacts = _contacts(read, window=window, store=store)
    repeated = store.folded_counts([item.mention.id for items in whole.values() for item in items])
    short = [
        Conversation(
            id=key,
            mentions=items,
            contacts=contacts.get(key, 1),
            folded=sum([repeated.get(item.mention.id, (0, 0))[0] for item in items]),
            folded_people=sum([repeated.get(item.mention.id, (0, 0))[1] for item in items]),
            ticket=tickets.get(key),
        )
        for key, items in whole.items()
    ]
    long = [
        Conversation(
            id=key,
            mentions=found.mentions,
            contacts=contacts.get(key, 1),
            folded=found.folded,
            folded_people=found.folded_people,
            ticket=tickets.get(key),
            posts=found.posts,
            people=found.people,
            waiting=found.waiting,
        )
        for key, found in excerpts.items()
    ]
    return short + long


def _whole(
    sizes: Mapping[str, int], *, scored: Sequence[ScoredMention], new: Collection[str], store: Index
) -> dict[str, list[ScoredMention]]:
    """The mentions of short conversations, oldest first, from memory where it holds all of them."""
    fresh: dict[str, list[ScoredMention]] = {}
    first = {item.mention.id: item for item in reversed(scored)}  # what a batch says twice is indexed as first said
    for id_ in new:
        fresh.setdefault(first[id_].mention.conversation, []).append(first[id_])
    begun = {key: sorted(fresh[key], key=_posted) for key, size in sizes.items() if size == len(fresh.get(key, ()))}
    return begun | store.conversations(sizes.keys() - begun.keys())


def _excerpt(conversation: str, ticket: Ticket | None, store: Index) -> Excerpt:
    return store.excerpt(
        conversation,
        newest=NEWEST,
        gravest=GRAVEST,
        handled=handled_at(ticket) if ticket else None,
        done_before=done_before(ticket) if ticket else None,
    )


def _contacts(
    conversations: Mapping[str, Sequence[ScoredMention]], *, window: timedelta, store: Index
) -> dict[str, int]:
    """How many conversations the author of each has begun in the window up to it."""
    firsts = {
        key: first.mention
        for key, items in conversations.items()
        if (first := next((item for item in items if not item.mention.own), None))
    }
    latest = sorted((first.posted_at, first.author.id) for first in firsts.values())  # of an author who began several
    contacts = store.contacts({author: at for at, author in latest}, window=window)
    return {key: contacts.get(first.author.id, 1) for key, first in firsts.items()}


def done_before(ticket: Ticket) -> datetime | None:
    """Before which post nothing of a ticket waits any more: what was dealt with before it was reopened."""
    return ticket.waiting_since if ticket.reopened_at else None


def _posted(item: ScoredMention) -> tuple[datetime, str]:
    return item.mention.posted_at, item.mention.id


def index_tickets(tickets: Sequence[Ticket], *, store: Index) -> None:
    """Create tickets or bring them up to date."""
    if tickets:
        store.save_tickets(tickets)
