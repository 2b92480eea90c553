"""The tables of escalation."""

from __future__ import annotations

ESCALATION = """
ALTER TABLE notices ADD COLUMN person TEXT;
ALTER TABLE notices ADD COLUMN step TEXT;

CREATE TABLE chain_runs (
    id TEXT NOT NULL PRIMARY KEY, incident TEXT NOT NULL, chain TEXT NOT NULL, started_at INTEGER NOT NULL
) STRICT;
CREATE INDEX chain_runs_of ON chain_runs (incident, started_at);

CREATE TABLE outages (id TEXT NOT NULL PRIMARY KEY, since INTEGER NOT NULL, error TEXT NOT NULL) STRICT;

CREATE TABLE pulses (id TEXT NOT NULL PRIMARY KEY, at INTEGER NOT NULL) STRICT;
"""
