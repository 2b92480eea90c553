"""Being told: ``ack``, ``hand-over``, ``chains``, ``channels`` and ``drill``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.frame import FAILED, ConfigOption, JsonOption, ResponderOption, assembled, complain, fail
from pipeline.cli.render import ago, one_line, plain, print_json, print_table, shown, span
from pipeline.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from pipeline.config import Config
    from pipeline.domain import Incident, Notice
    from pipeline.flows import Tocsin

IncidentArgument = Annotated[
    str, typer.Argument(metavar="ID", help="An incident's id, as `tocsin incidents` shows it.")
]
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The channel's name in tocsin.toml.")]


def acknowledge(
    ctx: typer.Context,
    some_id: IncidentArgument,
    responder: ResponderOption,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Say that you have an incident.

    Its chain tells nobody else; those who were told hear that you have it.

    \b
    Example:
      tocsin ack brightly-fire-20261125T100000 --as Ana
    """
    from pipeline import respond

    tocsin = assembled(ctx, config)
    saved = respond.acknowledge(tocsin.store, some_id, responder, now=tocsin.clock())
    _print_holder(saved, as_json=as_json)


def hand_over(
    ctx: typer.Context,
    some_id: IncidentArgument,
    responder: ResponderOption,
    to: Annotated[str, typer.Option(help="Who has it from now on, and is told so.")],
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Give an incident to a colleague.

    \b
    Example:
      tocsin hand-over brightly-fire-20261125T100000 --as Ana --to Ben
    """
    from pipeline import respond

    tocsin = assembled(ctx, config)
    saved = respond.hand_over(tocsin.store, some_id, responder, to, now=tocsin.clock())
    _print_holder(saved, as_json=as_json)


def _print_holder(incident: Incident, *, as_json: bool) -> None:
    if as_json:
        print_json({"incident": incident.id, "acknowledged_by": incident.acknowledged_by, "acknowledged_at": plain(incident.acknowledged_at)})  # fmt: skip
    else:
        print(f"{incident.id}: {shown(incident.acknowledged_by or 'nobody')} has it")


def chains(
    ctx: typer.Context,
    some_id: Annotated[str | None, typer.Argument(metavar="[ID]", help="Audit the chains of one incident.")] = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Who is told next, and who is on call; with an ID, whether everything that was due was told.

    The audit ends with 1 when somebody should have been told and was not.

    \b
    Examples:
      tocsin chains
      tocsin chains brightly-fire-20261125T100000
    """
    tocsin = assembled(ctx, config)
    if some_id is not None:
        _audit(tocsin, some_id, as_json=as_json)
        return
    now = tocsin.clock()
    rows = list(_steps(tocsin.config, now))
    if as_json:
        for row in rows:
            print_json(dict(zip(("chain", "for", "after", "whom", "now"), row, strict=True)))
    elif rows:
        print_table(
            ("chain", "for", "after", "whom", "that is now"), rows, wide=("whom", "that is now"), right=("after",)
        )
    else:
        print("No [[chain]] in tocsin.toml: every channel is told at once.")


def _steps(config: Config, now: datetime) -> Iterator[tuple[str, ...]]:
    from pipeline.escalation.chains import Telling, recipients, snapshot

    for settings in config.chain:
        brand = settings.brands[0] if settings.brands else next((each.name for each in config.brand), "")
        chain = snapshot(settings, config, brand)
        causes = f", {' or '.join(settings.causes)}" if settings.causes else ""
        of = f"{' or '.join(settings.brands) or 'any brand'}{causes}, severity {settings.severity} and more"
        after = 0.0
        for number, step in enumerate(settings.step):
            after += step.wait
            named = (*step.people, *(f"team {each}" for each in step.teams), *(f"rota {each}" for each in step.rotas))
            whom = ", ".join(named) + (f" by {', '.join(step.channels)}" if step.channels else "")
            today = recipients(chain, Telling(step=number, time=0, at=now))
            yield settings.name, of, f"{after:g} min", whom.strip(), ", ".join(str(each) for each in today) or "nobody"


def _audit(tocsin: Tocsin, some_id: str, *, as_json: bool) -> None:
    from pipeline.alarms import audited
    from pipeline.escalation.audit import WRONG

    incident = tocsin.store.incident(some_id)
    found = [(run, each) for run, all_ in audited(incident, store=tocsin.store, now=tocsin.clock()) for each in all_]
    rows = [
        (
            run.chain.name,
            each.telling.key,
            f"{each.telling.at:%Y-%m-%d %H:%M} UTC",
            str(each.recipient or "nobody"),
            str(each.verdict),
            one_line(each.why),
        )
        for run, each in found
    ]
    columns = ("chain", "step", "due", "whom", "verdict", "why")
    if as_json:
        for row in rows:
            print_json(dict(zip(columns, row, strict=True)))
    elif rows:
        print_table(columns, rows, wide=("why",))
    else:
        print(f"{some_id} has no chain: every channel was told at once; see `tocsin incidents {some_id}`.")
    wrong = sum(each.verdict in WRONG for _, each in found)
    if wrong:
        complain(f"{wrong} of {len(found)} tellings did not reach anybody; docs/runbook.md says what to do")
        fail(FAILED)


def drill(
    ctx: typer.Context,
    responder: ResponderOption,
    brand: Annotated[str | None, typer.Option(help="Whose incident it plays; default: the first brand.")] = None,
    severity: Annotated[int, typer.Option(min=1, max=5, help="How severe; from 4 on it wakes people.")] = 3,
    chain: Annotated[str | None, typer.Option(help="Which chain; default: the one such an incident takes.")] = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Practise: an incident that is none, told as in earnest and marked DRILL.

    Acknowledge it by its link, its page or `tocsin ack`, then close it on its page; it ends by itself after hours.

    \b
    Example:
      tocsin drill --as Ana --severity 4
    """
    from pipeline.alarms import start_drill

    tocsin = assembled(ctx, config)
    played = brand or next((each.name for each in tocsin.config.brand), "Drill")
    begun = start_drill(
        store=tocsin.store,
        config=tocsin.config,
        brand=played,
        severity=severity,
        chain=chain,
        who=responder,
        now=tocsin.clock(),
    )
    if as_json:
        print_json({"incident": begun.id, "brand": begun.brand, "severity": begun.severity})
    else:
        print(f"{begun.id}: the next run of watch tells people; `tocsin chains {begun.id}` says who was")


# --- channels ---------------------------------------------------------------------------------------------------------

channels = typer.Typer(
    invoke_without_command=True,
    help="Ways to reach people: which work, try one, use one again.",
    rich_markup_mode=None,
)


@channels.callback()
def list_channels(ctx: typer.Context, as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """Ways to reach people, and whether they work; ends with 1 when one is off.

    \b
    Examples:
      tocsin channels
      tocsin channels test ops
      tocsin channels enable ops
    """
    if ctx.invoked_subcommand is not None:
        return
    tocsin = assembled(ctx, config)
    now = tocsin.clock()
    out = {outage.id: outage for outage in tocsin.store.outages()}
    lately = tocsin.store.notices(limit=1000)
    rows = []
    for channel in tocsin.config.channel:
        outage = out.get(channel.name)
        sent = [notice.sent_at for notice in lately if notice.channel == channel.name and notice.sent_at is not None]
        state = "works" if outage is None else f"off for {span(now - outage.since)}"
        rows.append(
            (channel.name, channel.kind, state, ago(max(sent, default=None), now), outage.error if outage else "")
        )
    if as_json:
        for row in rows:
            print_json(dict(zip(("channel", "kind", "state", "last", "error"), row, strict=True)))
    else:
        print_table(("channel", "kind", "state", "last sent", "why"), rows, wide=("why",))
    if off := [channel.name for channel in tocsin.config.channel if channel.name in out]:
        complain(f"{', '.join(off)}: put it right, try it with `tocsin channels test`, then `tocsin channels enable`")
        fail(FAILED)


@channels.command("test")
def try_channel(ctx: typer.Context, name: NameArgument, config: ConfigOption = None) -> None:
    """Send a message by one channel, marked as a test; ends with 1 when it does not get through."""
    from pipeline.errors import ChannelUnavailable, Permanent

    tocsin = assembled(ctx, config)
    _configured(tocsin, name)
    try:
        tocsin.notifiers[name].notify(_test_notice(name, tocsin.clock()))
    except (Permanent, ChannelUnavailable) as error:
        complain(str(error))
        fail(FAILED)
    print(f"{name}: sent; look whether it arrived" + _still_off(tocsin, name))


def _still_off(tocsin: Tocsin, name: str) -> str:
    is_off = any(outage.id == name for outage in tocsin.store.outages())
    return f", then `tocsin channels enable {name}`" if is_off else ""


@channels.command()
def enable(ctx: typer.Context, name: NameArgument, config: ConfigOption = None) -> None:
    """Use a channel again that refused; what it missed was carried by others and is not sent again."""
    tocsin = assembled(ctx, config)
    _configured(tocsin, name)
    print(f"{name}: is used again" if tocsin.store.end_outage(name) else f"{name}: was not off")


def _configured(tocsin: Tocsin, name: str) -> None:
    known = [channel.name for channel in tocsin.config.channel]
    if name not in known:
        raise ConfigError(f"there is no channel {name!r}; known: {', '.join(known)}")


def _test_notice(channel: str, now: datetime) -> Notice:
    from pipeline.domain import Notice, Reason

    return Notice(
        id=f"test|{now:%Y%m%dT%H%M%S}|{channel}",
        reason=Reason.DRILL,
        group="test",
        channel=channel,
        subject="Test · Tocsin can reach you by this channel",
        body="Nothing burns, and there is nothing to do.",
        severity=1,
        created_at=now,
    )
