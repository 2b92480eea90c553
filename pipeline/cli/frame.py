"""What every command shares: the group that turns errors into one line and an exit code, options, and the product."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, NoReturn

import typer
from typer.core import TyperGroup

from pipeline.errors import ConfigError, TocsinError

if TYPE_CHECKING:
    from pipeline.flows import Tocsin

OK, FAILED, WRONG = 0, 1, 2
"""Exit codes: all well; something failed; wrong usage or configuration."""

MOST_COMPLAINTS = 10
INTERRUPTED = 130  # what shells expect of Ctrl-C: 128 + SIGINT

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config", "-c", metavar="PATH", help="The configuration; default: $TOCSIN_CONFIG, or tocsin.toml here."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object a line, for machines.")]
LimitOption = Annotated[int, typer.Option("--limit", "-n", min=1, max=100_000, help="At most this many lines.")]
ResponderOption = Annotated[
    str, typer.Option("--as", metavar="NAME", envvar="TOCSIN_AS", help="Who you are, as colleagues know you.")
]


class Frame(TyperGroup):
    """The command group: our errors become one clear line and an exit code, commands are listed by what they are for."""

    sections: ClassVar[dict[str, tuple[str, ...]]] = {}

    def invoke(self, ctx: Any) -> Any:
        """Run the command; a reader that has seen enough (``| head``) is no failure."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            _abandon_stdout()
            raise typer.Exit(OK) from None
        except KeyboardInterrupt as error:
            raise typer.Exit(INTERRUPTED) from error
        except (TocsinError, OSError) as error:
            if debugging():
                raise
            complain(str(error))
            raise typer.Exit(WRONG if isinstance(error, ConfigError) else FAILED) from error
        return result

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """The commands under their headings, each with the first sentence of its help."""
        for title, names in self.sections.items():
            rows = [(name, self.commands[name].get_short_help_str(limit=90)) for name in names]
            with formatter.section(title):
                formatter.write_dl(rows)


def debugging() -> bool:
    """Whether a person asked for tracebacks (TOCSIN_DEBUG=1)."""
    return os.environ.get("TOCSIN_DEBUG", "") not in {"", "0"}


def complain(message: str) -> None:
    """One error, on standard error."""
    print(f"tocsin: {message}", file=sys.stderr)


def complain_of(messages: Sequence[str]) -> None:
    """Errors of one pass, a line each; when very many fail, the first ones tell why."""
    for message in messages[:MOST_COMPLAINTS]:
        complain(message)
    if len(messages) > MOST_COMPLAINTS:
        complain(f"and {len(messages) - MOST_COMPLAINTS} more")


def fail(code: int) -> NoReturn:
    """Leave with an exit code; what is wrong has been said."""
    raise typer.Exit(code)


def config_of(ctx: typer.Context, config: Path | None) -> Path:
    """The configuration that the command, else the command line before it, else the environment names."""
    from pipeline import app

    return app.config_path(config or ctx.find_root().params.get("config"))


def assembled(ctx: typer.Context, config: Path | None) -> Tocsin:
    """The product as the configuration describes it, until the command ends."""
    from pipeline import app

    tocsin = app.assemble(config_of(ctx, config))
    ctx.call_on_close(tocsin.store.close)
    return tocsin


def prepare_streams() -> None:
    """UTF-8 out whatever the locale says (posts hold every script), and logs on standard error."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # A lone surrogate becomes \udXXX, which is also its spelling in JSON.
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    logging.basicConfig(
        level=logging.DEBUG if debugging() else logging.WARNING, stream=sys.stderr, format="%(levelname)s %(message)s"
    )
    sys.excepthook = _unexpected


def _unexpected(kind: type[BaseException], error: BaseException, trace: Any) -> None:
    if debugging():
        sys.__excepthook__(kind, error, trace)
    else:
        complain(f"unexpected {kind.__name__}: {error} (TOCSIN_DEBUG=1 shows where; please report it)")


def _abandon_stdout() -> None:
    """Nobody reads any more: what is still buffered goes nowhere, so that the interpreter ends in silence."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
