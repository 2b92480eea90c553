"""Doing the work: ``claim``, ``release``, ``answer``, ``resolve``, ``reopen`` and ``undo``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.frame import ConfigOption, JsonOption, ResponderOption, assembled
from pipeline.cli.render import plain, print_json
from pipeline.cli.tickets import TicketArgument, find_ticket, state_of
from pipeline.domain import Resolution

if TYPE_CHECKING:
    from datetime import datetime

    from pipeline.domain import Ticket


def claim(
    ctx: typer.Context,
    some_id: TicketArgument,
    responder: ResponderOption,
    minutes: Annotated[
        float | None, typer.Option(min=1, max=1440, help="For how long; default: as configured.")
    ] = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Take a ticket, or keep it longer.

    Nobody else can answer it while your claim lasts; a claim lapses by itself.

    \b
    Example:
      tocsin claim replay:17 --as Ana
    """
    from pipeline import respond

    tocsin = assembled(ctx, config)
    now = tocsin.clock()
    ticket = find_ticket(tocsin.store, some_id)
    until = minutes or tocsin.config.web.claim_minutes
    _done(respond.claim(tocsin.store, ticket.id, responder, minutes=until, now=now), now, as_json=as_json)


def release(
    ctx: typer.Context,
    some_id: TicketArgument,
    responder: ResponderOption,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Give your claim back before it lapses."""
    from pipeline import respond

    tocsin = assembled(ctx, config)
    now = tocsin.clock()
    ticket = find_ticket(tocsin.store, some_id)
    _done(respond.release(tocsin.store, ticket.id, responder, now=now), now, as_json=as_json)


def answer(
    ctx: typer.Context,
    some_id: TicketArgument,
    responder: ResponderOption,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Say that you have answered.

    Nothing waits until the customer writes again.
    """
    from pipeline import respond

    tocsin = assembled(ctx, config)
    now = tocsin.clock()
    ticket = find_ticket(tocsin.store, some_id)
    _done(respond.answered(tocsin.store, ticket.id, responder, now=now), now, as_json=as_json)


def resolve(
    ctx: typer.Context,
    some_id: TicketArgument,
    responder: ResponderOption,
    resolution: Annotated[Resolution, typer.Option("--resolution", "-r", help="How it ended.")] = Resolution.ANSWERED,
    note: Annotated[str, typer.Option(help="A line for the history.")] = "",
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """End the work on a ticket.

    A newer post of the customer reopens it.

    \b
    Example:
      tocsin resolve replay:17 --as Ana --resolution "not ours" --note "the other Kestrel"
    """
    from pipeline import respond

    tocsin = assembled(ctx, config)
    now = tocsin.clock()
    ticket = find_ticket(tocsin.store, some_id)
    _done(respond.resolve(tocsin.store, ticket.id, responder, resolution, note=note, now=now), now, as_json=as_json)


def reopen(
    ctx: typer.Context,
    some_id: TicketArgument,
    responder: ResponderOption,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Take a resolution back."""
    from pipeline import respond

    tocsin = assembled(ctx, config)
    now = tocsin.clock()
    ticket = find_ticket(tocsin.store, some_id)
    _done(respond.reopen(tocsin.store, ticket.id, responder, now=now), now, as_json=as_json)


def undo(
    ctx: typer.Context,
    event: Annotated[int, typer.Argument(metavar="EVENT", help="The action's number in `tocsin show ID`.")],
    responder: ResponderOption,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Take one action back, by its number in `tocsin show`."""
    from pipeline import respond

    tocsin = assembled(ctx, config)
    now = tocsin.clock()
    _done(respond.undo(tocsin.store, event, responder, now=now), now, as_json=as_json)


def _done(ticket: Ticket, now: datetime, *, as_json: bool) -> None:
    if as_json:
        print_json({**plain(ticket), "status": ticket.status(now)})
    else:
        print(f"{ticket.id}: {state_of(ticket, now)}")
