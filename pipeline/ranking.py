"""Ranks conversations as they stand in the store: labels before the model, merged tickets as one."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.config import Config
from pipeline.domain import Ticket
from pipeline.index import Conversation, done_before, index_tickets
from pipeline.labels import with_labels
from pipeline.merges import gathered
from pipeline.ports import Store
from pipeline.prioritise import Context, prioritise
from pipeline.tickets import handled_at


def rank_conversations(conversations: Sequence[Conversation], *, store: Store, config: Config) -> list[Ticket]:
    """Rank conversations, people's answers before the models', and write the tickets that they make."""
    said = store.labels_of({item.mention.id for each in conversations for item in each.mentions})
    drafts = {
        each.id: ticket
        for each in conversations
        if (ticket := prioritise(with_labels(each.mentions, said), config=config, context=_context(each)))
    }
    tickets = gathered(drafts, {each.id: each.ticket for each in conversations if each.ticket is not None})
    index_tickets(tickets, store=store)
    return tickets


def _context(conversation: Conversation) -> Context:
    ticket = conversation.ticket
    return Context(
        contacts=conversation.contacts,
        folded=conversation.folded,
        folded_people=conversation.folded_people,
        handled=handled_at(ticket) if ticket else None,
        done_before=done_before(ticket) if ticket else None,
        posts=conversation.posts,
        people=conversation.people,
        waiting=conversation.waiting,
    )
