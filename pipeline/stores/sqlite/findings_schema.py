"""The step of the schema that keeps with an incident what its rule found, what it explains, and what came back in it."""

from __future__ import annotations

FINDINGS = """
ALTER TABLE incidents ADD COLUMN finding TEXT;
ALTER TABLE incidents ADD COLUMN explained TEXT NOT NULL DEFAULT '[]';
ALTER TABLE incidents ADD COLUMN earlier TEXT;
"""
