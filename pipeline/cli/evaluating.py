"""``tocsin evaluate``: how good a model is on labelled posts, as a table, a page or JSON, alone or beside another model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.frame import JsonOption, complain
from pipeline.cli.render import print_table, progress
from pipeline.errors import ConfigError, ModelRefused

if TYPE_CHECKING:
    from models.report.evaluation import Evaluation

_SHOWN = ("all", "training", "rate", "language")  # kinds of slices a terminal has room for; the page has all


def evaluate(
    items: Annotated[
        Path | None, typer.Argument(help="Labelled posts, JSON Lines or .tsv; default: the authored corpus.")
    ] = None,
    model: Annotated[Path | None, typer.Option("--model", help="A model's folder; default: the shipped.")] = None,
    data: Annotated[Path | None, typer.Option("--data", help="The folder of training data: its posts too.")] = None,
    held_out: Annotated[
        Path | None, typer.Option("--held-out", help="Answers a training kept of posts it had not learned from.")
    ] = None,
    against: Annotated[
        Path | None, typer.Option("--against", help="Another model's folder, or its held-out answers, to compare with.")
    ] = None,
    learning_curve: Annotated[bool, typer.Option("--learning-curve", help="What more labels would buy.")] = False,
    page: Annotated[Path | None, typer.Option("--html", help="Write the report as a page to this file.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Say how good a model is on labelled posts, alone or beside another.

    A line of ITEMS has "text", "language", "source" and labels: "sentiment", "category", "urgency", "crisis", as many as
    are known. Posts the model was trained on are marked: figures on them flatter it.

    \b
    Examples:
      tocsin evaluate labels.jsonl --html report.html
      tocsin evaluate --data ../shared/data --against models/candidate
      tocsin evaluate --held-out held-out.jsonl --html report.html --learning-curve --data ../shared/data
    """
    if items is not None and held_out is not None:
        raise ConfigError("give either labelled posts or --held-out answers, which bring their own posts")
    found = _made(items, model, data=data, held_out=held_out, against=against, learning_curve=learning_curve)
    if page is not None:
        _write(page, found)
    if as_json:
        from models.report.page import as_json as json_of

        print(json_of(found))
    else:
        _print(found)
    if found.seen:
        complain(f"{found.seen:,} of {found.posts:,} posts were in the model's training: figures on them flatter it")


def _made(
    items: Path | None,
    model: Path | None,
    *,
    data: Path | None,
    held_out: Path | None,
    against: Path | None,
    learning_curve: bool,
) -> Evaluation:
    """The report, with a bar while it is made; what cannot be read or loaded is said as our errors are."""
    from models.artefact import STARTER, ArtefactError
    from models.report.items import ItemsError
    from models.report.making import Wanted, make

    wanted = Wanted(
        model=model or STARTER,
        items=items,
        data=data,
        held_out=held_out,
        against=against,
        learning=learning_curve,
    )
    try:
        with progress(1.0) as step:
            return make(wanted, step)
    except ItemsError as error:
        raise ConfigError(str(error)) from error
    except ArtefactError as error:
        raise ModelRefused(str(error)) from error


def _write(page: Path, found: Evaluation) -> None:
    from models.report.page import as_page

    try:
        page.write_text(as_page(found), encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{page} cannot be written: {error.strerror}") from error


def _print(found: Evaluation) -> None:
    """A line a slice, the figures of the product's promises across; of a comparison, what it shows in sentences."""
    from models.report.figures import METRICS
    from models.report.page import number

    shown = [each for each in found.slices if each.kind in _SHOWN]
    print(f"{found.model} on {found.posts:,} labelled posts{', held out' if found.held_out else ''}")
    names = [f"{each.name} ({each.posts:,})" for each in shown]
    rows = [[metric.title, *(number(each.figures[metric.name]) for each in shown)] for metric in METRICS]
    print_table(("figure", *names), rows, right=names)
    for sentence in found.comparison.summary if found.comparison is not None else ():
        print(sentence)
    for each in found.learning:
        title = next(metric.title for metric in METRICS if metric.name == each.metric)
        print(f"{title}: the next {each.more} labels buy about {each.gain:+.4f} (words alone)")
