"""Chains that were started, channels that refuse, and signs of life."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from pydantic import TypeAdapter

from pipeline.domain import Chain, ChainRun, Outage
from pipeline.stores.sqlite.database import Database, bump
from pipeline.stores.sqlite.rows import LISTED, Row, listed, moment, stamp, text_of

RUN_COLUMNS = ("id", "incident", "chain", "started_at")
OUTAGE_COLUMNS = ("id", "since", "error")
_CHAIN = TypeAdapter(Chain)


class SqliteEscalation:
    """``ports.Escalation`` in SQLite."""

    _database: Database

    def start_chain(self, run: ChainRun) -> ChainRun:
        """Record a chain as it is now; the run of that id that stands, which may be an earlier one."""
        with self._database.write() as connection:
            added = connection.execute("INSERT OR IGNORE INTO chain_runs VALUES (?, ?, ?, ?)", run_row(run))
            if added.rowcount:
                bump(connection)
            row = connection.execute(
                "SELECT id, incident, chain, started_at FROM chain_runs WHERE id = ?", (text_of(run.id),)
            ).fetchone()
            return run_of(row)

    def chain_runs(self, incidents: Iterable[str]) -> dict[str, list[ChainRun]]:
        """The chains that were started for each of these incidents, oldest first."""
        found: dict[str, list[ChainRun]] = {}
        with self._database.read() as connection:
            rows = connection.execute(
                "SELECT id, incident, chain, started_at FROM chain_runs"  # noqa: S608 - our own words
                f" WHERE incident IN {LISTED} ORDER BY started_at, id",
                (listed(incidents),),
            )
            for row in rows:
                run = run_of(row)
                found.setdefault(run.incident, []).append(run)
        return found

    def save_outage(self, outage: Outage) -> Outage:
        """Record that a channel refuses, unless that is known; the outage that stands."""
        with self._database.write() as connection:
            added = connection.execute("INSERT OR IGNORE INTO outages VALUES (?, ?, ?)", outage_row(outage))
            if added.rowcount:
                bump(connection)
            row = connection.execute("SELECT id, since, error FROM outages WHERE id = ?", (outage.id,)).fetchone()
            return outage_of(row)

    def end_outage(self, channel: str) -> bool:
        """Use a channel again; ``False`` when it was not out."""
        with self._database.write() as connection:
            ended = connection.execute("DELETE FROM outages WHERE id = ?", (channel,)).rowcount == 1
            if ended:
                bump(connection)
            return ended

    def outages(self) -> list[Outage]:
        """Channels that are not used until a person enables them, the longest out first."""
        with self._database.read() as connection:
            rows = connection.execute("SELECT id, since, error FROM outages ORDER BY since, id")
            return [outage_of(row) for row in rows]

    def beat(self, part: str, at: datetime) -> None:
        """Record that a part of Tocsin has done its work at this time; an earlier time changes nothing."""
        with self._database.write() as connection:
            connection.execute(
                "INSERT INTO pulses VALUES (?, ?) ON CONFLICT DO UPDATE SET at = max(at, excluded.at)",
                (part, stamp(at)),
            )

    def pulses(self) -> dict[str, datetime]:
        """When each part was last seen at the end of its work."""
        with self._database.read() as connection:
            return {part: moment(at) for part, at in connection.execute("SELECT id, at FROM pulses ORDER BY id")}


def run_row(run: ChainRun) -> Row:
    """The row of a started chain in the order of ``RUN_COLUMNS``."""
    return (text_of(run.id), text_of(run.incident), _CHAIN.dump_json(run.chain).decode(), stamp(run.started_at))


def run_of(row: Row) -> ChainRun:
    """The started chain of such a row."""
    id_, incident, chain, started_at = row
    return ChainRun(id=id_, incident=incident, chain=_CHAIN.validate_json(chain), started_at=moment(started_at))


def outage_row(outage: Outage) -> Row:
    """The row of an outage in the order of ``OUTAGE_COLUMNS``."""
    return (outage.id, stamp(outage.since), text_of(outage.error))


def outage_of(row: Row) -> Outage:
    """The outage of such a row."""
    id_, since, error = row
    return Outage(id=id_, since=moment(since), error=error)
