"""Schedules and wiring only; what is done stands in ``pipeline.flows``."""
