"""Learning from daily work: ``label``, ``labels``, ``models`` and ``train --own``."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.frame import FAILED, ConfigOption, JsonOption, LimitOption, ResponderOption, assembled, complain, fail
from pipeline.cli.render import ago, one_line, plain, print_json, print_table, progress
from pipeline.domain import Category, Head, Sentiment, Urgency
from pipeline.errors import ConfigError
from pipeline.wording import counted

if TYPE_CHECKING:
    from pipeline.domain import Label, Labelled, ModelVersion, Shadow
    from pipeline.flows import Tocsin
    from pipeline.ports import Models

WhyOption = Annotated[str, typer.Option("--why", metavar="REASON", help="Kept in the history of promotions.")]
ModelArgument = Annotated[str, typer.Argument(metavar="MODEL", help="A version, as `tocsin models` lists it.")]
SHOWN = 20  # posts that change, of those a shadow run found


def label(
    ctx: typer.Context,
    mention: Annotated[str, typer.Argument(help="The post, as `tocsin search` names it.")],
    responder: ResponderOption,
    category: Annotated[Category | None, typer.Option(help="What the author is doing.")] = None,
    urgency: Annotated[Urgency | None, typer.Option(help="How soon somebody must act.")] = None,
    crisis: Annotated[
        bool | None, typer.Option("--crisis/--no-crisis", help="Whether it could become a public crisis.")
    ] = None,
    sentiment: Annotated[Sentiment | None, typer.Option(help="How they feel about the brand.")] = None,
    withdraw: Annotated[list[Head] | None, typer.Option(help="Take back what was said under this head.")] = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Say what a post is, where the model is wrong or right.

    The order changes now, and the label is used at the next training. What you take back stays in the log.

    \b
    Example:
      tocsin label x:1849 --category complaint --no-crisis --as Ana
    """
    from pipeline import lessons
    from pipeline.domain import NO, YES

    answers: dict[Head, str | None] = dict.fromkeys(withdraw or ())
    given = {Head.CATEGORY: category, Head.URGENCY: urgency, Head.SENTIMENT: sentiment}
    answers |= {head: str(value) for head, value in given.items() if value is not None}
    if crisis is not None:
        answers[Head.CRISIS] = YES if crisis else NO
    if not answers:
        raise ConfigError("say what it is: --category, --urgency, --crisis or --sentiment (or --withdraw one of them)")
    tocsin = assembled(ctx, config)
    made = lessons.correct(tocsin.store, tocsin.config, mention, answers, who=responder, now=tocsin.clock())
    if as_json:
        for each in made:
            print_json(each)
        return
    for each in made:
        print(f"{one_line(each.mention)}: {lessons.told(each)}")
    if not made:
        print(f"{one_line(mention)}: that is said already")


def labels(
    ctx: typer.Context,
    training: Annotated[
        bool, typer.Option("--training", help="The posts with the answers that stand, as a training reads them.")
    ] = False,
    limit: LimitOption = 50,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """What people said of posts, newest first; with --training, what the next training reads.

    --json gives the whole of either, a line each, oldest first: your own data set.

    \b
    Example:
      tocsin labels --training --json > labels.jsonl
    """
    from pipeline import lessons

    tocsin = assembled(ctx, config)
    if training:
        _print_labelled(lessons.labelled(tocsin.store), limit, as_json=as_json)
        return
    log = lessons.whole_log(tocsin.store)
    if as_json:
        for each in log:
            print_json(each)
        return
    _print_labels(list(log)[: -limit - 1 : -1], tocsin)


def _print_labels(found: list[Label], tocsin: Tocsin) -> None:
    now = tocsin.clock()
    rows = [
        (ago(each.at, now), each.who, each.mention, each.head, each.value or "(withdrawn)", each.said, each.model)
        for each in found
    ]
    print_table(("when", "who", "post", "head", "label", "the model said", "model"), rows, wide=("post", "model"))
    if not found:
        complain("nobody has labelled a post yet; `tocsin label`, or a click on a ticket's page, does")


def _print_labelled(found: list[Labelled], limit: int, *, as_json: bool) -> None:
    if as_json:
        for each in found:
            print_json(each)
        return
    rows = [
        (each.mention, each.language, ", ".join(f"{h} {v}" for h, v in each.answers.items()), each.text)
        for each in found[-limit:]
    ]
    print_table(("post", "language", "labels", "text"), rows, wide=("text",))


# --- models -----------------------------------------------------------------------------------------------------------

group = typer.Typer(
    help="The versions of your models: list, show, compare, shadow, promote, roll back.", invoke_without_command=True
)


@group.callback()
def models(ctx: typer.Context, as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """The versions of your models, and which of them is live.

    \b
    Examples:
      tocsin models
      tocsin models show own-20261125T100000
      tocsin models promote own-20261125T100000 --why "12 more right" --as Ana
      tocsin models rollback --why "worse on refunds" --as Ana
    """
    if ctx.invoked_subcommand is not None:
        return
    tocsin, found = _models(ctx, config)
    live, now = found.live(), tocsin.clock()
    versions = found.versions()
    if as_json:
        for each in versions:
            print_json({"live": each.name == live, **plain(each)})
        return
    rows = [
        (
            "live" if each.name == live else "",
            each.name,
            ago(each.made_at, now) if each.made_at else "shipped",
            f"{each.rows:,}",
            _gate(each),
        )
        for each in versions
    ]
    print_table(("", "model", "made", "posts", "gate"), rows, right=("posts",), wide=("gate",))


@group.command()
def add(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(help="A model's folder, as `tocsin train` makes it.")],
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Keep a model that was trained elsewhere as a version, to try and promote it."""
    _, found = _models(ctx, config)
    made = found.add(folder)
    print_json(made) if as_json else print(f"{one_line(made.name)} is kept; promoting it holds it to the floors")


@group.command()
def show(ctx: typer.Context, model: ModelArgument, as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """What a version was made from, how right it is, and when it was live."""
    _, found = _models(ctx, config)
    version = found.version(model)
    promotions = [each for each in found.promotions() if each.version == model]
    if as_json:
        print_json({**plain(version), "promotions": plain(promotions)})
        return
    print(f"{one_line(version.name)}: {'live' if found.live() == model else 'not live'}; {_gate(version)}")
    if version.trial is not None:
        trial = version.trial
        print(
            f"from {counted(trial.posts, 'labelled post')} on {version.base}, held by {counted(trial.anchors, 'other post')}"
        )
        rows = [
            (what, tally.name, str(tally.labels), str(tally.base), str(tally.own))
            for what, tallies in (
                ("own labels", trial.heads),
                ("by language", trial.languages),
                ("known corpus", trial.kept),
            )
            for tally in tallies
            if tally.labels
        ]
        print_table(("", "of", "asked", "base right", "right"), rows, right=("asked", "base right", "right"))
    for each in promotions:
        print(
            f"made live {each.at:%Y-%m-%d %H:%M} UTC by {one_line(each.who)}: {one_line(each.why)}{_overridden(each.override)}"
        )


@group.command()
def compare(ctx: typer.Context, model: ModelArgument, as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """A version beside the live one: right answers to your own labels this month, and what it changes of live posts."""
    from pipeline import lessons

    tocsin, found = _models(ctx, config)
    version = found.version(model)
    since = tocsin.clock() - timedelta(days=30)
    tallies = lessons.rightness(tocsin.store, version, since=since)
    seen = found.shadow(model)
    if as_json:
        print_json({"labels": plain(tallies), "shadow": plain(seen)})
        return
    rows = [(each.name, str(each.labels), str(each.base), str(each.own)) for each in tallies]
    print_table(
        ("language", "labels", "live right", "candidate right"), rows, right=("labels", "live right", "candidate right")
    )
    _print_shadow(seen, tocsin, model)


@group.command()
def shadow(ctx: typer.Context, model: ModelArgument, as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """Ask a version about the newest posts beside the live one, without effect, and show where they disagree."""
    from pipeline import lessons

    tocsin, found = _models(ctx, config)
    seen = lessons.shadow(tocsin.store, found, model, config=tocsin.config, now=tocsin.clock())
    if as_json:
        print_json(seen)
        return
    _print_shadow(seen, tocsin, model)


@group.command()
def promote(
    ctx: typer.Context,
    model: ModelArgument,
    responder: ResponderOption,
    why: WhyOption,
    override: Annotated[
        str, typer.Option(metavar="REASON", help="Promote what the gate refuses, and say why; it is kept.")
    ] = "",
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Make a version the live one; running processes take it with their next batch."""
    from pipeline import lessons

    tocsin, found = _models(ctx, config)
    made = lessons.promote(found, model, who=responder, why=why, now=tocsin.clock(), override=override)
    print_json(made) if as_json else print(f"{one_line(made.version)} is live{_overridden(made.override)}")


@group.command()
def rollback(
    ctx: typer.Context,
    responder: ResponderOption,
    why: WhyOption = "",
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Make the version before the live one live again."""
    from pipeline import lessons

    tocsin, found = _models(ctx, config)
    made = lessons.roll_back(found, who=responder, why=why, now=tocsin.clock())
    print_json(made) if as_json else print(f"{one_line(made.version)} is live again")


def train_own(ctx: typer.Context, config: Path | None, *, as_json: bool) -> None:
    """A candidate from people's labels, into the registry; ends with 1 where the gate refuses it."""
    from pipeline import lessons

    tocsin, found = _models(ctx, config)
    with progress(1.0) as step:
        made = lessons.train_own(tocsin.store, found, now=tocsin.clock(), progress=step)
    if as_json:
        print_json(made)
    else:
        print(f"{made.name}: {_gate(made)}; see `tocsin models show {made.name}`")
    if lessons.refusals(made):
        fail(FAILED)


def _models(ctx: typer.Context, config: Path | None) -> tuple[Tocsin, Models]:
    from pipeline import app

    tocsin = assembled(ctx, config)
    return tocsin, app.models_of(tocsin.config)


def _gate(version: ModelVersion) -> str:
    from pipeline import lessons

    if version.trial is None:
        return "held to the floors when it is promoted"
    failed = lessons.refusals(version)
    return f"refused: {'; '.join(failed)}" if failed else "passed"


def _overridden(override: str) -> str:
    return f", against the gate: {one_line(override)}" if override else ""


def _print_shadow(seen: Shadow | None, tocsin: Tocsin, model: str) -> None:
    if seen is None:
        print(f"not tried on live posts yet: `tocsin models shadow {model}`")
        return
    posts = {each.mention for each in seen.changes}
    print(f"of the newest {counted(seen.posts, 'post')} it changes {len(posts):,}, beside {one_line(seen.live)}")
    texts = {id_: tocsin.store.mention(id_).mention.text for id_ in sorted(posts)[:SHOWN] if _is_there(tocsin, id_)}
    rows = [
        (each.mention, each.head, each.live, each.candidate, texts[each.mention])
        for each in seen.changes
        if each.mention in texts
    ]
    print_table(("post", "head", "live", "candidate", "text"), rows, wide=("text",))


def _is_there(tocsin: Tocsin, mention: str) -> bool:
    return mention in tocsin.store.known([mention])
