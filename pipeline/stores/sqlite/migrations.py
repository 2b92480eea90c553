"""The schema, one numbered step after another; a step that has been released never changes.

Times are microseconds since 1970 (UTC), flags 0 or 1, structures JSON.
"""

# ruff: noqa: S608 - SQL is put together from our own column lists, values are always parameters
from __future__ import annotations

from pipeline.stores.sqlite.counts_schema import COUNTS
from pipeline.stores.sqlite.escalation_schema import ESCALATION
from pipeline.stores.sqlite.facets_schema import FACETS
from pipeline.stores.sqlite.findings_schema import FINDINGS
from pipeline.stores.sqlite.labels_schema import LABELS
from pipeline.stores.sqlite.merges_schema import MERGES
from pipeline.stores.sqlite.teams import TEAMS

# A ticket waits while this holds. Partial indexes are used only where a query repeats it word for word; they hold both
# columns besides, or SQLite would look into the table to see what the index already says.
WAITING = "resolved_at IS NULL AND waiting_since IS NOT NULL"

DIMENSIONS = ("brand", "source", "language", "category")
"""What people filter the queue by."""

HOUR = 3_600_000_000  # the grain of waiting_counts, in microseconds

_WAITS = "({0}.resolved_at IS NULL AND {0}.waiting_since IS NOT NULL)"
_COUNTED = "{0}.lane, {0}.respond_by / 3600000000, {0}.brand, {0}.source, {0}.language, {0}.category"


def _count(row: str, change: int) -> str:
    """Add a ticket to the counts of all tickets and of each value that people filter by, or take it off."""
    return f"""
    INSERT INTO waiting_counts (dimension, value, lane, hour, tickets)
    SELECT counted.column1, counted.column2, {row}.lane, {row}.respond_by / {HOUR}, {change}
    FROM (VALUES ('all', ''), {", ".join(f"('{name}', {row}.{name})" for name in DIMENSIONS)}) AS counted
    WHERE true
    ON CONFLICT DO UPDATE SET tickets = tickets + excluded.tickets;
    """


_QUEUE_INDEXES = "\n".join(
    f"CREATE INDEX {name} ON tickets ({prefix}lane, level, due_at, id, brand, source, language, category, claimed_by,"
    f" claimed_until, respond_by, waiting_since, resolved_at) WHERE {WAITING};"
    for name, prefix in (("queue", ""), *((f"queue_of_{dimension}", f"{dimension}, ") for dimension in DIMENSIONS))
)

_REMOVE_EMPTY = "DELETE FROM waiting_counts WHERE tickets = 0;"

_CHANGED = (
    f"({_WAITS.format('OLD')}, {_COUNTED.format('OLD')}) IS NOT ({_WAITS.format('NEW')}, {_COUNTED.format('NEW')})"
)

_FIRST = f"""
CREATE TABLE cursors (
    source TEXT NOT NULL, query TEXT NOT NULL,
    watermark TEXT, watermark_at INTEGER, tried_at INTEGER, succeeded_at INTEGER, error TEXT, retry_at INTEGER,
    calls_left INTEGER, calls_reset_at INTEGER,
    PRIMARY KEY (source, query)
) STRICT, WITHOUT ROWID;

CREATE TABLE gaps (
    id TEXT NOT NULL PRIMARY KEY, source TEXT NOT NULL, query TEXT NOT NULL,
    newer_than TEXT, older_than TEXT, since INTEGER, until INTEGER, reason TEXT NOT NULL,
    opened_at INTEGER NOT NULL, closed_at INTEGER, lost_at INTEGER
) STRICT;
CREATE INDEX gaps_of ON gaps (source, query, since, until);

CREATE TABLE batches (
    id TEXT NOT NULL PRIMARY KEY, source TEXT NOT NULL, query TEXT NOT NULL, path TEXT NOT NULL,
    count INTEGER NOT NULL, digest TEXT NOT NULL, landed_at INTEGER NOT NULL, triaged_at INTEGER,
    kept INTEGER NOT NULL, unmatched INTEGER NOT NULL, bad INTEGER NOT NULL
) STRICT;
CREATE INDEX batches_pending ON batches (landed_at, id) WHERE triaged_at IS NULL;

CREATE TABLE dead_letters (
    id TEXT NOT NULL PRIMARY KEY, source TEXT NOT NULL, query TEXT NOT NULL, batch TEXT NOT NULL,
    reason TEXT NOT NULL, raw TEXT NOT NULL, at INTEGER NOT NULL
) STRICT;
CREATE INDEX dead_letters_newest ON dead_letters (at);
CREATE INDEX dead_letters_of ON dead_letters (source, query, at);

-- number = microseconds of posted_at * 1024 + a tie-breaker: the table, its indexes and the word index are in the
-- order of posting, so "newest first" is never a sort.
CREATE TABLE mentions (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, source TEXT NOT NULL, query TEXT NOT NULL,
    brand TEXT NOT NULL, author TEXT NOT NULL, handle TEXT NOT NULL, name TEXT NOT NULL, followers INTEGER,
    verified INTEGER NOT NULL, text TEXT NOT NULL, posted_at INTEGER NOT NULL, collected_at INTEGER NOT NULL,
    language TEXT NOT NULL, url TEXT, conversation TEXT NOT NULL, in_reply_to TEXT, repost_of TEXT,
    tagged INTEGER NOT NULL, own INTEGER NOT NULL, fold TEXT, likes INTEGER NOT NULL, reposts INTEGER NOT NULL,
    replies INTEGER NOT NULL,
    probabilities TEXT NOT NULL, rules TEXT NOT NULL, signals TEXT NOT NULL, crisis REAL NOT NULL, model TEXT NOT NULL,
    degraded INTEGER NOT NULL, category TEXT NOT NULL, critical INTEGER NOT NULL
) STRICT;
CREATE INDEX mentions_of_conversation ON mentions (conversation);
CREATE INDEX mentions_of_author ON mentions (author);
CREATE INDEX mentions_folded ON mentions (fold, author) WHERE fold IS NOT NULL;
CREATE INDEX mentions_heard ON mentions (source, query, collected_at);
CREATE INDEX mentions_grave ON mentions (collected_at, crisis, critical) WHERE fold IS NULL AND own = 0;

-- Words are analysed by pipeline.text before they come here; this tokenizer only splits them at blanks.
CREATE VIRTUAL TABLE words USING fts5 (
    folded, stems, facets, content = '', columnsize = 0, tokenize = "ascii tokenchars '_'"
);

-- Bands are hashes: the period (about three days, mention >> 48) keeps a batch's writes to the pages of its own days.
CREATE TABLE bands (
    period INTEGER NOT NULL, band INTEGER NOT NULL, mention INTEGER NOT NULL, PRIMARY KEY (period, band, mention)
) STRICT, WITHOUT ROWID;

CREATE TABLE tickets (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE,
    lane INTEGER NOT NULL, level INTEGER NOT NULL, due_at INTEGER NOT NULL, respond_by INTEGER NOT NULL,
    cost REAL NOT NULL, priority TEXT NOT NULL, why TEXT NOT NULL, parts TEXT NOT NULL, handling_minutes REAL NOT NULL,
    brand TEXT NOT NULL, source TEXT NOT NULL, query TEXT NOT NULL, mention TEXT NOT NULL, author TEXT NOT NULL,
    language TEXT NOT NULL, category TEXT NOT NULL, urgency TEXT NOT NULL, sentiment TEXT NOT NULL,
    crisis REAL NOT NULL, opened_at INTEGER NOT NULL, last_at INTEGER NOT NULL, waiting_since INTEGER,
    responded_at INTEGER, answered_at INTEGER, resolved_at INTEGER, resolution TEXT, reopened_at INTEGER,
    claimed_by TEXT, claimed_until INTEGER, posts INTEGER NOT NULL, people INTEGER NOT NULL, folded INTEGER NOT NULL,
    version INTEGER NOT NULL
) STRICT;
-- Within one lane and level the order by due_at is the order of the queue at any time (see queue.py). The same again for
-- each thing people filter by: what is rare, or always low in the queue, is then found as fast.
{_QUEUE_INDEXES}
CREATE INDEX claims ON tickets (claimed_by, claimed_until) WHERE {WAITING} AND claimed_by IS NOT NULL;
CREATE INDEX deadlines ON tickets
    (respond_by, brand, source, language, category, waiting_since, resolved_at) WHERE {WAITING};

-- How many tickets wait, by the hour they must be answered by: counting a million rows would take 50 ms.
CREATE TABLE waiting_counts (
    dimension TEXT NOT NULL, value TEXT NOT NULL, lane INTEGER NOT NULL, hour INTEGER NOT NULL,
    tickets INTEGER NOT NULL, PRIMARY KEY (dimension, value, lane, hour)
) STRICT, WITHOUT ROWID;
CREATE INDEX waiting_counts_empty ON waiting_counts (tickets) WHERE tickets = 0;
CREATE TRIGGER tickets_inserted AFTER INSERT ON tickets WHEN {_WAITS.format("NEW")}
BEGIN {_count("NEW", 1)} END;
CREATE TRIGGER tickets_deleted AFTER DELETE ON tickets WHEN {_WAITS.format("OLD")}
BEGIN {_count("OLD", -1)} {_REMOVE_EMPTY} END;
CREATE TRIGGER tickets_left AFTER UPDATE ON tickets WHEN {_WAITS.format("OLD")} AND {_CHANGED}
BEGIN {_count("OLD", -1)} {_REMOVE_EMPTY} END;
CREATE TRIGGER tickets_came AFTER UPDATE ON tickets WHEN {_WAITS.format("NEW")} AND {_CHANGED}
BEGIN {_count("NEW", 1)} END;

CREATE TABLE events (
    id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, actor TEXT NOT NULL, kind TEXT NOT NULL,
    subject TEXT NOT NULL, note TEXT NOT NULL, before TEXT, undone INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX events_of ON events (subject);

CREATE TABLE incidents (
    id TEXT NOT NULL PRIMARY KEY, brand TEXT NOT NULL, cause TEXT NOT NULL, title TEXT NOT NULL, rule TEXT NOT NULL,
    severity INTEGER NOT NULL, parts TEXT NOT NULL, opened_at INTEGER NOT NULL, last_at INTEGER NOT NULL,
    mentions TEXT NOT NULL, posts INTEGER NOT NULL, people INTEGER NOT NULL, closed_at INTEGER,
    acknowledged_by TEXT, acknowledged_at INTEGER, version INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX incidents_open ON incidents (brand, cause) WHERE closed_at IS NULL;
CREATE INDEX incidents_newest ON incidents (opened_at);

CREATE TABLE notices (
    id TEXT NOT NULL PRIMARY KEY, reason TEXT NOT NULL, "group" TEXT NOT NULL, channel TEXT NOT NULL,
    subject TEXT NOT NULL, body TEXT NOT NULL, severity INTEGER NOT NULL, created_at INTEGER NOT NULL,
    sent_at INTEGER, attempts INTEGER NOT NULL, error TEXT, retry_at INTEGER, failed_at INTEGER
) STRICT;
CREATE INDEX notices_due ON notices (created_at, id) WHERE sent_at IS NULL AND failed_at IS NULL;
CREATE INDEX notices_newest ON notices (created_at);
CREATE INDEX notices_of_group ON notices ("group", created_at);

CREATE TABLE changes (count INTEGER NOT NULL) STRICT;
INSERT INTO changes VALUES (0);
"""

MIGRATIONS: tuple[str, ...] = (_FIRST, COUNTS, ESCALATION, LABELS, FACETS, TEAMS, FINDINGS, MERGES)
"""Step n brings a store of version n to version n + 1."""
