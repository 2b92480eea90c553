"""Small line drawings, inline so that nothing is loaded; each stands beside a word and says nothing by itself."""

from __future__ import annotations

from markupsafe import Markup

_PATHS = {
    "bell": "M8 2.2a4 4 0 0 0-4 4v2.6L2.6 11.4h10.8L12 8.8V6.2a4 4 0 0 0-4-4zM6.6 13.4a1.5 1.5 0 0 0 2.8 0",
    "clock": "M8 2.2a5.8 5.8 0 1 0 0 11.6A5.8 5.8 0 0 0 8 2.2zM8 5v3.2l2.2 1.4",
    "soon": "M4 2.2h8M4 13.8h8M5 2.2c0 3.6 6 4 6 11.6M11 2.2c0 3.6-6 4-6 11.6",
    "late": "M8 2.4 14.4 13.4H1.6zM8 6.6v3.2M8 11.4v.4",
    "person": "M8 2.6a2.6 2.6 0 1 0 0 5.2 2.6 2.6 0 0 0 0-5.2zM2.8 13.6c.6-2.8 2.6-4 5.2-4s4.6 1.2 5.2 4",
    "out": "M6.4 3.4H3v9.6h9.6V9.6M9.2 2.8h4v4M13 3 7.6 8.4",
    "check": "M2.8 8.6 6.4 12l6.8-7.6",
    "repeat": "M3 7.4V6.2a2 2 0 0 1 2-2h7.4M10.4 2 12.6 4.2 10.4 6.4M13 8.6v1.2a2 2 0 0 1-2 2H3.6M5.6 14 3.4 11.8 5.6 9.6",
    "undo": "M3.4 6.6h6a3.2 3.2 0 0 1 0 6.4H6M6 3.8 3.2 6.6 6 9.4",
    "down": "M4 6.2 8 10.2 12 6.2",
    "back": "M9.8 3.6 5.4 8l4.4 4.4",
}


def icon(name: str) -> Markup:
    """A drawing by name, hidden from screen readers."""
    return Markup(  # noqa: S704 - the path is one of ours, nothing of a visitor's is in it
        '<svg class="icon" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" focusable="false">'
        f'<path d="{_PATHS[name]}"/></svg>'
    )
