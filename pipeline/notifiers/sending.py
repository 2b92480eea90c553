"""The process that sends one message by Apprise and ends: ``python -m pipeline.notifiers.sending``.

It is told what to send on standard input and answers on standard output, one line of JSON each. A process of its own,
because Apprise speaks to a hundred services in as many ways: here every connection it makes can be checked, whatever makes
it, and what hangs can be killed.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
from dataclasses import dataclass, field

import apprise
from requests import PreparedRequest, Response
from requests.sessions import Session

from pipeline.notifiers.addresses import is_public

SEVERE = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One message, and the address of the service that takes it (with its keys)."""

    url: str = field(repr=False)
    subject: str
    body: str
    severity: int
    timeout: float
    allow_private: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What became of it: sent; else the service's last status (``None``: there was none), and in a word why it was not tried."""

    sent: bool = False
    status: int | None = None
    why: str = ""


class PrivateAddress(OSError):
    """Something was about to connect to an address that is not public."""


def main() -> int:
    """Send the letter on standard input."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever prints, prints elsewhere
    logging.disable()  # Apprise's log names addresses
    letter = Letter(**json.load(sys.stdin))
    signal.setitimer(signal.ITIMER_REAL, letter.timeout)  # nothing catches it: what hangs ends
    answer = send(letter)
    print(json.dumps({"sent": answer.sent, "status": answer.status, "why": answer.why}), file=answers, flush=True)
    return 0


def send(letter: Letter) -> Answer:
    """Send one letter. Until the process ends, nothing in it connects to a private address unless that is allowed."""
    statuses: list[int] = []
    refused: list[str] = []
    _note_statuses(statuses)
    asset = apprise.AppriseAsset(app_id="Tocsin", app_desc="Tocsin", async_mode=False, secure_logging=True)
    service = apprise.Apprise.instantiate(letter.url, asset=asset, suppress_exceptions=True)
    if service is None:
        return Answer(why="address")
    if not letter.allow_private and not service.verify_certificate:
        return Answer(why="certificate")
    if not letter.allow_private:
        _guard(refused)
    service.socket_connect_timeout = service.socket_read_timeout = letter.timeout
    service.overflow_mode = apprise.OverflowMode.SPLIT  # the link that acknowledges stands at the end
    sender = apprise.Apprise(asset=asset)
    sender.add(service)
    kind = apprise.NotifyType.FAILURE if letter.severity >= SEVERE else apprise.NotifyType.WARNING
    sent = sender.notify(
        title=letter.subject, body=letter.body, notify_type=kind, body_format=apprise.NotifyFormat.TEXT
    )
    if sent:
        return Answer(sent=True)
    return Answer(status=statuses[-1] if statuses else None, why="private" if refused else "")


def _guard(refused: list[str]) -> None:
    """Check every address at the moment of the connection, whoever makes it and after whatever redirect."""

    def check(event: str, arguments: tuple[object, ...]) -> None:
        if event not in {"socket.connect", "socket.sendto"}:
            return
        address = arguments[1]
        host = str(address[0]) if isinstance(address, tuple) and address else ""
        if not is_public(host):
            refused.append(host)
            raise PrivateAddress("a private address")

    sys.addaudithook(check)


def _note_statuses(statuses: list[int]) -> None:
    """Keep what services answer: Apprise itself only says whether it worked."""
    plain = Session.send

    def noting(session: Session, request: PreparedRequest, **options: object) -> Response:
        answer: Response = plain(session, request, **options)
        statuses.append(answer.status_code)
        return answer

    Session.send = noting  # type: ignore[method-assign,assignment]


if __name__ == "__main__":
    sys.exit(main())
