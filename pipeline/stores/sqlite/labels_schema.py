"""The table of labels."""

from __future__ import annotations

LABELS = """
CREATE TABLE labels (
    id TEXT NOT NULL PRIMARY KEY, mention TEXT NOT NULL, head TEXT NOT NULL, value TEXT, who TEXT NOT NULL,
    at INTEGER NOT NULL, model TEXT NOT NULL, said TEXT NOT NULL, language TEXT NOT NULL
) STRICT;
CREATE INDEX labels_of ON labels (mention, id);
"""
