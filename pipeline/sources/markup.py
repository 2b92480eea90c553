"""HTML as posts and feeds carry it, made plain text."""

from __future__ import annotations

import re
from html.parser import HTMLParser

_BREAKS = frozenset(
    {"p", "br", "div", "li", "ul", "ol", "tr", "table", "blockquote", "pre", "h1", "h2", "h3", "h4", "hr"}
)
_SILENT = frozenset({"script", "style", "template", "head"})
_LOOKS_LIKE_HTML = re.compile(r"<[a-zA-Z/!][^<>]*>|&#?\w+;")


def text_of(markup: str) -> str:
    """The text of an HTML fragment: paragraphs on lines, entities resolved, shortened links written out."""
    if not _LOOKS_LIKE_HTML.search(markup):
        return _tidy(markup)
    reader = _Reader()
    reader.feed(markup)
    reader.close()
    return _tidy("".join(reader.parts))


def _tidy(text: str) -> str:
    lines = (" ".join(line.split()) for line in text.splitlines())
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._silent = 0
        self._link: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _SILENT:
            self._silent += 1
        elif tag in _BREAKS:
            self.parts.append("\n")
        elif tag == "a":
            self._link = dict(attrs).get("href")

    def handle_endtag(self, tag: str) -> None:
        if tag in _SILENT:
            self._silent = max(0, self._silent - 1)
        elif tag in _BREAKS:
            self.parts.append("\n")
        elif tag == "a":
            self._link = None

    def handle_data(self, data: str) -> None:
        if self._silent:
            return
        # Sites cut the visible address of a link; people and the detector need the whole one.
        shortened = self._link and data.endswith("...") and self._link.startswith(data[:-3])
        self.parts.append(self._link if shortened and self._link else data)
