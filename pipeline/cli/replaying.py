"""``tocsin replay``: what the rules of detection would have told of the past."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.frame import ConfigOption, JsonOption, assembled
from pipeline.cli.render import print_json, print_table, shown
from pipeline.errors import ConfigError
from pipeline.wording import counted

if TYPE_CHECKING:
    from pipeline.replaying import Labelled, Replayed


def replay(
    ctx: typer.Context,
    days: Annotated[float, typer.Option("--days", min=1, max=3650, help="How far back to begin.")] = 28.0,
    sensitivity: Annotated[
        float | None,
        typer.Option("--sensitivity", min=7, max=3650, help="At most one false alarm of a brand in so many days."),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option("--labels", metavar="FILE", help='What really happened: {"name", "brand", "from", "to"} a line.'),
    ] = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """What the rules would have told of the past, how often for nothing, and how late.

    \b
    Examples:
      tocsin replay --days 90
      tocsin replay --sensitivity 90 --labels crises.jsonl
    """
    from pipeline.replaying import replay as run

    tocsin = assembled(ctx, config)
    known = _labels(labels) if labels else ()
    settings = tocsin.config
    if sensitivity is not None:
        detect = settings.detect.model_copy(update={"sensitivity_days": sensitivity})
        settings = settings.model_copy(update={"detect": detect})
    now = tocsin.clock()
    done = run(
        tocsin.store,
        settings,
        since=now - timedelta(days=days),
        until=now,
        labels=known,
        progress=lambda brand: typer.echo(f"replaying {shown(brand)}", err=True),
    )
    if as_json:
        for alarm in done.alarms:
            print_json(alarm)
        print(json.dumps(_summary(done)))
        return
    _print(done, labelled=bool(known))


def _print(done: Replayed, *, labelled: bool) -> None:
    from pipeline.detection.words import arithmetic

    rows = [
        (
            f"{alarm.at:%Y-%m-%d %H:%M}",
            alarm.finding.brand,
            alarm.finding.rule,
            alarm.label or "",
            arithmetic(alarm.finding),
        )
        for alarm in done.alarms
    ]
    if rows:
        print_table(("when (UTC)", "brand", "rule", "what it was", "arithmetic"), rows, wide=("arithmetic",))
    over = f"{done.days:g} days of {counted(done.brands, 'brand')}"
    line = f"{counted(len(done.alarms), 'alarm')} in {over}; {done.a_month:.2f} {'false alarms' if labelled else 'alarms'} a month and brand"
    if labelled:
        late = f", after {done.delay:.1f} h (median)" if done.delay is not None else ""
        line += (
            f"; {len(done.delays)} of {counted(len(done.delays) + len(done.missed), 'labelled incident')} told{late}"
        )
        if done.missed:
            line += f"; missed: {', '.join(done.missed)}"
    print(shown(f"{line}."))


def _summary(done: Replayed) -> dict[str, Any]:
    return {
        "days": done.days, "brands": done.brands, "alarms": len(done.alarms), "a_month": round(done.a_month, 4),
        "delay_hours": done.delay, "missed": done.missed,
    }  # fmt: skip


def _labels(path: Path) -> list[Labelled]:
    """The labelled incidents of a file; raises ``ConfigError`` naming the line that is wrong."""
    from pipeline.replaying import Labelled

    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            given = json.loads(line)
            since, until = (_moment(given[name]) for name in ("from", "to"))
            found.append(Labelled(name=str(given["name"]), brand=str(given["brand"]), since=since, until=until))
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigError(
                f'{path}, line {number}: {error}; write {{"name": "...", "brand": "...", "from": "2026-11-25T10:00Z", "to": "..."}}'
            ) from error
    return found


def _moment(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=UTC)
