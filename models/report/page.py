"""The report as a page: one file that opens without a network, a table beside every chart, light and dark."""

from __future__ import annotations

import dataclasses
import html
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources

from models.outcome import LABELS
from models.report.evaluation import ALL, Bin, Detail, Evaluation, Mistake, Slice
from models.report.figures import METRICS, NAMED

SCHEMA = 1
"""The layout of the JSON form (docs/quality.md); it rises when a key changes its meaning or goes."""
_DIGITS = 5
_COLUMNS = ("sentiment_f1", "category_f1", "complaint_f1", "urgency_f1", "urgent_ap", "urgent_recall_30", "order_cost",
            "crisis_ap", "crisis_recall", "sentiment_gap", "category_gap", "urgency_gap", "crisis_gap")  # fmt: skip
"""Figures in a line of the tables of slices."""
_DRAWN = ("sentiment_f1", "category_f1", "urgent_ap", "crisis_ap")
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8f8f8f", "#b0a000")
"""Okabe and Ito's, told apart by colour-blind readers; mid-tones that stand on white and on black."""
_DASHES = ("solid", "dash", "dot", "dashdot")
_KINDS = {
    "language": "By language",
    "source": "By source",
    "length": "By length",
    "training": "Seen in training or not",
    "rate": "At the natural rate",
}
_LEAST_BIN = 5
"""Posts a bin must have to be drawn: below, its share is an accident."""

Drawing = dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows of text under column titles; the first cell of a row names it."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of the page: what it says in words, perhaps a drawing with what it shows for who cannot see it, and its table."""

    title: str
    words: str = ""
    table: Table
    shows: str = ""
    traces: tuple[Drawing, ...] = ()
    layout: Mapping[str, object] = field(default_factory=dict)
    open: bool = False

    @property
    def drawing(self) -> str:
        """The chart as JSON that may stand inside a script."""
        return _scripted({"data": self.traces, "layout": self.layout})


def as_json(found: Evaluation) -> str:
    """The report as JSON, numbers to five digits, what is undefined as null."""
    return json.dumps(_plain({"schema": SCHEMA} | dataclasses.asdict(found)), ensure_ascii=False)


def as_page(found: Evaluation) -> str:
    """The report as HTML, complete in itself."""
    from jinja2 import Environment, StrictUndefined  # noqa: PLC0415 - only a page needs them
    from plotly.offline import get_plotlyjs  # noqa: PLC0415

    pages = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = pages.from_string(resources.files("models.report").joinpath("page.html").read_text(encoding="utf-8"))
    return template.render(
        found=found,
        parts=list(parts(found)),
        mistakes=_by_kind(found.mistakes),
        comparison=found.comparison,
        plotly=get_plotlyjs(),
        scripted=_scripted,
    )


def parts(found: Evaluation) -> Iterator[Part]:
    """The parts of the page in the order they are read; the worst mistakes follow them."""
    yield _headline(found)
    if found.comparison is not None:
        yield _comparison(found)
    if found.orders:
        yield _queue(found)
    for kind, title in _KINDS.items():
        chosen = [each for each in found.slices if each.kind == kind]
        if chosen:
            yield _sliced(title, chosen)
    yield _reliability(found.heads)
    for detail in found.heads:
        yield _precision(detail)
        yield _confusion(detail)
    if found.learning:
        yield _learning(found)


def number(value: float, digits: int = 3) -> str:
    """A figure for people; what is undefined is a dash."""
    return "–" if math.isnan(value) else f"{value:.{digits}f}"


def _headline(found: Evaluation) -> Part:
    shown = [each for each in found.slices if each.kind in {"all", "training", "rate"}]
    rows = []
    for metric in METRICS:
        cells = []
        for each in shown:
            between = each.intervals.get(metric.name)
            ends = f" ({number(between[0])} to {number(between[1])})" if between else ""
            cells.append(number(each.figures[metric.name]) + ends)
        rows.append((metric.title, *cells))
    whole = found.slices[0].populations
    return Part(
        title="All figures",
        words=f"Of {found.posts:,} posts {whole['urgent']:,} are urgent and {whole['crises']:,} a crisis by label. In brackets: "
        "95 % intervals, near-duplicates resampled together.",
        table=Table(
            caption="Figures over all posts and over their main parts",
            columns=("figure", *(f"{each.name} ({each.posts:,} posts)" for each in shown)),
            rows=tuple(rows),
        ),
        open=True,
    )


def _comparison(found: Evaluation) -> Part:
    comparison = found.comparison
    assert comparison is not None
    drawn = [each for each in comparison.differences if each.slice == ALL]
    traces: list[Drawing] = []
    for verdict, colour in (("better", _COLOURS[2]), ("no difference shown", _COLOURS[6]), ("worse", _COLOURS[1])):
        chosen = [each for each in drawn if each.verdict == verdict]
        traces.append(
            {
                "type": "scatter", "mode": "markers", "name": verdict, "marker": {"color": colour, "size": 9},
                "x": [each.gain for each in chosen], "y": [html.escape(each.title) for each in chosen],
                "error_x": {"type": "data", "symmetric": False, "color": colour,
                            "array": [each.high - each.gain for each in chosen],
                            "arrayminus": [each.gain - each.low for each in chosen]},
            }
        )  # fmt: skip
    return Part(
        title=f"{comparison.model} beside {comparison.against}",
        words=" ".join(comparison.summary),
        shows=f"Gain of {comparison.model} over {comparison.against} per figure with its interval; right of zero is better.",
        traces=tuple(traces),
        layout={"xaxis": {"title": {"text": "gain (right is better)"}, "zeroline": True}, "height": 120 + 26 * len(drawn),
                "yaxis": {"automargin": True, "autorange": "reversed"}},
        table=Table(
            caption=f"Paired bootstrap, {comparison.resamples} resamples of {comparison.groups:,} groups of near-duplicates",
            columns=("slice and figure", "posts", comparison.model, comparison.against, "gain", "95 % interval", "verdict"),
            rows=tuple(
                (f"{each.slice}: {each.title}", f"{each.posts:,}", number(each.ours), number(each.theirs),
                 f"{each.gain:+.3f}", f"{each.low:+.3f} to {each.high:+.3f}", each.verdict)
                for each in comparison.differences
            ),
        ),
    )  # fmt: skip


def _queue(found: Evaluation) -> Part:
    whole = found.slices[0].populations
    traces: list[Drawing] = [
        {
            "type": "scatter", "mode": "lines+markers", "name": html.escape(order.name),
            "x": [0, *(100 * depth for depth in order.depths)], "y": [0, *(100 * recall for recall in order.recall)],
            "line": {"color": _COLOURS[place], "dash": _DASHES[place % len(_DASHES)]},
        }
        for place, order in enumerate(found.orders)
    ]  # fmt: skip
    depths = found.orders[0].depths
    return Part(
        title="The queue: urgent posts found within a workload",
        words=f"{whole['urgent']:,} of {whole['urgency']:,} posts with an urgency label are urgent. The cost of an order is 0 for the "
        "best possible and 1 for chance: each post waits for those before it, at the price its labels set.",
        shows="Share of urgent posts found, over the share of the queue read, one line per way to sort it.",
        traces=tuple(traces),
        layout={"xaxis": {"title": {"text": "first … % of the queue"}, "rangemode": "tozero"},
                "yaxis": {"title": {"text": "% of urgent posts found"}, "range": [0, 102]}},
        table=Table(
            caption="Share of urgent posts found in the first part of the queue, and what the order costs",
            columns=("order", *(f"first {100 * depth:.0f} %" for depth in depths), "cost"),
            rows=tuple((order.name, *map(number, order.recall), number(order.cost)) for order in found.orders),
        ),
    )  # fmt: skip


def _sliced(title: str, chosen: Sequence[Slice]) -> Part:
    traces: list[Drawing] = []
    for place, name in enumerate(_DRAWN):
        trace: Drawing = {
            "type": "bar", "name": NAMED[name].title, "marker": {"color": _COLOURS[place]},
            "x": [html.escape(each.name) for each in chosen], "y": [_or_none(each.figures[name]) for each in chosen],
        }  # fmt: skip
        if all(name in each.intervals for each in chosen):
            ends = [(each.figures[name], *each.intervals[name]) for each in chosen]
            trace["error_y"] = {
                "type": "data", "symmetric": False, "thickness": 1,
                "array": [high - value for value, _, high in ends], "arrayminus": [value - low for value, low, _ in ends],
            }  # fmt: skip
        traces.append(trace)
    return Part(
        title=title,
        shows=f"{', '.join(NAMED[name].title for name in _DRAWN)} as bars for each of {len(chosen)} slices.",
        traces=tuple(traces),
        layout={"barmode": "group", "yaxis": {"range": [0, 1.02]}, "xaxis": {"automargin": True, "type": "category"}},
        table=Table(
            caption=f"{title}: posts, how many of them were in the training, and figures",
            columns=("slice", "posts", "in training", "urgent", "crises", *(NAMED[name].title for name in _COLUMNS)),
            rows=tuple(
                (each.name, f"{each.posts:,}", f"{each.seen:,}", f"{each.populations['urgent']:,}",
                 f"{each.populations['crises']:,}", *(number(each.figures[name]) for name in _COLUMNS))
                for each in chosen
            ),
        ),
    )  # fmt: skip


def _reliability(details: Sequence[Detail]) -> Part:
    def drawn(detail: Detail) -> list[Bin]:
        return [each for each in detail.reliability if each.posts >= _LEAST_BIN]

    traces: list[Drawing] = [
        {
            "type": "scatter", "mode": "lines+markers", "name": f"{detail.head} ({number(detail.calibration_error)})",
            "x": [each.confidence for each in drawn(detail)], "y": [each.right for each in drawn(detail)],
            "line": {"color": _COLOURS[place], "dash": _DASHES[place % len(_DASHES)]},
        }
        for place, detail in enumerate(details)
    ]  # fmt: skip
    traces.append({"type": "scatter", "mode": "lines", "name": "as sure as right", "x": [0, 1], "y": [0, 1],
                   "line": {"color": _COLOURS[6], "width": 1}})  # fmt: skip
    rows = [
        (
            f"{detail.head} {place / 10:.1f} to {(place + 1) / 10:.1f}",
            f"{each.posts:,}",
            number(each.confidence),
            number(each.right),
        )
        for detail in details
        for place, each in enumerate(detail.reliability)
        if each.posts
    ]
    errors = "; ".join(
        f"{detail.head} {number(detail.calibration_error)} and {number(detail.brier)} on {detail.posts:,} posts"
        for detail in details
    )
    return Part(
        title="Calibration: is it as right as it is sure?",
        words=f"Expected calibration error and Brier score: {errors}. Of crisis the probability itself is judged, of the other "
        "heads that of the answer given.",
        shows="How often answers are right over how sure the model is, a line per head; the diagonal is perfect.",
        traces=tuple(traces),
        layout={"xaxis": {"title": {"text": "mean confidence"}, "range": [0, 1]}, "yaxis": {"title": {"text": "share right"}, "range": [0, 1]}},
        table=Table(caption="Confidence and truth by tenths", columns=("head and tenth", "posts", "confidence", "right"), rows=tuple(rows)),
    )  # fmt: skip


def _precision(detail: Detail) -> Part:
    traces: list[Drawing] = [
        {
            "type": "scatter", "mode": "lines", "name": f"{label.label} ({label.posts:,})",
            "x": [point[0] for point in label.curve], "y": [point[1] for point in label.curve],
            "line": {"color": _COLOURS[place % len(_COLOURS)], "dash": _DASHES[place % len(_DASHES)]},
        }
        for place, label in enumerate(detail.labels)
    ]  # fmt: skip
    return Part(
        title=f"{detail.head.capitalize()}: precision and recall",
        words=f"{detail.posts:,} posts have a label; macro-F1 {number(detail.macro_f1)}, macro-recall {number(detail.macro_recall)}.",
        shows=f"Precision over recall of each label of {detail.head}.",
        traces=tuple(traces),
        layout={"xaxis": {"title": {"text": "recall"}, "range": [0, 1]}, "yaxis": {"title": {"text": "precision"}, "range": [0, 1.02]}},
        table=Table(
            caption=f"Labels of {detail.head}",
            columns=("label", "posts", "precision", "recall", "F1", "average precision"),
            rows=tuple(
                (each.label, f"{each.posts:,}", *map(number, (each.precision, each.recall, each.f1, each.average_precision)))
                for each in detail.labels
            ),
        ),
    )  # fmt: skip


def _confusion(detail: Detail) -> Part:
    names = LABELS["crisis"] if detail.head == "crisis" else ()
    names = ("no crisis", *names) if names else next(labels for head, labels in LABELS.items() if head == detail.head)
    shares = [[count / max(1, sum(row)) for count in row] for row in detail.confusion]
    return Part(
        title=f"{detail.head.capitalize()}: what is taken for what",
        shows=f"Share of each label's posts (down) that got each answer (across), for {detail.head}.",
        traces=({
            "type": "heatmap", "x": list(names), "y": list(names), "z": shares, "zmin": 0, "zmax": 1, "colorscale": "Cividis",
            "text": [[f"{count:,}" for count in row] for row in detail.confusion], "texttemplate": "%{text}",
        },),
        layout={"yaxis": {"autorange": "reversed", "title": {"text": "label"}, "automargin": True},
                "xaxis": {"title": {"text": "answer"}, "automargin": True}},
        table=Table(
            caption=f"Posts by label (down) and answer (across), {detail.head}",
            columns=("label", *names),
            rows=tuple((name, *(f"{count:,}" for count in row)) for name, row in zip(names, detail.confusion, strict=True)),
        ),
    )  # fmt: skip


def _learning(found: Evaluation) -> Part:
    gains = "; ".join(f"{NAMED[each.metric].title} about {each.gain:+.3f}" for each in found.learning)
    more = found.learning[0].more
    return Part(
        title="What more labels would buy",
        words=f"The next {more} labels: {gains}. Learned by the words alone, on posts held out; read off a straight line through "
        "these figures over the logarithm of the number of labels.",
        shows="Figures of the words alone as the number of labels grows.",
        traces=tuple(
            {
                "type": "scatter", "mode": "lines+markers", "name": NAMED[each.metric].title,
                "x": each.posts, "y": [_or_none(value) for value in each.figures],
                "line": {"color": _COLOURS[place], "dash": _DASHES[place % len(_DASHES)]},
            }
            for place, each in enumerate(found.learning)
        ),
        layout={"xaxis": {"type": "log", "title": {"text": "labelled posts learned from"}}, "yaxis": {"range": [0, 1]}},
        table=Table(
            caption="Figures by number of labels",
            columns=("figure", *(f"{posts:,}" for posts in found.learning[0].posts), f"next {more}"),
            rows=tuple((NAMED[each.metric].title, *map(number, each.figures), f"{each.gain:+.4f}") for each in found.learning),
        ),
    )  # fmt: skip


def _by_kind(mistakes: Sequence[Mistake]) -> dict[str, list[Mistake]]:
    kinds: dict[str, list[Mistake]] = {}
    for each in mistakes:
        kinds.setdefault(each.kind, []).append(each)
    return kinds


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else value


def _plain(value: object) -> object:
    if isinstance(value, float):
        return None if math.isnan(value) else round(value, _DIGITS)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _scripted(value: object) -> str:
    """JSON that may stand inside a script element."""
    return json.dumps(_plain(value), ensure_ascii=False).replace("<", "\\u003c").replace("\u2028", "\\u2028")
