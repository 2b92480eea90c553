"""The columns of tickets that are part of one another."""

from __future__ import annotations

MERGES = """
ALTER TABLE tickets ADD COLUMN merged_into TEXT;
ALTER TABLE tickets ADD COLUMN merged_at INTEGER;
ALTER TABLE tickets ADD COLUMN merged TEXT;
ALTER TABLE tickets ADD COLUMN unsettled TEXT;
CREATE INDEX tickets_merged ON tickets (merged_into) WHERE merged_into IS NOT NULL;
CREATE INDEX tickets_unsettled ON tickets (unsettled) WHERE unsettled IS NOT NULL;
"""
