"""Stores: SQLite is embedded and the default, Elasticsearch is for production; both fit ``ports.Store``."""
