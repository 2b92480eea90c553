"""The command line: nouns and verbs of Tocsin for people (tables) and programs (``--json``).

Results go to standard output, logs and progress to standard error; exit codes are 0, 1 (failed) and 2 (wrong usage or
configuration). Command modules import what they need when they run, so that ``tocsin --help`` is instant.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import typer

from pipeline.cli import (
    actions,
    alarms,
    checks,
    doctor,
    evaluating,
    explaining,
    learning,
    listening,
    replaying,
    running,
    scoring,
    store,
    tickets,
)
from pipeline.cli.frame import ConfigOption, Frame, prepare_streams

COMMANDS: dict[str, dict[str, Callable[..., None] | typer.Typer]] = {
    "Listen": {"run": running.run, "watch": running.watch, "up": running.up, "import": running.import_files},
    "Look": {
        "queue": tickets.queue,
        "show": tickets.show,
        "explain": explaining.explain,
        "search": tickets.search,
        "coverage": listening.coverage,
        "incidents": listening.incidents,
        "notices": listening.notices,
        "chains": alarms.chains,
        "replay": replaying.replay,
    },
    "Act": {
        "claim": actions.claim,
        "next": actions.take_next,
        "assign": actions.assign,
        "merge": actions.merge,
        "release": actions.release,
        "answer": actions.answer,
        "resolve": actions.resolve,
        "reopen": actions.reopen,
        "undo": actions.undo,
        "label": learning.label,
        "ack": alarms.acknowledge,
        "hand-over": alarms.hand_over,
    },
    "Models": {
        "score": scoring.score,
        "train": running.train,
        "evaluate": evaluating.evaluate,
        "labels": learning.labels,
        "models": learning.group,
    },
    "Keep well": {
        "check": checks.check,
        "doctor": doctor.doctor,
        "channels": alarms.channels,
        "drill": alarms.drill,
        "store": store.group,
        "version": running.version,
    },
}


class Tocsin(Frame):
    """All commands, under what they are for."""

    sections: ClassVar[dict[str, tuple[str, ...]]] = {title: tuple(commands) for title, commands in COMMANDS.items()}


app = typer.Typer(
    cls=Tocsin,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="`tocsin COMMAND --help` has examples. Start with `tocsin up`, or `tocsin run && tocsin queue`.",
)
for _commands in COMMANDS.values():
    for _name, _command in _commands.items():
        if isinstance(_command, typer.Typer):
            app.add_typer(_command, name=_name)
        else:
            app.command(_name)(_command)


@app.callback()
def tocsin(config: ConfigOption = None) -> None:
    """The on-call for your brand: nothing lost, crisis first, every rank and every alarm explained."""


def main() -> None:
    """The command ``tocsin``."""
    prepare_streams()
    app(prog_name="tocsin")
