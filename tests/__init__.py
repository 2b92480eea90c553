"""Tocsin's tests: a file a stage, contracts a port, stories across them."""

from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
