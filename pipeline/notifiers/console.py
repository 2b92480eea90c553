"""Notices on standard error, for the log of the process that watches."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from pipeline.domain import Notice


@dataclass(frozen=True, slots=True)
class ConsoleNotifier:
    """Writes each notice as a short block."""

    name: str = "console"

    def notify(self, notice: Notice) -> None:
        """Print subject and text; a console that is gone is nobody's error."""
        print(f"\a{notice.subject}\n{notice.body}\n", file=sys.stderr, flush=True)
