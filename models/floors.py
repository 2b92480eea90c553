"""Floors: the lowest figures a model may have, with the history of how each came to be; they rise, and fall only for a reason."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

from models.report.figures import NAMED

FLOORS = Path(__file__).with_name("floors.json")
FORMAT = 1
_STEP = 1000
"""Floors have three digits: the fourth is noise."""

Key = tuple[str, str, str]
"""Set, slice and metric; written as ``set/slice/metric``."""


class FloorsError(ValueError):
    """Floors that cannot be read, or a change of them that is not allowed; the message names the floor and the next step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Floors that were set on a day, each from (``None``: not pinned before) and to what (``None``: no longer pinned)."""

    at: date
    because: str
    floors: Mapping[Key, tuple[float | None, float | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """A failure of one model that a named person let pass."""

    at: date
    model: str
    failure: Key
    who: str
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Floors:
    """What is pinned: ``values`` by set, slice and metric (ceilings where less is better); ``corpora`` are the digests of the
    files each set's figures are taken on."""

    values: Mapping[Key, float]
    corpora: Mapping[str, Mapping[str, str]]
    history: tuple[Change, ...] = ()
    overrides: tuple[Override, ...] = field(default=())

    def allows(self, model: str, failure: Key) -> bool:
        """Whether a person let this failure of this model pass."""
        return any(each.model == model and each.failure == failure for each in self.overrides)

    def raised(
        self, found: Mapping[Key, float], corpora: Mapping[str, Mapping[str, str]], *, at: date, because: str
    ) -> Floors:
        """With each floor that ``found`` would raise, and those not pinned yet; none falls."""
        better = {
            key: (self.values.get(key), value)
            for key, value in found.items()
            if key not in self.values or worse(key, self.values[key], value)
        }
        for name, files in corpora.items():
            if name in self.corpora and dict(self.corpora[name]) != dict(files):
                raise FloorsError(
                    f"the floors of {name} are pinned on other posts: figures on these cannot raise them; "
                    f"pin the new corpus with --lower {name} --because REASON"
                )
        return self._changed(better, {**self.corpora, **corpora}, at=at, because=because)

    def lowered(
        self,
        keys: Iterable[Key],
        found: Mapping[Key, float],
        corpora: Mapping[str, Mapping[str, str]],
        *,
        at: date,
        because: str,
    ) -> Floors:
        """With some floors set to ``found`` whatever they were, or taken away where it has none; the reason is kept."""
        if not because.strip():
            raise FloorsError("a floor falls only for a reason: give --because REASON")
        changed = {key: (self.values.get(key), found.get(key)) for key in keys}
        return self._changed(changed, {**self.corpora, **corpora}, at=at, because=because)

    def overridden(self, override: Override) -> Floors:
        """With one failure of one model let pass."""
        if not override.who.strip() or not override.because.strip():
            raise FloorsError("an override has a name and a reason: give --who NAME and --because REASON")
        return replace(self, overrides=(*self.overrides, override))

    def _changed(
        self,
        changed: Mapping[Key, tuple[float | None, float | None]],
        corpora: Mapping[str, Mapping[str, str]],
        *,
        at: date,
        because: str,
    ) -> Floors:
        values: dict[Key, float | None] = {**self.values, **{key: to for key, (_, to) in changed.items()}}
        kept = {key: value for key, value in sorted(values.items()) if value is not None}
        moved = {key: ends for key, ends in changed.items() if ends[0] != ends[1]}
        history = (*self.history, Change(at=at, because=because, floors=moved)) if moved else self.history
        return replace(self, values=kept, corpora=corpora, history=history)


def worse(key: Key, value: float, than: float) -> bool:
    """Whether one figure of a metric is worse than another."""
    return NAMED[key[-1]].gain(value, than) < 0


def floor_of(key: Key, value: float, slack: float) -> float:
    """The floor a figure earns: so much below it (above, where less is better), on the safe side of three digits."""
    if NAMED[key[-1]].rises:
        return max(0.0, math.floor(round((value - slack) * _STEP, 6)) / _STEP)
    return math.ceil(round((value + slack) * _STEP, 6)) / _STEP


def broken(floors: Floors) -> Iterator[str]:
    """Where the floors are not what their own history says, in words: somebody changed them by hand."""
    running: dict[Key, float | None] = {}
    for change in floors.history:
        for key, (before, after) in change.floors.items():
            if running.get(key) != before:
                yield f"{written(key)}: the change of {change.at} starts from {before}, but it stood at {running.get(key)}"
            falls = before is not None and (after is None or worse(key, after, before))
            if falls and not change.because.strip():
                yield f"{written(key)}: lowered on {change.at} without a reason"
            running[key] = after
    for key in sorted({*running, *floors.values}):
        if running.get(key) != floors.values.get(key):
            yield f"{written(key)}: is {floors.values.get(key)}, its history says {running.get(key)}"


def written(key: Key) -> str:
    """A key as people write it."""
    return "/".join(key)


def read_key(text: str) -> Key:
    """``set/slice/metric`` as a key; raises ``FloorsError``."""
    parts = text.split("/")
    if len(parts) != len(("set", "slice", "metric")) or parts[-1] not in NAMED:
        raise FloorsError(f"{text!r} is no floor: write set/slice/metric, as held_out/de/sentiment_f1")
    return parts[0], parts[1], parts[2]


def read(path: Path = FLOORS) -> Floors:
    """The floors of a file; raises ``FloorsError``."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise FloorsError(f"{path} has format {content['format']}, this version reads {FORMAT}: upgrade tocsin")
        return Floors(
            values={
                (name, part, metric): float(value)
                for name, kept in content["sets"].items()
                for part, figures in kept["floors"].items()
                for metric, value in figures.items()
            },
            corpora={name: dict(kept["corpus"]) for name, kept in content["sets"].items()},
            history=tuple(
                Change(
                    at=date.fromisoformat(each["at"]),
                    because=each["because"],
                    floors={read_key(key): (before, after) for key, (before, after) in each["floors"].items()},
                )
                for each in content["history"]
            ),
            overrides=tuple(
                Override(
                    at=date.fromisoformat(each["at"]), model=each["model"], failure=read_key(each["failure"]),
                    who=each["who"], because=each["because"],
                )
                for each in content["overrides"]
            ),
        )  # fmt: skip
    except FloorsError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise FloorsError(f"{path} does not hold floors ({error!r}): restore it from the repository") from error


def write(path: Path, floors: Floors) -> None:
    """Keep the floors in a file, a figure a line, so that a change is seen in review."""
    sets: dict[str, dict[str, object]] = {}
    for name, files in floors.corpora.items():
        parts: dict[str, dict[str, float]] = {}
        for (owner, part, metric), value in floors.values.items():
            if owner == name:
                parts.setdefault(part, {})[metric] = value
        sets[name] = {"corpus": dict(files), "floors": parts}
    content = {
        "format": FORMAT,
        "sets": sets,
        "history": [
            {"at": each.at.isoformat(), "because": each.because,
             "floors": {written(key): list(ends) for key, ends in each.floors.items()}}
            for each in floors.history
        ],
        "overrides": [
            {"at": each.at.isoformat(), "model": each.model, "failure": written(each.failure), "who": each.who,
             "because": each.because}
            for each in floors.overrides
        ],
    }  # fmt: skip
    text = json.dumps(content, indent=1, ensure_ascii=False)
    # [from, to] on one line: four lines a floor would drown what changed
    lines = re.sub(r"\[\s+([^\[\]{}]+?),\s+([^\[\]{}]+?)\s+\]", r"[\1, \2]", text)
    path.write_text(lines + "\n", encoding="utf-8")
