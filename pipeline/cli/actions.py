"""Doing the work: ``claim``, ``next``, ``assign``, ``merge``, ``release``, ``answer``, ``resolve``, ``reopen`` and ``undo``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.frame import FAILED, ConfigOption, JsonOption, ResponderOption, assembled, complain, fail
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


def take_next(
    ctx: typer.Context, responder: ResponderOption, as_json: JsonOption = False, config: ConfigOption = None
) -> None:
    """Claim the first ticket of your teams that nobody holds.

    Where your languages are configured ([[person]] languages), in one of those. Exit code 1 when nothing is free.

    \b
    Example:
      tocsin next --as Ana
    """
    from pipeline import respond

    tocsin = assembled(ctx, config)
    now = tocsin.clock()
    ticket = respond.take_next(tocsin.store, responder, config=tocsin.config, now=now)
    if ticket is None:
        complain(f"nothing that waits is free for {responder}; `tocsin queue` shows all of it")
        fail(FAILED)
    _done(ticket, now, as_json=as_json)


def assign(
    ctx: typer.Context,
    some_id: TicketArgument,
    to: Annotated[str, typer.Option("--to", metavar="NAME", help="A team, or a colleague.")],
    responder: ResponderOption,
    note: Annotated[str, typer.Option(help="Why, for the history.")] = "",
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Give a ticket to a team or a colleague.

    A team finds it in its queue, whatever the rules say. A colleague holds it at once, as if claimed: nobody can take it
    in between, and it lapses like any claim.

    \b
    Example:
      tocsin assign replay:17 --to billing --as Ana --note "charged twice"
    """
    from pipeline import respond

    tocsin = assembled(ctx, config)
    now = tocsin.clock()
    ticket = find_ticket(tocsin.store, some_id)
    given = respond.assign(tocsin.store, ticket.id, responder, to, config=tocsin.config, note=note, now=now)
    _done(given, now, as_json=as_json)


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
    from pipeline import merging, respond

    tocsin = assembled(ctx, config)
    now = tocsin.clock()
    ticket = respond.undo(tocsin.store, event, responder, now=now)
    if merging.finish_merges(tocsin.store, tocsin.config, now=now):
        ticket = tocsin.store.ticket(ticket.id)
    _done(ticket, now, as_json=as_json)


def merge(
    ctx: typer.Context,
    some_id: TicketArgument,
    into: Annotated[str, typer.Option("--into", metavar="ID", help="The ticket that is left.")],
    responder: ResponderOption,
    note: Annotated[str, typer.Option(help="Why, for the history.")] = "",
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Make one ticket of two.

    For a customer who wrote twice about one thing: one deadline, the earlier; new posts of both come to it. `tocsin undo`
    takes them apart again.

    \b
    Example:
      tocsin merge replay:17 --into replay:12 --as Ana --note "same order"
    """
    from pipeline import merging

    tocsin = assembled(ctx, config)
    store, now = tocsin.store, tocsin.clock()
    part, whole = find_ticket(store, some_id), find_ticket(store, into)
    _done(
        merging.merge(store, tocsin.config, part.id, whole.id, responder=responder, note=note, now=now),
        now,
        as_json=as_json,
    )


def _done(ticket: Ticket, now: datetime, *, as_json: bool) -> None:
    if as_json:
        print_json({**plain(ticket), "status": ticket.status(now)})
    else:
        print(f"{ticket.id}: {state_of(ticket, now)}")
