"""Writes mentions and the tickets their conversations make; run twice, it changes nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from pipeline.domain import Mention, ScoredMention, Ticket
from pipeline.ports import Mentions, Tickets


class Index(Mentions, Tickets, Protocol):
    """The part of the store that this stage writes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """All mentions of one conversation, oldest first, with what the store knows around it."""

    id: str
    mentions: tuple[ScoredMention, ...]
    contacts: int = 1
    folded: int = 0
    folded_people: int = 0
    ticket: Ticket | None = None


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
    conversations = _read(ids, scored=scored, new=new, store=store)
    if not conversations:
        return []
    firsts = {key: next((m for m in items if not m.mention.own), None) for key, items in conversations.items()}
    began = {item.mention.author.id: item.mention.posted_at for item in firsts.values() if item}
    contacts = store.contacts(began, window=window)
    tickets = store.tickets(conversations)
    repeated = store.folded_counts([item.mention.id for items in conversations.values() for item in items])
    return [
        Conversation(
            id=key,
            mentions=tuple(items),
            contacts=contacts.get(first.mention.author.id, 1) if (first := firsts[key]) else 1,
            folded=sum(repeated.get(item.mention.id, (0, 0))[0] for item in items),
            folded_people=sum(repeated.get(item.mention.id, (0, 0))[1] for item in items),
            ticket=tickets.get(key),
        )
        for key, items in conversations.items()
    ]


def _read(
    ids: Iterable[str], *, scored: Sequence[ScoredMention], new: Collection[str], store: Index
) -> dict[str, list[ScoredMention]]:
    """The mentions of each conversation, oldest first, from memory where it holds all of them."""
    fresh: dict[str, list[ScoredMention]] = {}
    first = {item.mention.id: item for item in reversed(scored)}  # what a batch says twice is indexed as first said
    for id_ in new:
        fresh.setdefault(first[id_].mention.conversation, []).append(first[id_])
    sizes = store.sizes(ids)
    found = {key: sorted(fresh[key], key=_posted) for key, size in sizes.items() if size == len(fresh.get(key, ()))}
    return found | store.conversations(sizes.keys() - found.keys())


def _posted(item: ScoredMention) -> tuple[datetime, str]:
    return item.mention.posted_at, item.mention.id


def index_tickets(tickets: Sequence[Ticket], *, store: Index) -> None:
    """Create tickets or bring them up to date."""
    if tickets:
        store.save_tickets(tickets)
