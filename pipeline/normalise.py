"""Makes parsed mentions comparable: clean text, language, the conversation each belongs to. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from pipeline.domain import Author, Mention
from pipeline.language import detect

TEXT_LIMIT = 50_000  # characters; the longest article comment is far below, a paste of a log file is not
SHORT = 60  # characters; in longer texts one name outweighs nothing
NAME_LIMIT = 200  # characters of a display name or handle; networks allow 50 to 100

_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f\x85\u2028\u2029\ud800-\udfff]")
_LINE_ENDS = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_NOT_TEXT = re.compile("[\x00-\x08\x0e-\x1f\x7f]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Normalised:
    """Mentions in their order, and conversations to re-root: old id -> the conversation their start turned out to be in."""

    mentions: tuple[Mention, ...]
    moves: Mapping[str, str]


def normalise(mentions: Sequence[Mention], *, known: Mapping[str, str]) -> Normalised:
    """Clean texts, detect languages and resolve conversations of a batch.

    ``known`` gives the conversation of mentions indexed before, at least of the batch's own ids and those they reply to.
    """
    texts = [clean(mention.text)[:TEXT_LIMIT] for mention in mentions]
    told = [_without_brand(text, mention.brand) for mention, text in zip(mentions, texts, strict=True)]
    languages = detect(told, [mention.language for mention in mentions])
    threads = _Threads(mentions, known)
    return Normalised(
        mentions=tuple(
            replace(
                mention,
                text=text,
                language=language,
                author=_clean_author(mention.author),
                conversation=threads.conversation(mention),
            )
            for mention, text, language in zip(mentions, texts, languages, strict=True)
        ),
        moves=threads.moves(),
    )


def clean(text: str) -> str:
    """A text as it is kept: composed (NFC), lines ended by a line feed, no control characters, no broken surrogates.

    Emoji, links and invisible characters stay: people see what was posted, matching looks past it (``pipeline.text``).
    """
    if not text.isprintable() and _CONTROLS.search(text):  # the first is cheap, and true of most texts
        # Through UTF-16, halves that belong together become their character again and lone ones fall out.
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "ignore")
        text = _NOT_TEXT.sub("", _LINE_ENDS.sub("\n", text))
    return text.strip() if text.isascii() else unicodedata.normalize("NFC", text).strip()


def _without_brand(text: str, brand: str) -> str:
    """A short text without the brand's name, which is in no language but looks as if: "Amo mi Brightly"."""
    return _name(brand).sub(" ", text) if len(text) < SHORT and brand.strip() else text


@lru_cache(maxsize=1024)
def _name(brand: str) -> re.Pattern[str]:
    """Any word of a brand's name, whatever ending it has."""
    return re.compile(rf"\b(?:{'|'.join(map(re.escape, brand.split()))})", re.IGNORECASE)


def _clean_author(author: Author) -> Author:
    handle, name = clean(author.handle)[:NAME_LIMIT], clean(author.name)[:NAME_LIMIT]
    if handle == author.handle and name == author.name:
        return author
    return replace(author, handle=handle, name=name)


class _Threads:
    """Where the mentions of a batch belong, whatever order replies and what they reply to arrive in."""

    def __init__(self, mentions: Sequence[Mention], known: Mapping[str, str]) -> None:
        self._batch = {mention.id: mention for mention in mentions}
        self._known = known
        self._found: dict[str, str] = {}

    def conversation(self, mention: Mention) -> str:
        """The source's conversation; else that of what it replies to; else its own id."""
        path: dict[str, None] = {}  # ids on the way up, in order
        place = mention.id
        root = self._found.get(place)
        while root is None:
            path[place] = None
            above = self._above(place)
            if above == place or _given(self._batch.get(place)):
                root = above
            elif above in path:  # replies in a circle: a source's mistake, but they talk to each other
                root = min(list(path)[list(path).index(above) :])
            else:
                place = above
                root = self._found.get(place)
        self._found.update(dict.fromkeys(path, root))
        return root

    def moves(self) -> dict[str, str]:
        """Replies that others may have been rooted at, while nobody knew that they are replies."""
        replies = [mention for mention in self._batch.values() if mention.in_reply_to and not _given(mention)]
        return {mention.id: root for mention in replies if (root := self.conversation(mention)) != mention.id}

    def _above(self, place: str) -> str:
        """One step up: in the batch, else in what the store knows, else no further."""
        mention = self._batch.get(place)
        if mention is None:
            return self._known.get(place, place)
        if _given(mention):
            return mention.conversation
        parent = mention.in_reply_to
        if parent is None or not (parent in self._batch or parent in self._known):
            return self._known.get(place, parent or place)
        return parent


def _given(mention: Mention | None) -> bool:
    """Whether the source named a conversation; a reply rooted at itself is a reply whose root the source did not know."""
    return (
        mention is not None
        and bool(mention.conversation)
        and not (mention.conversation == mention.id and mention.in_reply_to)
    )
