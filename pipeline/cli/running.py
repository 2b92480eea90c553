"""Making it work: ``run``, ``watch``, ``up``, ``import``, ``train`` and ``version``."""

from __future__ import annotations

import platform
from datetime import timedelta
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli import learning
from pipeline.cli.frame import FAILED, ConfigOption, JsonOption, assembled, complain, complain_of, config_of, fail
from pipeline.cli.render import one_line, plain, print_json, print_table, progress, span
from pipeline.errors import ConfigError
from pipeline.wording import counted

if TYPE_CHECKING:
    from pipeline.collect import Collected
    from pipeline.flows import Listened
    from pipeline.imports import Imported


def run(ctx: typer.Context, as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """One pass over all sources, without Airflow.

    Every query is collected at every source, then what has landed is triaged. Ends with 1 when a source failed or a
    batch could not be read; what the others brought is kept, and the next run catches up.

    \b
    Example:
      tocsin run && tocsin queue
    """
    from pipeline import flows

    tocsin = assembled(ctx, config)
    pairs = tocsin.config.pairs()
    with progress(len(pairs) + 1) as step:
        place = iter(range(len(pairs) + 1))
        listened = flows.listen(tocsin, pairs=pairs, progress=lambda what: step(what, next(place)))
    errors = listened.errors or {}
    if as_json:
        print_json({**plain(listened), "errors": {pair: str(error) for pair, error in errors.items()}})
    else:
        _print_listened(listened)
    complain_of([*(f"{pair}: {error}" for pair, error in errors.items()), *listened.triaged.refused])
    if errors or listened.triaged.refused:
        fail(FAILED)


def _print_listened(listened: Listened) -> None:
    rows = [_collected_row(one) for one in listened.collected]
    rows += [(*pair.split("/", 1), "", "", "", "", "failed: see below") for pair in listened.errors or {}]
    if rows:
        print_table(
            ("source", "query", "records", "pages", "gaps opened", "closed", ""),
            rows,
            right=("records", "pages", "gaps opened", "closed"),
        )
    triaged = listened.triaged
    print(
        f"{counted(triaged.batches, 'batch', 'batches')} triaged: {counted(triaged.new, 'new mention')}, "
        f"{counted(triaged.tickets, 'ticket')} touched, {triaged.unmatched:,} not ours, "
        f"{counted(triaged.bad, 'bad record')}"
    )


def _collected_row(one: Collected) -> tuple[str, ...]:
    notes = [f"{counted(one.gaps_lost, 'interval')} lost for good"] if one.gaps_lost else []
    if one.waiting_until is not None:
        notes.append(f"left alone until {one.waiting_until:%H:%M} UTC, as it asked")
    counts = (f"{one.records:,}", f"{one.pages:,}", str(one.gaps_opened), str(one.gaps_closed))
    return (one.source, one.query, *counts, "; ".join(notes))


def watch(ctx: typer.Context, as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """One pass of detect and escalate, without Airflow.

    Opens, grows and closes incidents, then tells people what is due. Ends with 1 when a notice could not be delivered;
    it is tried again by the next pass.
    """
    from pipeline import flows

    watched = flows.watch(assembled(ctx, config))
    if as_json:
        print_json(watched)
    else:
        print(
            f"{counted(watched.incidents, 'incident')} changed, {counted(watched.notices, 'notice')} written, "
            f"{watched.sent:,} sent, {watched.unsent:,} not delivered"
        )
    if watched.unsent:
        complain("a notice was not delivered: `tocsin notices` says which, and why")
        fail(FAILED)


def up(
    ctx: typer.Context,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Of the pages; default: as configured.")] = None,
    config: ConfigOption = None,
) -> None:
    """Pages, Airflow and its schedules, until Ctrl-C.

    \b
    Example:
      tocsin up --port 8600
    """
    from pipeline.up import up as supervise

    fail(supervise(config_of(ctx, config), port=port))


def import_files(
    ctx: typer.Context,
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="JSON Lines (.jsonl) or CSV files.")],
    brand: Annotated[str | None, typer.Option(help="Whose posts these are; default: found post by post.")] = None,
    query: Annotated[str | None, typer.Option(help="Only posts that this configured query matches.")] = None,
    source: Annotated[str | None, typer.Option(help="The source's name; default: the file's, without ending.")] = None,
    columns: Annotated[
        list[str] | None,
        typer.Option("--columns", metavar="OURS=THEIRS", help="A column's name in the file; repeat, or use commas."),
    ] = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Bring in posts from files; twice adds nothing.

    They are landed first, then triaged like any other.

    Columns of ours: id, text, author, author_name, followers, created_at, url, in_reply_to, conversation, inbound,
    language, likes, reposts. Rows with inbound=false are the brand's own answers.

    \b
    Examples:
      tocsin import support_tweets.jsonl
      tocsin import reviews.csv --brand Brightly --columns text=body,author=user,created_at=date
    """
    from pipeline import imports

    tocsin = assembled(ctx, config)
    plan = [
        imports.plan(path, tocsin=tocsin, brand=brand, query=query, source=source, columns=columns_of(columns or []))
        for path in files
    ]
    for order in plan:
        with progress(1.0) as step:
            done = imports.import_file(order, tocsin=tocsin, progress=step)
        if as_json:
            print_json(done)
        else:
            _print_imported(done)
        complain_of(done.triaged.refused)
        if done.triaged.refused:
            fail(FAILED)


def columns_of(pairs: list[str]) -> dict[str, str]:
    """``["text=body,author=user"]`` as a mapping from our names to theirs; raises ``ConfigError``."""
    columns: dict[str, str] = {}
    for pair in ",".join(pairs).split(",") if pairs else []:
        ours, separator, theirs = (part.strip() for part in pair.partition("="))
        if not (ours and separator and theirs):
            raise ConfigError(f"--columns {pair!r}: write OURS=THEIRS, as in text=body")
        columns[ours] = theirs
    return columns


def _print_imported(done: Imported) -> None:
    print(f"{done.path}: {counted(done.triaged.mentions, 'mention')}, {done.triaged.new:,} of them new")
    median = done.median_first_response
    soon = "" if median is None else f", first response after {span(timedelta(seconds=median))} (median)"
    print(f"{done.answered:,} of {counted(done.tickets, 'ticket')} answered{soon}")
    if done.triaged.bad:
        print(f"{counted(done.triaged.bad, 'bad record')} kept as dead letters")
    for name, posts in sorted(done.brands.items(), key=lambda item: -item[1])[:10]:
        print(f"  {posts:>7,}  {one_line(name)}")
    if len(done.brands) > 10:
        print(f"           … and {counted(len(done.brands) - 10, 'more brand')}")


def train(
    ctx: typer.Context,
    data: Annotated[Path, typer.Option(help="The folder of training data.")] = Path("../shared/data"),
    out: Annotated[Path, typer.Option(help="Where the model goes.")] = Path("models/candidate"),
    own: Annotated[
        bool, typer.Option("--own", help="From your own labels, on the model in use: a new version of `tocsin models`.")
    ] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Train the models, and report how right they are.

    \b
    Example:
      tocsin train --data labels --out models/candidate && tocsin score --model models/candidate posts.txt
      tocsin train --own && tocsin models
    """
    if own:
        learning.train_own(ctx, config, as_json=as_json)
        return
    from pipeline import app

    with progress(1.0) as step:
        report = plain(app.train(data, out, version=f"{out.name}-{app.now():%Y-%m-%d}", progress=step))
    if as_json:
        print_json(report)
    else:
        _print_trained(report, out)
    if not report["complete"]:
        complain(f"{data} holds no labels: this model knows the authored corpus alone and is weaker")


def _print_trained(report: Any, out: Path) -> None:
    """A line a slice of the rows, a column a measure; several shares of one measure stand together."""
    print(f"{report['version']} from {report['rows']:,} rows, in {out}; out of fold:")
    measures = list(report["slices"][0][1])
    rows = [(name, *(_figure(measured[measure]) for measure in measures)) for name, measured in report["slices"]]
    print_table(("slice", *(measure.replace("_", " ") for measure in measures)), rows, right=measures)


def _figure(value: Any) -> str:
    if isinstance(value, list):
        return "/".join(_figure(part) for part in value)
    return f"{value:.2f}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)


def version(as_json: JsonOption = False) -> None:
    """The versions of Tocsin, its model and Python."""
    from pipeline import app

    versions = {
        "tocsin": _installed("tocsin"),
        "model": app.classifier().version,
        "python": platform.python_version(),
    }
    if as_json:
        print_json(versions)
    else:
        print("\n".join(f"{name} {number}" for name, number in versions.items()))


def _installed(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:  # run from a checkout
        return "not installed"
