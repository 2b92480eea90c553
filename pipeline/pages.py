"""The pages as a server runs them: ``uvicorn --factory pipeline.pages:pages``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline import config as settings
from pipeline.app import config_path, links_of, make_home, models_of, now, store_of
from pipeline.web import create_app

if TYPE_CHECKING:
    from fastapi import FastAPI


def pages() -> FastAPI:
    """The pages of the configuration that ``TOCSIN_CONFIG`` names; they need the store and the links' key, no source or model."""
    config = settings.load(config_path())
    make_home(config)
    return create_app(store_of(config), config, clock=now, links=links_of(config), models=lambda: models_of(config))
