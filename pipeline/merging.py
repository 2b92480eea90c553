"""Merging tickets: what a person said is written first, then the tickets it concerns are ranked, then it is called done.

Each step may be repeated. A ticket waits by itself until it has been ranked with the other, so a crash between any two
steps shows a customer twice and never not at all; ``finish_merges`` goes on from there, with every triage.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime

from pipeline.config import Config
from pipeline.domain import Ticket
from pipeline.errors import NotFound
from pipeline.index import read_conversations
from pipeline.ports import Store
from pipeline.prioritise import REPEAT_WINDOW
from pipeline.ranking import rank_conversations
from pipeline.respond import somebody

MOST = 1000  # merges of one turn: more than people make between two triages


def merge(
    store: Store, config: Config, ticket_id: str, into: str, *, responder: str, note: str = "", now: datetime
) -> Ticket:
    """Make one ticket of two: what both wait for, the earlier deadline, both histories. ``undo`` takes them apart again.

    Returns the ticket that is left. Raises ``AlreadyClaimed`` when another holds either, ``NotFound``, and ``Conflict``
    where one of them is part of a third.
    """
    part = store.merge_ticket(ticket_id, somebody(responder), into, note=note.strip(), now=now)
    _settle(store, config, part, now=now)
    return store.ticket(into)


def finish_merges(store: Store, config: Config, *, now: datetime) -> int:
    """Rank what has been merged or taken apart and not been ranked since; returns how many there were."""
    waiting = store.unsettled(limit=MOST)
    for ticket in waiting:
        _settle(store, config, ticket, now=now)
    return len(waiting)


def _settle(store: Store, config: Config, part: Ticket, *, now: datetime) -> None:
    if part.unsettled is None:
        return
    whole = None
    with suppress(NotFound):  # its month is no longer kept
        whole = store.ticket(part.unsettled)
    if part.merged_into is not None and (whole is None or whole.merged_into is not None):
        why = f"{part.merged_into} is gone" if whole is None else f"{whole.id} has become part of {whole.merged_into}"
        part = store.part_ticket(part.id, note=f"no longer merged: {why}", now=now)
    if whole is not None:
        store.gather(whole.id, now=now)
    touched = {part.id} | ({whole.id} if whole is not None else set())
    rank_conversations(read_conversations(touched, window=REPEAT_WINDOW, store=store), store=store, config=config)
    store.settle(part.id, now=now)
