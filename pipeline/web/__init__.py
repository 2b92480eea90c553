"""The pages and their JSON: ``create_app`` makes them of a store, a configuration and a clock."""

from pipeline.web.app import create_app

__all__ = ["create_app"]
