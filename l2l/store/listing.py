"""The runs of a database, a line each: without scripts, spaces and the rest, which take long to read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, Text, cast, select

from l2l.store import plain
from l2l.store.schema import runs


@dataclass(frozen=True)
class RunLine:
    """A run in a list; fields as of `RunRecord`, and the optimizer's name."""

    id: int
    name: str
    status: str
    optimizer: str
    created: datetime
    finished: datetime | None
    stop_reason: str
    tags: tuple[str, ...]


def run_lines(connection: Connection) -> list[RunLine]:
    """Every run, oldest first."""
    query = select(
        runs.c.id,
        runs.c.name,
        runs.c.status,
        cast(runs.c.optimizer, Text),
        runs.c.created,
        runs.c.finished,
        runs.c.stop_reason,
        cast(runs.c.tags, Text),
    ).order_by(runs.c.id)
    rows = connection.execute(query).all()
    # One call of the parser for all is many times faster.
    optimizers, tags = (plain.loads("[" + ",".join(row[place] for row in rows) + "]") for place in (3, 7))
    return [
        RunLine(
            number,
            name,
            status,
            str(optimizer.get("name", "")),
            _moment(created),
            None if finished is None else _moment(finished),
            reason,
            tuple(map(str, tag)),
        )
        for (number, name, status, _, created, finished, reason, _), optimizer, tag in zip(
            rows, optimizers, tags, strict=True
        )
    ]


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
