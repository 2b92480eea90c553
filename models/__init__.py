"""Trained models: text in, numbers out. Knows nothing of tickets, stores or schedules.

``load`` gives the shipped starter or another artefact; ``floor`` names grave wording whatever a model thinks.
"""

from __future__ import annotations

from models import floor
from models.artefact import ArtefactError
from models.classifier import Model, load
from models.outcome import CATEGORIES, SENTIMENTS, URGENCIES, Classified, Hit, Reason

__all__ = [
    "CATEGORIES",
    "SENTIMENTS",
    "URGENCIES",
    "ArtefactError",
    "Classified",
    "Hit",
    "Model",
    "Reason",
    "floor",
    "load",
]
