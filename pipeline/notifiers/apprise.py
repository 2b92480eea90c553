"""Notices by Apprise: Slack, Teams, mail, PagerDuty, Opsgenie, Telegram and a hundred more."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass

from pydantic import SecretStr

from pipeline.config import AppriseChannel
from pipeline.domain import Notice
from pipeline.errors import ChannelRefused, ChannelUnavailable
from pipeline.notifiers.posting import REFUSALS

STARTING = 20.0  # seconds for the sending process to be ready on a busy machine; usually one

_REFUSED = {
    "address": "its address is none that Apprise knows; see https://github.com/caronc/apprise/wiki for how it is written",
    "certificate": "its address turns the check of certificates off; set allow_private = true if that is meant",
    "private": "it leads to a private address; set allow_private = true if that is meant",
}


@dataclass(frozen=True, slots=True)
class AppriseNotifier:
    """Sends each notice by a process of its own, which cannot outlive the time limit (see ``sending``)."""

    settings: AppriseChannel
    url: SecretStr

    @property
    def name(self) -> str:
        """The channel's name."""
        return self.settings.name

    def notify(self, notice: Notice) -> None:
        """Deliver once; raises ``ChannelRefused`` or ``ChannelUnavailable`` without any of the address."""
        letter = {
            "url": self.url.get_secret_value(),
            "subject": notice.subject,
            "body": notice.body,
            "severity": notice.severity,
            "timeout": self.settings.timeout,
            "allow_private": self.settings.allow_private,
        }
        match self._sent(json.dumps(letter)):
            case {"sent": True}:
                return
            case {"why": str(why)} if why in _REFUSED:
                raise ChannelRefused(f"channel {self.name!r}: {_REFUSED[why]}")
            case {"status": int(status)} if status in REFUSALS:
                raise ChannelRefused(f"channel {self.name!r}: the service answered {status}; check its address")
            case {"status": int(status)}:
                raise ChannelUnavailable(f"channel {self.name!r}: the service answered {status}")
            case _:
                raise ChannelUnavailable(f"channel {self.name!r}: the service could not be reached, or did not take it")

    def _sent(self, letter: str) -> object:
        """What the sending process answers; nothing of what it prints besides is kept, as it may hold the address."""
        late = f"channel {self.name!r}: the service did not answer within {self.settings.timeout:g} s"
        own = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
        try:
            done = subprocess.run(
                [sys.executable, "-P", "-m", "pipeline.notifiers.sending"],
                input=letter,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                encoding="utf-8",
                timeout=self.settings.timeout + STARTING,
                env=own,
                check=False,
            )
            if done.returncode == -signal.SIGALRM:
                raise ChannelUnavailable(late)
            return json.loads(done.stdout)
        except subprocess.TimeoutExpired:  # "from None": it holds the letter
            raise ChannelUnavailable(late) from None
        except (OSError, ValueError) as error:
            raise ChannelUnavailable(f"channel {self.name!r}: the sending process failed") from error
