"""The nouns: what stages pass on and stores keep. Facts only; states are derived with ``now`` as an argument.

Datetimes are aware UTC, probabilities 0..1, ids "<source>:<native id>".
"""

from __future__ import annotations

from pipeline.domain.alarm import (
    Incident,
    IncidentState,
    Notice,
    Reason,
)
from pipeline.domain.collection import (
    Batch,
    Coverage,
    Cursor,
    DeadLetter,
    Gap,
    Page,
    Query,
    Raw,
    Window,
)
from pipeline.domain.keeping import (
    RECORDS,
    Month,
    Record,
    key_of,
)
from pipeline.domain.understanding import (
    WHOLE_POST,
    Author,
    Category,
    Excerpt,
    Hit,
    Mention,
    Part,
    Score,
    ScoredMention,
    Sentiment,
    Signal,
    Urgency,
)
from pipeline.domain.work import (
    QUEUE_PATIENCE_MINUTES,
    QUEUE_STEP,
    Event,
    EventKind,
    Filters,
    Lane,
    Priority,
    QueueCounts,
    QueueItem,
    Rank,
    Resolution,
    Status,
    Ticket,
)

__all__ = [
    "QUEUE_PATIENCE_MINUTES",
    "QUEUE_STEP",
    "RECORDS",
    "WHOLE_POST",
    "Author",
    "Batch",
    "Category",
    "Coverage",
    "Cursor",
    "DeadLetter",
    "Event",
    "EventKind",
    "Excerpt",
    "Filters",
    "Gap",
    "Hit",
    "Incident",
    "IncidentState",
    "Lane",
    "Mention",
    "Month",
    "Notice",
    "Page",
    "Part",
    "Priority",
    "Query",
    "QueueCounts",
    "QueueItem",
    "Rank",
    "Raw",
    "Reason",
    "Record",
    "Resolution",
    "Score",
    "ScoredMention",
    "Sentiment",
    "Signal",
    "Status",
    "Ticket",
    "Urgency",
    "Window",
    "key_of",
]
