"""Notices on standard error, for the log of the process that watches."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from pipeline.domain import Notice
from pipeline.errors import ChannelUnavailable


@dataclass(frozen=True, slots=True)
class ConsoleNotifier:
    """Writes each notice as a short block."""

    name: str = "console"

    def notify(self, notice: Notice) -> None:
        """Print subject and text; raises ``ChannelUnavailable`` when the console is gone (closed, or its pipe broken)."""
        try:
            print(f"\a{notice.subject}\n{notice.body}\n", file=sys.stderr, flush=True)
        except (OSError, ValueError) as error:  # a closed file is a ValueError
            raise ChannelUnavailable(f"channel {self.name!r}: the console is gone") from error
