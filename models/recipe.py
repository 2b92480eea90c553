"""Recipes: which public sets teach the model beside our own labels, and what their labels say about ours."""

from __future__ import annotations

import hashlib
import random
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from models.outcome import CATEGORIES, SENTIMENTS
from models.text import fold

STARTER_RECIPE = Path(__file__).with_name("recipes") / "starter.toml"
ENCODER_RECIPE = STARTER_RECIPE.with_name("encoder.toml")
TRAIN_FILE, DEVELOPMENT_FILE = "train.tsv", "dev.tsv"
_SEED = 7
_KEYS = frozenset(
    {
        "name",
        "licence",
        "language",
        "languages",
        "label",
        "at_most",
        "weight",
        "skip",
        "mood",
        "sentiment",
        "category",
        "relevant",
        "relevant_label",
    }
)


class RecipeError(ValueError):
    """A recipe that cannot be followed; the message names the file, the set and the next step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicSet:
    """One public set of a recipe. ``sentiment`` and ``category`` give, per label, the answers of ours it leaves possible.

    Posts of a ``mood`` set judge no brand: their sentiment is their author's mood. ``relevant`` tells, per value of the column
    ``relevant_label``, whether a post is about what it was collected for.
    """

    name: str
    licence: str
    languages: Mapping[str, str]
    language: str | None
    label: str
    at_most: int | None
    weight: float
    mood: bool
    skip: Mapping[str, Sequence[str]]
    sentiment: Mapping[str, tuple[bool, ...]]
    category: Mapping[str, tuple[bool, ...]]
    relevant: Mapping[str, bool]
    relevant_label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicRow:
    """A post of a public set: ``sentiment`` (3) and ``category`` (8) tell which answers its label leaves possible; ``mood`` that
    the sentiment is its author's and not a stance toward a brand; ``relevant`` whether it is about what it was collected for,
    ``None`` where the set does not say."""

    text: str
    language: str
    set: str
    weight: float
    mood: bool
    sentiment: tuple[bool, ...]
    category: tuple[bool, ...]
    relevant: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Public:
    """The rows of a recipe's sets, the files they came from (name, sha256, rows used), and sets that are not there."""

    rows: tuple[PublicRow, ...] = ()
    files: tuple[tuple[str, str, int], ...] = ()
    licences: Mapping[str, str] = field(default_factory=dict)
    missing: tuple[str, ...] = ()


def read_recipe(path: Path) -> tuple[PublicSet, ...]:
    """The sets of a recipe; raises ``RecipeError``."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise RecipeError(f"{path} is not there: name a recipe with --recipe") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RecipeError(f"{path} is not TOML ({error}): correct it") from error
    return tuple(_set(path, table) for table in content.get("set", ()))


def _set(path: Path, table: Mapping[str, object]) -> PublicSet:
    name = str(table.get("name", "?"))
    if strange := sorted(set(table) - _KEYS):
        raise RecipeError(f"{path}, set {name!r}: unknown key {strange[0]!r}; known are {', '.join(sorted(_KEYS))}")
    if not {"name", "licence"} <= set(table):
        raise RecipeError(f"{path}, set {name!r}: name and licence must be given")
    languages = table.get("languages", {})
    if isinstance(languages, list):
        languages = {language: language for language in languages}
    if not isinstance(languages, dict) or bool(languages) == ("language" in table):
        raise RecipeError(f"{path}, set {name!r}: give either language, or languages (a list, or a table of its names)")
    skip = table.get("skip", {})
    at_most, relevant = table.get("at_most"), table.get("relevant", {})
    return PublicSet(
        name=name,
        licence=str(table["licence"]),
        languages={str(key): str(value) for key, value in languages.items()},
        language=str(table["language"]) if "language" in table else None,
        label=str(table.get("label", "label")),
        at_most=at_most if isinstance(at_most, int) else None,
        weight=float(str(table.get("weight", 1.0))),
        mood=table.get("mood", False) is True,
        skip={str(key): [str(value) for value in values] for key, values in skip.items()}
        if isinstance(skip, dict)
        else {},
        sentiment=_answers(path, name, table.get("sentiment", {}), SENTIMENTS),
        category=_answers(path, name, table.get("category", {}), CATEGORIES),
        relevant={str(label): said is True for label, said in relevant.items()} if isinstance(relevant, dict) else {},
        relevant_label=str(table.get("relevant_label", table.get("label", "label"))),
    )


def _answers(path: Path, name: str, table: object, known: Sequence[str]) -> dict[str, tuple[bool, ...]]:
    found: dict[str, tuple[bool, ...]] = {}
    for label, said in table.items() if isinstance(table, dict) else ():
        ruled_out = isinstance(said, dict)
        named = said.get("not", []) if isinstance(said, dict) else said
        if not isinstance(named, list) or not named or not set(named) <= set(known):
            raise RecipeError(
                f"{path}, set {name!r}, label {label!r}: {said!r} must list some of {', '.join(known)}, "
                "or be { not = [...] }"
            )
        found[str(label)] = tuple((answer in named) != ruled_out for answer in known)
    return found


def read_public(data: Path | None, recipe: Path = STARTER_RECIPE) -> Public:
    """The rows of a recipe's sets under a data folder; sets that are not there are named, not silently left out."""
    rows: list[PublicRow] = []
    files: list[tuple[str, str, int]] = []
    licences: dict[str, str] = {}
    missing: list[str] = []
    held = _held_out(data) if data is not None else frozenset[str]()
    for each in read_recipe(recipe):
        path = data / each.name / TRAIN_FILE if data is not None else None
        if path is None or not path.is_file():
            missing.append(each.name)
            continue
        found = _drawn(each, [row for row in _rows(each, path) if same(row.text) not in held])
        rows += found
        files.append((f"{each.name}/{TRAIN_FILE}", hashlib.sha256(path.read_bytes()).hexdigest(), len(found)))
        licences[each.name] = each.licence
    return Public(rows=tuple(rows), files=tuple(files), licences=licences, missing=tuple(missing))


def _held_out(data: Path) -> frozenset[str]:
    """The posts of all development files: nothing is learned from a copy of one in another set."""
    held: set[str] = set()
    for path in sorted(data.glob(f"*/{DEVELOPMENT_FILE}")):
        names, *lines = path.read_text(encoding="utf-8").rstrip("\n").split("\n")
        place = names.split("\t").index("text")
        held |= {same(line.split("\t")[place]) for line in lines}
    return frozenset(held)


def _rows(each: PublicSet, path: Path) -> Iterator[PublicRow]:
    lines = path.read_text(encoding="utf-8").rstrip("\n").split("\n")
    names = lines[0].split("\t")
    anything = (True,) * len(SENTIMENTS), (True,) * len(CATEGORIES)
    for line in lines[1:]:
        fields = dict(zip(names, line.split("\t"), strict=False))
        if any(fields.get(column) in values for column, values in each.skip.items()):
            continue
        language = each.language or each.languages.get(fields.get("lang", ""))
        if language is None:
            continue
        sentiment, category = anything
        for label in fields.get(each.label, "").split(
            ","
        ):  # a row with several labels is all they leave possible together
            if label in each.sentiment:
                sentiment = _joined(sentiment, each.sentiment[label], len(SENTIMENTS))
            if label in each.category:
                category = _joined(category, each.category[label], len(CATEGORIES))
        relevant = each.relevant.get(fields.get(each.relevant_label, "").lower())
        if all(sentiment) and all(category) and relevant is None:
            continue
        yield PublicRow(
            text=fields["text"], language=language, set=each.name, weight=each.weight, mood=each.mood,
            sentiment=sentiment, category=category, relevant=relevant,
        )  # fmt: skip


def _joined(so_far: tuple[bool, ...], more: tuple[bool, ...], width: int) -> tuple[bool, ...]:
    """What two labels leave possible: of the first label its own answers, of a further one either's."""
    return more if so_far == (True,) * width else tuple(a or b for a, b in zip(so_far, more, strict=True))


def _drawn(each: PublicSet, rows: list[PublicRow]) -> list[PublicRow]:
    """At most ``at_most`` rows per language, drawn with a fixed seed."""
    if each.at_most is None:
        return rows
    kept: list[PublicRow] = []
    for language in sorted({row.language for row in rows}):
        of_language = [row for row in rows if row.language == language]
        random.Random(f"{_SEED} {each.name} {language}").shuffle(of_language)  # noqa: S311 - a draw, not a secret
        kept += of_language[: each.at_most]
    return kept


def same(text: str) -> str:
    """What two copies of a post have in common: its words without case, marks, links and handles."""
    return re.sub(r"\W+", "", re.sub(r"https?://\S+|@\w+", "", fold(text)))[:120]
