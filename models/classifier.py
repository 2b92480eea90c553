"""A loaded model: posts in, calibrated probabilities, floor hits and reasons out. NumPy and SciPy's sparse product.

What a token adds to every head is summed up once, when the token is first met; a batch is then a few sums of rows.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from models import artefact, encoder, features, floor, second, third
from models.outcome import HEADS, LABELS, WIDTH, Classified, Head, Hit, Reason, columns
from models.table import BLOCK, DENSE, UNSAID, Floats, Known, Sight, Table, added
from models.text import tokens

REMEMBERED = 1 << 17
"""Tokens kept before the cache starts anew: about 100 MB; a day of posts in eight languages needs fewer."""
SPANS: dict[Head, int] = {"sentiment": 1, "category": 1, "urgency": 2, "crisis": 1}
"""Reasons looked for per head."""
ENCODER = "encoder"
"""The folder beside a model's arrays for an encoder of its own; without it the shipped one is used."""
LONGEST_QUOTE = 80
WHOLE_POST = "the post as a whole"
"""In place of words where what a post means, and no word of it alone, is the reason."""
LENGTH_PRICE = (1.0, 1.5, 1.9)
"""A span of two or three tokens must pull that much harder than one: short reasons read better."""
FAINTEST = 0.05
"""Nats below which a pull is noise."""
_HEADS = [columns(head) for head in HEADS]


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


@dataclass(frozen=True, slots=True)
class _Read:
    """A batch as the model read it; ``pairs`` are rows of neighbours, each at the place of its left token.

    ``ears`` has the bit of each post's language; ``meant`` is what the posts' meaning changed in their log odds (n, 16).
    """

    sight: Sight
    owners: NDArray[np.intp]
    pairs: NDArray[np.int32]
    pair_places: NDArray[np.intp]
    counts: NDArray[np.float64]
    scale: Floats
    final: NDArray[np.float64]
    hits: list[tuple[Hit, ...]]
    fired: dict[int, floor.Fired]
    ears: NDArray[np.uint8]
    meant: NDArray[np.float64]


def _softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    raised = np.exp(scores - scores.max(axis=1, keepdims=True, initial=-np.inf))
    shares: NDArray[np.float64] = raised / raised.sum(axis=1, keepdims=True)
    return shares


def _shares(final: NDArray[np.float64]) -> dict[Head, NDArray[np.float64]]:
    """Log odds (n, 16) as probabilities: (n, labels) for each head, (n,) for crisis."""
    shares: dict[Head, NDArray[np.float64]] = {
        head: _softmax(final[:, columns(head)]) for head in HEADS if len(LABELS[head]) > 1
    }
    shares["crisis"] = 1 / (1 + np.exp(-final[:, columns("crisis").start]))
    return shares


class Model:
    """A trained model. Safe to share between threads; a text's answer does not depend on its batch."""

    def __init__(
        self, weights: Weights, *, version: str, opinion: second.Second | None = None, last: third.Third | None = None
    ) -> None:
        self.version = version
        self._second = opinion and replace(opinion, rules=_known_rules(weights.rule_names, opinion.rules))
        self._third = last and replace(last, layer=_fitting(last.layer, weights.rule_names))
        self._rules = _known_rules(weights.rule_names, weights.rules)
        # The layer above is linear: what reaches it is weighed by it once and for all. A head's mean tells its labels
        # nothing, and without it every pull is one towards a label and away from the others.
        mix = _centred(weights.mix.astype(np.float64))
        self._words = Known(weights.words, weights.word_weights @ mix, weights.word_squares)
        self._letters = Known(weights.letters, weights.letter_weights @ mix, weights.letter_squares)
        self._dense, self._languages = weights.dense @ mix, weights.languages @ mix
        self._bias = weights.bias @ mix + weights.offset
        self._table = Table(self._words, self._letters)
        self._lock = threading.Lock()

    def classify(self, texts: Sequence[str], languages: Sequence[str]) -> Classified:
        """The probabilities and floor hits of posts in their languages (ISO codes, ``und`` if not known)."""
        return self._outcome(self._read(texts, languages))

    def log_odds(self, texts: Sequence[str], languages: Sequence[str]) -> NDArray[np.float64]:
        """The numbers (n, 16) behind the probabilities, head after head in the order of ``HEADS``."""
        return self._read(texts, languages).final

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
                self._table = Table(self._words, self._letters)
            sight = self._table.read(posts)
        owners, count = sight.reading.posts, len(posts)
        pair_numbers, places = features.neighbours(sight.first, sight.last, sight.reading)
        pairs, there = self._words.find(pair_numbers)
        places = places[there]
        ends = np.append(sight.reading.starts, len(owners)).astype(np.int32)
        once = np.ones(len(owners), np.float32)
        held = csr_array((once, sight.reading.numbers.astype(np.int32), ends), shape=(count, len(sight.rows)))
        sums, counts = (held @ sight.rows).astype(np.float64), (held @ sight.counts).astype(np.float64)
        words = sums[:, :BLOCK] + added(owners[places], pairs, count, self._words.rows)
        letters = sums[:, BLOCK:]
        scale = 1 / np.sqrt(np.maximum(np.column_stack([words[:, WIDTH], letters[:, WIDTH]]), 1e-9))
        final = words[:, :WIDTH] * scale[:, :1] + letters[:, :WIDTH] * scale[:, 1:]
        final += np.log1p(counts) @ self._dense + features.language_columns(languages) @ self._languages + self._bias
        hits, fired, flags = self._floor(sight, owners, languages)
        final += flags @ self._rules
        ears = np.array([_own(language) for language in languages], np.uint8)
        meant = self._add_opinion(texts, final, flags)
        return _Read(sight, owners, pairs, places, counts, scale.astype(np.float32), final, hits, fired, ears, meant)

    def _add_opinion(self, texts: Sequence[str], final: NDArray[np.float64], flags: Floats) -> NDArray[np.float64]:
        """Join the words' answers, in place, with what the posts mean; returns the difference (n, 16)."""
        if self._second is None or not len(texts):
            return np.zeros_like(final)
        first = final.copy()
        vectors, both = self._second.read(first, texts)
        final[:] = self._second.layered(vectors, both, flags)
        if self._third is not None:
            final[:] = self._third.add(final, both, texts, flags)
        return _centred(final - first)

    def _floor(
        self, sight: Sight, owners: NDArray[np.intp], languages: Sequence[str]
    ) -> tuple[list[tuple[Hit, ...]], dict[int, floor.Fired], Floats]:
        hits: list[tuple[Hit, ...]] = [()] * len(languages)
        fired: dict[int, floor.Fired] = {}
        flags = np.zeros((len(languages), len(self._rules)), np.float32)
        lexicon = floor.lexicon()
        for post, needs in _heard(sight, owners, languages):
            possible = lexicon.possible(needs, languages[post])
            found = tuple(lexicon.search(sight.posts[post], possible)) if possible else ()
            if found:
                fired[post], hits[post] = found, floor.hits_among(found)
                flags[post, [number for number, _ in found]] = 1
        return hits, fired, flags

    @staticmethod
    def _outcome(batch: _Read) -> Classified:
        shares = _shares(batch.final)
        return Classified(
            sentiment=shares["sentiment"],
            category=shares["category"],
            urgency=shares["urgency"],
            crisis=shares["crisis"],
            rules=tuple(batch.hits),
        )

    def _reasons(self, batch: _Read) -> list[tuple[Reason, ...]]:
        """Per head, the spans of up to three tokens that pull hardest towards the answer and away from the others."""
        sight = batch.sight
        found: list[list[Reason]] = [[] for _ in sight.posts]
        if not found:
            return []
        answers = np.column_stack([batch.final[:, place].argmax(axis=1) for place in _HEADS])
        pulls = self._pulls(batch, answers + [place.start for place in _HEADS])
        filling = (sight.fills[sight.reading.numbers] & batch.ears[batch.owners]) != 0
        spans = [
            (number, _strongest(pull, filling, batch.owners, sight.reading.starts))
            for number, (head, pull) in enumerate(zip(HEADS, pulls, strict=True))
            for _ in range(SPANS[head])
        ]
        heads = np.concatenate([np.full(len(span.posts), number) for number, span in spans])
        posts, first, length, weight = (
            np.concatenate([getattr(span, name) for _, span in spans])
            for name in ("posts", "first", "length", "weight")
        )
        order = np.lexsort((-weight, posts))
        posts, heads = posts[order], heads[order]
        begins = first[order] - len(features.EDGES) * posts - 1  # among what was said, where there are no edges
        labels = answers[posts, heads]
        for post, head, label, begin, size, pull in zip(
            *(each.tolist() for each in (posts, heads, labels, begins, length[order], weight[order])), strict=True
        ):
            words = sight.said[begin] if size == 1 else " ".join(sight.said[begin : begin + size])
            name = HEADS[head]
            found[post].append(Reason(name, LABELS[name][label], words[:LONGEST_QUOTE], pull))
        self._add_rules(batch, found)
        self._add_meaning(batch, answers, found)
        return list(map(tuple, found))

    def _pulls(self, batch: _Read, answers: NDArray[np.intp]) -> Floats:
        """What each token adds to the log odds of its post's answers (n, 4), as (4, t); a pair's share goes half to each
        neighbour. Tokens that are nobody's reason pull infinitely little."""
        sight, owners = batch.sight, batch.owners
        numbers, wanted = sight.reading.numbers, answers[owners]
        places = numbers[:, None] * (2 * BLOCK) + wanted
        flat = sight.rows.reshape(-1)
        scale = batch.scale[owners]
        pulls = flat[places] * scale[:, :1] + flat[places + BLOCK] * scale[:, 1:]
        at = batch.pair_places
        halves = self._words.rows.reshape(-1)[batch.pairs[:, None] * BLOCK + wanted[at]] * scale[at, :1] / 2
        pulls[at] += halves
        pulls[at + 1] += halves
        told = np.flatnonzero(sight.told[numbers])
        counted = batch.counts[:, UNSAID:]
        per_count = np.log1p(counted) / np.maximum(counted, 1e-9)
        worth = (self._dense[UNSAID:].T[answers] * per_count[:, None]).astype(np.float32)
        pulls[told] += np.einsum("tk,thk->th", sight.counts[numbers[told], UNSAID:], worth[owners[told]])
        pulls[sight.silent[numbers]] = -np.inf
        return np.ascontiguousarray(pulls.T)

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
                        found[post].append(Reason(head, LABELS[head][answer], words, weight))
            found[post].sort(key=lambda reason: -reason.weight)

    @staticmethod
    def _add_meaning(batch: _Read, answers: NDArray[np.intp], found: list[list[Reason]]) -> None:
        """Where a post's meaning pulled an answer harder than any of its words: no word alone is the reason then."""
        spoken = np.bincount(batch.owners, ~batch.sight.silent[batch.sight.reading.numbers], len(found)) > 0
        for post in np.flatnonzero(spoken).tolist():
            changed = batch.meant[post].tolist()
            for head, place, answer in zip(HEADS, _HEADS, answers[post].tolist(), strict=True):
                pull = changed[place.start + answer]
                said = max((reason.weight for reason in found[post] if reason.head == head), default=FAINTEST)
                if pull > said:
                    found[post].append(Reason(head, LABELS[head][answer], WHOLE_POST, pull))
            found[post].sort(key=lambda reason: -reason.weight)


def _fitting(layer: third.Layer, rule_names: NDArray[np.uint32]) -> third.Layer:
    """The third opinion's layer with the weights of floor rules in the lexicon's order."""
    return replace(layer, rules=_known_rules(rule_names, layer.rules))


def _centred(mix: NDArray[np.float64]) -> NDArray[np.float64]:
    """The weights of a layer without the mean of each head that has more than one label."""
    mix = mix.copy()
    for place in _HEADS:
        if place.stop - place.start > 1:
            mix[:, place] -= mix[:, place].mean(axis=1, keepdims=True)
    return mix


def _own(language: str) -> int:
    """The bit of a language that is known, as in ``features.function_words``."""
    return 1 << features.LANGUAGES.index(language) if language in features.LANGUAGES else 0


def _heard(
    sight: Sight, owners: NDArray[np.intp], languages: Sequence[str]
) -> Iterator[tuple[int, list[tuple[int, floor.Need]]]]:
    """Each post with an anchor heard in its language, and what its tokens are to the floor, with their places."""
    if not languages:
        return
    listening = {language: floor.ears(language) for language in set(languages)}
    numbers = sight.reading.numbers
    listens = np.array([listening[language] for language in languages], np.uint8)[owners]
    anchors = sight.ears[numbers] & listens
    heard = np.bitwise_or.reduceat(anchors, sight.reading.starts)
    places = np.flatnonzero(((anchors | sight.helps[numbers] & listens) != 0) & (heard != 0)[owners])
    if not len(places):
        return
    starts = _changes(owners[places])
    ends = np.append(starts[1:], len(places))
    needs = map(sight.needs.__getitem__, numbers[places].tolist())
    needed = list(zip(np.cumsum(sight.worded[numbers])[places].tolist(), needs, strict=True))
    posts = owners[places[starts]].tolist()
    for post, start, end in zip(posts, starts.tolist(), ends.tolist(), strict=True):
        yield post, needed[start:end]


def _changes(ascending: NDArray[np.intp]) -> NDArray[np.intp]:
    """Where each new value begins."""
    return np.flatnonzero(np.diff(ascending, prepend=-1))


@dataclass(frozen=True, slots=True)
class _Spans:
    """Spans of tokens, at most one a post."""

    posts: NDArray[np.intp]
    first: NDArray[np.intp]
    length: NDArray[np.intp]
    weight: Floats


def _strongest(pull: Floats, filling: NDArray[np.bool_], owners: NDArray[np.intp], starts: NDArray[np.intp]) -> _Spans:
    """Per post the span of one to three tokens with the strongest pull, which pulls no more afterwards.

    A span neither begins nor ends with a word that only fills the sentence.
    """
    best, weight, length = np.where(filling, -np.inf, pull), pull.copy(), np.ones(len(pull), np.intp)
    summed = pull
    for size, price in enumerate(LENGTH_PRICE[1:], 2):
        summed = summed[:-1] + pull[size - 1 :]
        worth = np.where(filling[: len(summed)] | filling[size - 1 :], -np.inf, summed / np.float32(price))
        better = np.flatnonzero(worth > best[: len(worth)])
        best[better], weight[better], length[better] = worth[better], summed[better], size
    places = np.flatnonzero((best == np.maximum.reduceat(best, starts)[owners]) & (best > FAINTEST))
    chosen = places[_changes(owners[places])]
    found = _Spans(owners[chosen], chosen, length[chosen], weight[chosen])
    for further in range(len(LENGTH_PRICE)):
        pull[chosen[found.length > further] + further] = -np.inf
    return found


def load(path: Path | None = None) -> Model:
    """The model in a folder, the shipped starter by default; ``artefact.ArtefactError`` where it cannot be used."""
    folder = path or artefact.STARTER
    arrays, manifest = artefact.read(folder)
    weights = weights_of(arrays, folder)
    reader = encoder.load(folder / ENCODER if (folder / ENCODER).is_dir() else None)
    if manifest.get("encoder") != reader.version:
        raise artefact.ArtefactError(
            f"{folder} was trained with the encoder {manifest.get('encoder')}, and {reader.version} is here: put the encoder "
            f"of its training into {folder / ENCODER}, or train the model again"
        )
    try:
        opinion = second.second_of(arrays, rules=len(weights.rule_names))
        last = third.Third(reader, third.layer_of(arrays, rules=len(weights.rule_names)))
    except (KeyError, ValueError) as error:
        raise artefact.ArtefactError(
            f"{folder / artefact.MODEL_FILE} does not fit this version ({error}): restore it, or train again"
        ) from error
    return Model(weights, version=str(manifest.get("version", "unnamed")), opinion=opinion, last=last)


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
        "dense": (DENSE, WIDTH),
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


def _known_rules(names: NDArray[np.uint32], weights: Floats) -> Floats:
    """The weights of the lexicon's rules in its order; a rule the model was not trained with weighs nothing."""
    trained = dict(zip(names.tolist(), weights, strict=True))
    nothing = np.zeros(WIDTH, np.float32)
    rows = [trained.get(number, nothing) for number in numbers_of([rule.name for rule in floor.lexicon().rules])]
    return np.array(rows, np.float32).reshape(len(rows), WIDTH)
