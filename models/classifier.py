"""A loaded model: posts in, calibrated probabilities, floor hits and reasons out. NumPy alone.

What a token adds to every head is summed up once, when the token is first met; a batch is then two gathers and a sum.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models import artefact, features, floor
from models.features import Reading, Token
from models.outcome import HEADS, LABELS, WIDTH, Classified, Head, Hit, Reason, columns
from models.text import tokens

REMEMBERED = 1 << 18
"""Tokens kept before the cache starts anew: about 100 MB; a day of posts in eight languages needs fewer."""
_DENSE = len(features.FORM) + len(features.cue_names())
_UNSAID = 2
"""The first two form columns count tokens and characters: length is no reason in anybody's words."""
_WORDS, _LETTERS, _NORMS = slice(0, WIDTH), slice(WIDTH, 2 * WIDTH), slice(2 * WIDTH, 2 * WIDTH + 2)
_COUNTS = slice(2 * WIDTH + 2, 2 * WIDTH + 2 + _DENSE)
_ROW = _COUNTS.stop

_UNQUOTED = [_COUNTS.start + features.FORM.index(name) for name in ("links", "handles")]
"""Links and handles are nobody's reason: where a post went, not what it says."""
SPANS: dict[Head, int] = {"sentiment": 1, "category": 1, "urgency": 2, "crisis": 1}
"""Reasons looked for per head."""
LONGEST_QUOTE = 80
LONGEST_SPAN = 3
LENGTH_PRICE = np.array([1.0, 1.5, 1.9])
"""A span of two or three tokens must pull that much harder than one: short reasons read better."""
FAINTEST = 0.05
"""Nats below which a pull is noise."""

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Weights:
    """The arrays of an artefact: hashed features with their weights on 16 raw numbers, and the layer above them.

    ``words`` (w,) and ``letters`` (l,) are sorted feature numbers; ``*_weights`` (·, 16) already hold the inverse
    document frequency, ``*_squares`` (·,) its square. ``dense`` weighs log counts (of the
    form and of ``cues``, by the numbers of their names), ``languages`` and ``bias`` complete the raw numbers z. ``rules``
    weighs floor rules by the numbers of their names; the answer is ``z @ mix + fired @ rules + offset``, softmaxed per head.
    """

    words: NDArray[np.uint32]
    word_weights: Floats
    word_squares: Floats
    letters: NDArray[np.uint32]
    letter_weights: Floats
    letter_squares: Floats
    cues: NDArray[np.uint32]
    dense: Floats
    languages: Floats
    bias: Floats
    mix: Floats
    rule_names: NDArray[np.uint32]
    rules: Floats
    offset: Floats


def look_up(known: NDArray[np.uint32], wanted: NDArray[np.uint32]) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """The place of each wanted feature in a sorted array, and whether it is there at all."""
    if not len(known):
        return np.zeros(len(wanted), np.intp), np.zeros(len(wanted), np.bool_)
    places = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    return places, known[places] == wanted


_ROOM = 1 << 12
"""Tokens a new table has room for; the room doubles when it is full."""


def _doubled(array: NDArray[Any]) -> NDArray[Any]:
    """The array with as much room again."""
    return np.concatenate([array, np.zeros_like(array)])


class _Table:
    """Every token met so far with what it adds to a post, as arrays by token number."""

    def __init__(self, weights: Weights) -> None:
        self._weights = weights
        self.numbers: dict[str, int] = {}
        self._new: list[Token] = list(features.EDGES)
        self.entries: list[floor.Entry] = [floor.Entry(""), floor.Entry("")]
        self._settled = 0
        self.rows = np.zeros((_ROOM, _ROW), np.float32)
        self.first = np.zeros(_ROOM, np.uint32)
        self.last = np.zeros(_ROOM, np.uint32)
        self.ears = np.zeros(_ROOM, np.uint8)
        self.counted = np.zeros(_ROOM, np.bool_)
        self.settle()

    @property
    def size(self) -> int:
        """Tokens met so far."""
        return self._settled + len(self._new)

    def number(self, token: str) -> int:
        """The number of a new token; its row is there after ``settle``."""
        number = self.numbers[token] = self.size
        self._new.append(features.read(token))
        self.entries.append(floor.lexicon().entry(token))
        return number

    def settle(self) -> None:
        """Give the new tokens their rows, all at once."""
        new, weights = self._new, self._weights
        if not new:
            return
        while len(self.first) < self.size:
            self.rows, self.first = _doubled(self.rows), _doubled(self.first)
            self.last, self.ears = _doubled(self.last), _doubled(self.ears)
            self.counted = _doubled(self.counted)
        here = slice(self._settled, self.size)
        rows = self.rows[here]
        words = np.array([number for token in new for number in token.words], np.uint32)
        word_owners = np.repeat(np.arange(len(new)), [len(token.words) for token in new])
        letters, letter_owners = features.letters([token.spelled for token in new])
        for block, (place, found, owner, known, weight, squares) in enumerate(
            (
                (_WORDS, words, word_owners, weights.words, weights.word_weights, weights.word_squares),
                (_LETTERS, letters, letter_owners, weights.letters, weights.letter_weights, weights.letter_squares),
            )
        ):
            at, there = look_up(known, found)
            at, owners = at[there], owner[there]
            if len(at):
                starts = np.flatnonzero(np.diff(owners, prepend=-1))
                rows[owners[starts], place] = np.add.reduceat(weight[at], starts, axis=0)
                rows[owners[starts], _NORMS.start + block] = np.add.reduceat(squares[at], starts)
        rows[:, _COUNTS] = [features.dense_row(token) for token in new]
        self.first[here] = [token.first for token in new]
        self.last[here] = [token.last for token in new]
        self.ears[here] = [entry.ears for entry in self.entries[here]]
        self.counted[here] = [bool(entry.anchored or entry.supported) for entry in self.entries[here]]
        self._settled = self.size
        self._new = []


@dataclass(frozen=True, slots=True)
class _Read:
    """A batch as the model read it."""

    posts: list[list[str]]
    reading: Reading
    rows: Floats
    pairs: Floats
    pair_places: NDArray[np.intp]
    sums: Floats
    scale: Floats
    final: Floats
    hits: list[tuple[Hit, ...]]
    fired: dict[int, floor.Fired]


@dataclass(frozen=True, slots=True)
class _Counted:
    """The tokens of a batch that matter to the floor: ``ears`` (t,) who hears each, ``counted`` (t,) whether it matters."""

    reading: Reading
    ears: NDArray[np.uint8]
    counted: NDArray[np.bool_]
    entries: Sequence[floor.Entry]

    def by_post(self, languages: Sequence[str]) -> Iterator[tuple[int, list[floor.Entry]]]:
        """Each post with an anchor heard in its language, and the entries of its tokens that matter."""
        listening = {language: floor.ears(language) for language in set(languages)}
        heard = np.bitwise_or.reduceat(self.ears, self.reading.starts)
        heard &= np.array([listening[language] for language in languages], np.uint8)
        owners = self.reading.posts
        places = np.flatnonzero(self.counted & (heard[owners] != 0))
        posts, starts = np.unique(owners[places], return_index=True)
        numbers = self.reading.numbers[places].tolist()
        ends = [*starts.tolist()[1:], len(numbers)]
        for post, start, end in zip(posts.tolist(), starts.tolist(), ends, strict=False):
            yield post, [self.entries[number] for number in numbers[start:end]]


def _softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    raised = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares: NDArray[np.float64] = raised / raised.sum(axis=1, keepdims=True)
    return shares


class Model:
    """A trained model. Safe to share between threads; a text's answer does not depend on its batch."""

    def __init__(self, weights: Weights, *, version: str) -> None:
        self.version = version
        self._weights = weights
        self._rules = _known_rules(weights)
        self._table = _Table(weights)
        self._lock = threading.Lock()

    def classify(self, texts: Sequence[str], languages: Sequence[str]) -> Classified:
        """The probabilities and floor hits of posts in their languages (ISO codes, ``und`` if not known)."""
        return self._outcome(self._read(texts, languages))

    def explain(self, texts: Sequence[str], languages: Sequence[str]) -> list[tuple[Reason, ...]]:
        """The reasons of each post, strongest first, in the posts' own words."""
        return self._reasons(self._read(texts, languages))

    def classify_and_explain(
        self, texts: Sequence[str], languages: Sequence[str]
    ) -> tuple[Classified, list[tuple[Reason, ...]]]:
        """Both answers for the price of one reading."""
        batch = self._read(texts, languages)
        return self._outcome(batch), self._reasons(batch)

    def reasons(self, text: str, language: str) -> tuple[Reason, ...]:
        """The strongest words behind each head's answer for one post, strongest first."""
        return self.explain([text], [language])[0]

    def _read(self, texts: Sequence[str], languages: Sequence[str]) -> _Read:
        if len(texts) != len(languages):
            raise ValueError(f"{len(texts)} texts but {len(languages)} languages")
        posts = [tokens(text) for text in texts]
        with self._lock:
            if self._table.size > REMEMBERED:
                self._table = _Table(self._weights)
            table = self._table
            reading = features.reading(posts, table.numbers, table.number)
            table.settle()
            rows = table.rows[reading.numbers]
            pair_numbers, places = features.neighbours(table.first, table.last, reading)
            ears, counted, entries = table.ears[reading.numbers], table.counted[reading.numbers], table.entries
        weights = self._weights
        at, there = look_up(weights.words, pair_numbers)
        at, places = at[there], places[there]
        pairs = weights.word_weights[at]
        if not posts:
            nothing = np.zeros((0, WIDTH), np.float32)
            return _Read([], reading, rows, pairs, places, rows[:, _COUNTS], nothing, nothing, [], {})
        owners = reading.posts
        sums = np.add.reduceat(rows, reading.starts, axis=0)
        pair_posts = owners[places]
        squares = sums[:, _NORMS].astype(np.float64)
        squares[:, 0] += np.bincount(pair_posts, weights.word_squares[at], len(posts))
        words = sums[:, _WORDS].astype(np.float64)
        if len(pair_posts):
            changes = np.flatnonzero(np.diff(pair_posts, prepend=-1))
            words[pair_posts[changes]] += np.add.reduceat(pairs, changes, axis=0)
        scale = (1 / np.sqrt(np.maximum(squares, 1e-9))).astype(np.float32)
        raw = words * scale[:, :1] + sums[:, _LETTERS] * scale[:, 1:]
        raw += (
            np.log1p(sums[:, _COUNTS]) @ weights.dense
            + features.language_columns(languages) @ weights.languages
            + weights.bias
        )
        hits, fired, flags = self._floor(posts, languages, _Counted(reading, ears, counted, entries))
        final = raw @ weights.mix + weights.offset + flags @ self._rules
        return _Read(posts, reading, rows, pairs, places, sums[:, _COUNTS], scale, final, hits, fired)

    def _floor(
        self, posts: Sequence[Sequence[str]], languages: Sequence[str], counted: _Counted
    ) -> tuple[list[tuple[Hit, ...]], dict[int, floor.Fired], Floats]:
        hits: list[tuple[Hit, ...]] = [()] * len(posts)
        fired: dict[int, floor.Fired] = {}
        flags = np.zeros((len(posts), len(self._rules)), np.float32)
        lexicon = floor.lexicon()
        for post, entries in counted.by_post(languages):
            possible = lexicon.possible(entries, languages[post])
            found = tuple(lexicon.search(posts[post], possible)) if possible else ()
            if found:
                fired[post], hits[post] = found, floor.hits_among(found)
                flags[post, [number for number, _ in found]] = 1
        return hits, fired, flags

    @staticmethod
    def _outcome(batch: _Read) -> Classified:
        final = batch.final.astype(np.float64)
        answers = (
            {head: _softmax(final[:, columns(head)]) for head in HEADS if len(LABELS[head]) > 1} if len(final) else {}
        )
        crisis = final[:, columns("crisis")][:, 0]
        return Classified(
            sentiment=answers.get("sentiment", np.zeros((0, len(LABELS["sentiment"])))),
            category=answers.get("category", np.zeros((0, len(LABELS["category"])))),
            urgency=answers.get("urgency", np.zeros((0, len(LABELS["urgency"])))),
            crisis=1 / (1 + np.exp(-crisis)),
            rules=tuple(batch.hits),
        )

    def _reasons(self, batch: _Read) -> list[tuple[Reason, ...]]:
        """Per head, the spans of up to three tokens that pull hardest towards the answer and away from the others."""
        if not batch.posts:
            return []
        owners = batch.reading.posts
        pulls = self._pulls(batch, owners)
        silent = (batch.reading.numbers < len(features.EDGES)) | (batch.rows[:, _UNQUOTED] > 0).any(axis=1)
        found: list[list[Reason]] = [[] for _ in batch.posts]
        for head in HEADS:
            place = columns(head)
            answer = batch.final[:, place].argmax(axis=1)
            pull = pulls[np.arange(len(owners)), place.start + answer[owners]]
            if len(LABELS[head]) > 1:
                pull = pull - pulls[:, place].mean(axis=1)
            for _ in range(SPANS[head]):
                spans = _strongest(np.where(silent, -np.inf, pull), owners, batch.reading.starts)
                for post, first, length, weight in spans:
                    offset = first - int(batch.reading.starts[post]) - 1
                    words = " ".join(batch.posts[post][offset : offset + length])[:LONGEST_QUOTE]
                    found[post].append(Reason(head=head, label=LABELS[head][answer[post]], words=words, weight=weight))
                    pull[first : first + length] = -np.inf
        self._add_rules(batch, found)
        return [tuple(sorted(reasons, key=lambda reason: -reason.weight)) for reasons in found]

    def _pulls(self, batch: _Read, owners: NDArray[np.intp]) -> NDArray[np.float64]:
        """What each token (t, 16) adds to the final log odds of its post; a pair's share goes half to each neighbour."""
        scale = batch.scale[owners]
        raw = batch.rows[:, _WORDS] * scale[:, :1] + batch.rows[:, _LETTERS] * scale[:, 1:]
        halves = batch.pairs * scale[batch.pair_places, :1] / 2
        raw[batch.pair_places] += halves
        raw[batch.pair_places + 1] += halves
        counted = batch.sums[:, _UNSAID:]
        per_count = np.log1p(counted) / np.maximum(counted, 1e-9)
        counts = batch.rows[:, _COUNTS][:, _UNSAID:] * per_count[owners]
        raw += counts @ self._weights.dense[_UNSAID:]
        pulls: NDArray[np.float64] = (raw @ self._weights.mix).astype(np.float64)
        return pulls

    def _add_rules(self, batch: _Read, found: list[list[Reason]]) -> None:
        """The floor rules, weak ones too, with the weight the layer above gives them."""
        for post, fired in batch.fired.items():
            for number, words in fired:
                pull = self._rules[number]
                for head in ("urgency", "crisis"):
                    place = columns(head)
                    answer = int(batch.final[post, place].argmax())
                    weight = float(pull[place][answer] - (pull[place].mean() if head == "urgency" else 0.0))
                    if weight > FAINTEST:
                        found[post].append(Reason(head=head, label=LABELS[head][answer], words=words, weight=weight))


def _strongest(
    pull: NDArray[np.float64], owners: NDArray[np.intp], starts: NDArray[np.intp]
) -> list[tuple[int, int, int, float]]:
    """Per post the span of one to three tokens with the strongest pull: post, first token, length, weight."""
    padded = np.concatenate([pull, np.full(LONGEST_SPAN, -np.inf)])
    sums = np.cumsum([padded[shift : shift + len(pull)] for shift in range(LONGEST_SPAN)], axis=0)
    worth = sums / LENGTH_PRICE[:, None]
    length = worth.argmax(axis=0)
    best = worth.max(axis=0)
    places = np.flatnonzero((best == np.maximum.reduceat(best, starts)[owners]) & (best > FAINTEST))
    posts, first = np.unique(owners[places], return_index=True)
    chosen = places[first]
    weights = sums[length[chosen], chosen]
    return list(zip(posts.tolist(), chosen.tolist(), (length[chosen] + 1).tolist(), weights.tolist(), strict=True))


def load(path: Path | None = None) -> Model:
    """The model in a folder, the shipped starter by default; ``artefact.ArtefactError`` where it cannot be used."""
    folder = path or artefact.STARTER
    arrays, manifest = artefact.read(folder)
    return Model(weights_of(arrays, folder), version=str(manifest.get("version", "unnamed")))


def weights_of(arrays: dict[str, NDArray[np.generic]], folder: Path) -> Weights:
    """The arrays of an artefact as weights, their shapes checked against this version's features."""
    path = folder / artefact.MODEL_FILE
    try:
        named = {name: arrays[name] for name in Weights.__dataclass_fields__}
    except KeyError as error:
        raise artefact.ArtefactError(f"{path} lacks the array {error}: restore it, or train again") from error
    expected = {
        "word_weights": (len(named["words"]), WIDTH),
        "letter_weights": (len(named["letters"]), WIDTH),
        "word_squares": (len(named["words"]),),
        "letter_squares": (len(named["letters"]),),
        "dense": (_DENSE, WIDTH),
        "languages": (len(features.LANGUAGES), WIDTH),
        "bias": (WIDTH,),
        "mix": (WIDTH, WIDTH),
        "rules": (len(named["rule_names"]), WIDTH),
        "offset": (WIDTH,),
    }
    for name, shape in expected.items():
        if named[name].shape != shape:
            raise artefact.ArtefactError(
                f"{path} does not fit this version ({name} is {named[name].shape}, not {shape}): train again"
            )
    if named["cues"].tolist() != numbers_of(features.cue_names()):
        raise artefact.ArtefactError(f"{path} was trained with other cues than {features.CUES}: train again")

    def whole(name: str) -> NDArray[np.uint32]:
        return named[name].astype(np.uint32)

    def real(name: str) -> Floats:
        return named[name].astype(np.float32)

    return Weights(
        words=whole("words"),
        word_weights=real("word_weights"),
        word_squares=real("word_squares"),
        letters=whole("letters"),
        letter_weights=real("letter_weights"),
        letter_squares=real("letter_squares"),
        cues=whole("cues"),
        dense=real("dense"),
        languages=real("languages"),
        bias=real("bias"),
        mix=real("mix"),
        rule_names=whole("rule_names"),
        rules=real("rules"),
        offset=real("offset"),
    )


def numbers_of(names: Sequence[str]) -> list[int]:
    """The numbers under which an artefact keeps names."""
    return [features.hashed("n", name) for name in names]


def _known_rules(weights: Weights) -> Floats:
    """The weights of the lexicon's rules in its order; a rule the model was not trained with weighs nothing."""
    trained = dict(zip(weights.rule_names.tolist(), weights.rules, strict=True))
    nothing = np.zeros(WIDTH, np.float32)
    rows = [trained.get(number, nothing) for number in numbers_of([rule.name for rule in floor.lexicon().rules])]
    return np.array(rows, np.float32).reshape(len(rows), WIDTH)
