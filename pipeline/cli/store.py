"""``tocsin store``: the store as a whole, made, looked after, copied, backed up, restored, and its oldest months forgotten."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.checks import report, store_findings
from pipeline.cli.frame import FAILED, ConfigOption, JsonOption, assembled, config_of
from pipeline.cli.render import plain, print_json, print_table, progress, shown
from pipeline.errors import ConfigError, StoreRefused
from pipeline.wording import counted

if TYPE_CHECKING:
    from pipeline.config import Config
    from pipeline.domain import Record
    from pipeline.ports import Store

_DIGEST_SHOWN = 12  # characters of a digest: enough for two people to compare on the telephone

ForceOption = Annotated[bool, typer.Option("--force", help="Take the place of what is there.")]
WhereArgument = Annotated[
    str, typer.Argument(metavar="WHERE", help="A file; for Elasticsearch REPOSITORY/SNAPSHOT.", show_default=False)
]

group = typer.Typer(
    no_args_is_help=True,
    help="Look after the store: make, check, migrate, copy, back up, restore, forget.",
    epilog="Moving to Elasticsearch, drills and upgrades: docs/operations.md.",
    rich_markup_mode=None,
)


@group.command()
def init(ctx: typer.Context, as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """Make the configured store ready; twice changes nothing.

    \b
    Example:
      tocsin store init
    """
    settings = _settings(ctx, config)
    with _opened(settings, migrate=False) as store:
        store.migrate()
        _print_counts(settings, _counts(store), "is ready", as_json=as_json)


@group.command()
def check(ctx: typer.Context, as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """Whether the store is in order.

    Each finding names the next step. Ends with 1 when something is wrong.

    \b
    Example:
      tocsin store check && tocsin store backup /backups/tocsin.db --force
    """
    report(store_findings(_settings(ctx, config)), as_json=as_json, wrong=FAILED)


@group.command()
def migrate(
    ctx: typer.Context,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Bring the layout of the store up to this Tocsin.

    It can be interrupted and called again. Back up first: an older Tocsin refuses a newer store.

    \b
    Examples:
      tocsin store migrate --dry-run
      tocsin store backup before.db && tocsin store migrate
    """
    settings = _settings(ctx, config)
    with _opened(settings, migrate=False) as store:
        steps = store.outdated()
        if not dry_run:
            store.migrate()
    if as_json:
        print_json({"store": settings.store, "steps": steps, "applied": not dry_run})
    elif not steps:
        print(f"{shown(settings.store)} is up to date")
    else:
        print("\n".join(f"{'would apply' if dry_run else 'applied'}: {shown(step)}" for step in steps))


@group.command()
def copy(
    ctx: typer.Context,
    to: Annotated[str, typer.Option("--to", metavar="STORE", help='As in tocsin.toml: "elasticsearch:https://…".')],
    source: Annotated[
        str | None, typer.Option("--from", metavar="STORE", help='"sqlite:PATH"; default: the configured store.')
    ] = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Copy everything into another store, and prove it.

    Both are compared record by record at the end; a difference ends with 1 and names the first record. An interrupted
    copy goes on where it was when it is called again. Stop listening and the pages first, then change `store` in
    tocsin.toml.

    \b
    Examples:
      tocsin store copy --to elasticsearch:https://search.example.com:9200
      tocsin store copy --from elasticsearch:https://search.example.com:9200 --to sqlite:tocsin.db
    """
    from pipeline import transfer
    from pipeline.config import printable
    from pipeline.domain import RECORDS

    settings = _settings(ctx, config)
    origin, goal = settings.store if source is None else source, to
    if origin == goal:
        raise ConfigError(f"both stores are {printable(origin)!r}; name another with --to")
    with _opened(_with_store(settings, origin), read_only=True) as ours, _opened(_with_store(settings, goal)) as theirs:
        counts = {kind: ours.count(kind) for kind in RECORDS}
        with progress(2 * sum(counts.values())) as step:  # once to copy, once to compare
            copied = transfer.copy(ours, theirs, progress=_steps(counts, step))
    if as_json:
        for each in copied:
            print_json(each)
        return
    print_table(
        ("kind", "records", "written now", "digest of both"),
        [(each.kind, f"{each.records:,}", f"{each.written:,}", each.digest[:_DIGEST_SHOWN]) for each in copied],
        right=("records", "written now"),
    )
    print(f"{shown(goal)} holds what {shown(origin)} holds")


@group.command()
def forget(
    ctx: typer.Context,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Remove months that are older than `[keep] months` and that nobody needs.

    The DAG keep does the same every night. Where `[keep] months` is not set, nothing goes.

    \b
    Example:
      tocsin store forget --dry-run
    """
    from pipeline import flows

    tocsin = assembled(ctx, config)
    found = flows.outlived(tocsin) if dry_run else flows.keep(tocsin)
    if as_json:
        print_json({**plain(found), "removed": not dry_run})
        return
    for what, line in found.told().items():
        print(f"{what}: {line}")


@group.command()
def backup(
    ctx: typer.Context,
    where: WhereArgument,
    force: ForceOption = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Keep a copy of the store as it is now, checked.

    Others may write meanwhile. The landing zone and the secrets are files: keep them as such.

    \b
    Example:
      tocsin store backup /backups/tocsin-2026-11-25.db
    """
    settings = _settings(ctx, config)
    with _opened(settings) as store, progress() as step:
        step(f"backup to {where}", None)
        store.backup(where, overwrite=force)
    if as_json:
        print_json({"store": settings.store, "backup": where})
    else:
        print(f"{shown(settings.store)} is kept in {shown(where)}")


@group.command()
def restore(
    ctx: typer.Context,
    where: WhereArgument,
    force: ForceOption = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Put a backup in the place of all that the store holds.

    A store that holds anything is replaced with --force only. Sources are read on from where the backup was made.

    \b
    Example:
      tocsin store restore /backups/tocsin-2026-11-25.db --force
    """
    settings = _settings(ctx, config)
    with _opened_or_moved(settings) as store, progress() as step:
        step(f"restore {where}", None)
        store.restore(where, overwrite=force)
        counts = _counts(store)
    _print_counts(settings, counts, f"is as it was in {where}", as_json=as_json)


def _settings(ctx: typer.Context, config: Path | None) -> Config:
    from pipeline import app
    from pipeline import config as settings

    loaded = settings.load(config_of(ctx, config))
    app.make_home(loaded)
    return loaded


def _with_store(config: Config, store: str) -> Config:
    return config.model_copy(update={"store": store})


@contextmanager
def _opened(config: Config, *, read_only: bool = False, migrate: bool = True) -> Iterator[Store]:
    from pipeline import app

    store = app.store_of(config, read_only=read_only, migrate=migrate)
    try:
        yield store
    finally:
        store.close()


@contextmanager
def _opened_or_moved(config: Config) -> Iterator[Store]:
    """As ``_opened``; whoever restores because a file cannot even be opened is told what to do about that."""
    with ExitStack() as stack:
        try:
            store = stack.enter_context(_opened(config))
        except StoreRefused as error:
            if not config.store.startswith("sqlite:"):
                raise
            raise StoreRefused(
                f"{error}. To restore all the same, move what is there away first (-wal and -shm too)"
            ) from error
        yield store


def _counts(store: Store) -> dict[str, int]:
    from pipeline import transfer
    from pipeline.domain import RECORDS

    return {transfer.name_of(kind): store.count(kind) for kind in RECORDS}


def _print_counts(config: Config, counts: Mapping[str, int], what: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"store": config.store, "records": counts})
        return
    held = ", ".join(counted(number, kind, _plural(kind)) for kind, number in counts.items() if number)
    print(f"{shown(config.store)} {shown(what)}: {held or 'it is empty'}")


def _plural(kind: str) -> str:
    return f"{kind}es" if kind.endswith("ch") else f"{kind}s"


def _steps(
    counts: Mapping[type[Record], int], step: Callable[[str, float | None], None]
) -> Callable[[type[Record], int], None]:
    """The progress of a copy as one bar: every kind is walked to be copied, then again to be compared."""
    from pipeline import transfer

    walked: list[type[Record]] = []

    def told(kind: type[Record], done: int) -> None:
        if not walked or walked[-1] is not kind:
            walked.append(kind)
        verb = "copy" if len(walked) <= len(counts) else "compare"
        step(f"{verb}: {transfer.name_of(kind)}", sum(counts[each] for each in walked[:-1]) + done)

    return told
