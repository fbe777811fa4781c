"""Which runs are meant: by number, name, tag, model, optimizer, status or date."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, select

from l2l.errors import QueryError, RunNotFoundError, nearest
from l2l.store.schema import runs


@dataclass(frozen=True)
class RunHead:
    """What a query needs to know of a run."""

    id: int
    name: str
    tags: tuple[str, ...]
    status: str
    created: float
    optimizer: str
    model: str
    space: dict[str, Any]
    objectives: tuple[str, ...]


def run_heads(connection: Connection) -> list[RunHead]:
    """Every run, oldest first."""
    columns = (
        runs.c.id,
        runs.c.name,
        runs.c.tags,
        runs.c.status,
        runs.c.created,
        runs.c.optimizer,
        runs.c.optimizee,
        runs.c.space,
        runs.c.objectives,
    )
    return [
        RunHead(
            row.id,
            row.name,
            tuple(map(str, row.tags)),
            row.status,
            row.created,
            str(row.optimizer.get("name", "")),
            str(row.optimizee.get("model", row.optimizee.get("optimizee", ""))),
            row.space,
            tuple(str(objective["name"]) for objective in row.objectives),
        )
        for row in connection.execute(select(*columns).order_by(runs.c.id))
    ]


def choose(heads: Sequence[RunHead], selectors: Sequence[str | int]) -> list[RunHead]:
    """The runs that every selector means; all runs if there are no selectors.

    A selector is a run's number or name, "last", or tag:T, model:M, optimizer:O, status:S, after:DATE, before:DATE;
    alternatives are separated by commas. Raises QueryError, or RunNotFoundError if a number or name is not there.
    """
    chosen = list(heads)
    for selector in selectors:
        alternatives = [part.strip() for part in str(selector).split(",")]
        if not all(alternatives):
            raise QueryError(f"a selector of runs must name something between its commas, but got {selector!r}")
        tests = [_test(part, heads) for part in alternatives]
        chosen = [head for head in chosen if any(test(head) for test in tests)]
    return chosen


_KEYS: dict[str, Callable[[RunHead], Sequence[str]]] = {
    "tag": lambda head: head.tags,
    "model": lambda head: (head.model,),
    "optimizer": lambda head: (head.optimizer,),
    "status": lambda head: (head.status,),
    "name": lambda head: (head.name,),
}


def _test(selector: str, heads: Sequence[RunHead]) -> Callable[[RunHead], bool]:
    named = {head.id for head in heads if head.name == selector}
    if named:
        return lambda head: head.id in named
    if selector == "last":
        return lambda head: head.id == heads[-1].id
    if selector.isdecimal():
        if int(selector) not in {head.id for head in heads}:
            raise RunNotFoundError(f"there is no run {selector}: {nearest(selector, (str(head.id) for head in heads))}")
        return lambda head: head.id == int(selector)
    key, colon, value = selector.partition(":")
    if not colon:
        raise RunNotFoundError(f"there is no run {selector!r}: {nearest(selector, {head.name for head in heads})}")
    if key in ("after", "before"):
        limit = timestamp(value)
        return lambda head: head.created >= limit if key == "after" else head.created < limit
    if key not in _KEYS:
        raise QueryError(f"runs cannot be chosen by {key!r}: {nearest(key, [*_KEYS, 'after', 'before'])}")
    known = {item for head in heads for item in _KEYS[key](head)}
    if value not in known:
        raise QueryError(f"no run has {key} {value!r}: {nearest(value, sorted(known))}")
    return lambda head: value in _KEYS[key](head)


def timestamp(text: str) -> float:
    """Seconds since the epoch of an ISO date or time; UTC unless it says otherwise. Raises QueryError."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise QueryError(f"a time must be written as 2026-11-21 or 2026-11-21T04:00, but got {text!r}") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
