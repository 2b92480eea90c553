"""Live updates: one stream of server-sent events a page, which says that something changed, never what to show."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from types import FrameType

from fastapi import APIRouter, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool

from pipeline.domain import Filters
from pipeline.errors import TocsinError
from pipeline.ports import Store

PERIOD = 1.0
"""Seconds between two looks at the store, for all open pages together."""

RETRY = 3000  # milliseconds a browser waits before it connects again

router = APIRouter()


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What every open page is told."""

    change: int
    waiting: int
    overdue: int
    crisis: int
    incidents: int


class Live:
    """Looks at the store once a period, however many pages are open, and ends their streams when the server stops."""

    def __init__(self, store: Store, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock
        self._look = asyncio.Lock()
        self._looked = float("-inf")
        self._news: News | None = None
        self._closing = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def close(self) -> None:
        """End all streams; may be called from a signal handler or another thread."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._closing.set)

    async def stream(self) -> AsyncIterator[ServerSentEvent]:
        """News whenever there are some, the present state first."""
        self._loop = asyncio.get_running_loop()
        told: News | None = None
        silent = False
        yield ServerSentEvent(comment="connected", retry=RETRY)
        while not self._closing.is_set():
            try:
                news = await self._latest()
            except TocsinError as error:
                if not silent:
                    yield ServerSentEvent(event="trouble", data={"error": str(error)})
                silent, told = True, None
            else:
                if news != told:
                    yield ServerSentEvent(event="news", data=news, id=str(news.change))
                silent, told = False, news
            await self._pause()

    async def _pause(self) -> None:
        try:
            await asyncio.wait_for(self._closing.wait(), PERIOD)
        except TimeoutError:
            return

    async def _latest(self) -> News:
        async with self._look:
            time = asyncio.get_running_loop().time()
            if self._news is None or time - self._looked >= PERIOD:
                self._news = await run_in_threadpool(self._read, self._news)
                self._looked = time
            return self._news

    def _read(self, known: News | None) -> News:
        change = self._store.change_count()
        counts = self._store.queue_counts(self._clock(), Filters())
        if known is not None and known.change == change and known.overdue == counts.overdue:
            return known
        return News(
            change=change,
            waiting=counts.waiting,
            overdue=counts.overdue,
            crisis=counts.crisis,
            incidents=len(self._store.open_incidents()),
        )


@contextmanager
def ending_streams(live: Live) -> Iterator[None]:
    """End open streams as soon as the process is told to stop.

    A server waits for its open answers before it stops, and a stream never ends by itself; so the handler that the server
    has installed is called after ours. Elsewhere than in the main thread there are no signals to hear.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def stop(number: int, frame: FrameType | None) -> None:
        live.close()
        previous = before[signal.Signals(number)]
        if callable(previous):
            previous(number, frame)
        elif previous is signal.SIG_DFL:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)

    for number in before:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number, previous in before.items():
            if signal.getsignal(number) is stop and previous is not None:
                signal.signal(number, previous)


@router.get("/events", response_class=EventSourceResponse)
async def events(request: Request) -> AsyncIterator[ServerSentEvent]:
    """The stream of one page."""
    live: Live = request.app.state.live
    async for event in live.stream():
        yield event
