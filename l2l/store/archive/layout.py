"""What an archive holds: its members, the fields of their lines, and what each field may be."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from l2l.errors import SpaceError, StoreError
from l2l.space import Space
from l2l.store import plain
from l2l.store.schema import RUN_STATUSES

FORMAT = "l2l-run"
VERSION = 1
MANIFEST = "manifest.json"
RUN = "run.json"
TABLES = ("generations", "workers", "individuals", "evaluations", "recordings", "events")
MEMBER = re.compile(
    rf"{re.escape(MANIFEST)}|{re.escape(RUN)}|(?:{'|'.join(TABLES)})\.jsonl|arrays/(?:0|[1-9]\d{{0,8}})\.npy"
)

Check = Callable[[Any], bool]


def _count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31


def _seed(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**64


def _number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(float(value))
    except OverflowError:
        return False


def _text(value: Any) -> bool:
    return isinstance(value, str) and plain.clean(value) == value


def _object(value: Any) -> bool:
    return isinstance(value, dict)


def _list(value: Any) -> bool:
    return isinstance(value, list)


def _parents(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(pair, list) and len(pair) == 2 and all(map(_count, pair)) for pair in value
    )


def _digits(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 1000 and value.isascii() and value.isdecimal()


def _or_nothing(check: Check) -> Check:
    return lambda value: value is None or check(value)


_PLACE: dict[str, Check] = {"generation": _count, "position": _count}
_KEY: dict[str, Check] = {**_PLACE, "replicate": _count, "task": _text, "attempt": _count}

#: The columns of each table that an archive holds, and what they may be.
FIELDS: Mapping[str, Mapping[str, Check]] = {
    "run": {
        "name": lambda value: _text(value) and bool(value.strip()),
        "tags": lambda value: isinstance(value, list) and all(map(_text, value)),
        "status": lambda value: value in RUN_STATUSES,
        "seed": _digits,
        "created": _number,
        "finished": _or_nothing(_number),
        "stop_reason": _text,
        "space": _object,
        "objectives": _list,
        **dict.fromkeys(("optimizer", "optimizee", "runner", "settings", "provenance", "summary"), _object),
        "fingerprint": _text,
    },
    "generations": {
        "number": _count,
        "asked_at": _number,
        "told_at": _or_nothing(_number),
        "size": _count,
        "best": _or_nothing(_number),
        "summary": _or_nothing(_object),
    },
    "workers": {"number": _count, "name": _text, "host": _text, "device": _text, "job": _text},
    "individuals": {**_PLACE, "parameters": _object, "seed": _seed, "parents": _or_nothing(_parents)},
    "evaluations": {
        **_KEY,
        "status": _text,
        "loss": _or_nothing(_number),
        "fitness": _or_nothing(_object),
        "measurements": _or_nothing(_object),
        "seed": _or_nothing(_seed),
        "started": _number,
        "seconds": _number,
        "worker": _or_nothing(_count),
        "error": _text,
        "traceback": _text,
    },
    "recordings": {
        **_KEY,
        "name": _text,
        "dtype": _text,
        "shape": _list,
        "dims": _or_nothing(_list),
        "coordinates": _or_nothing(_object),
        "unit": _text,
        "sha256": _text,
    },
    "events": {"at": _number, "kind": _text, "details": _object},
}


def checked(table: str, row: Any, where: str) -> dict[str, Any]:
    """A row as it may be written. Raises StoreError for a field that is missing, unknown or of another kind."""
    fields = FIELDS[table]
    if not isinstance(row, dict):
        raise StoreError(f"{where} must be an object, but is {row!r:.60}")
    if row.keys() != fields.keys():
        different = sorted(map(str, row.keys() ^ fields.keys()))
        raise StoreError(f"{where} must have the fields {', '.join(fields)}, but differs in {different!r:.200}")
    for name, check in fields.items():
        if not check(row[name]):
            raise StoreError(f"{where} has a {name} that cannot be: {row[name]!r:.80}")
    return row


def checked_run(row: Any) -> dict[str, Any]:
    """As `checked`, for the run itself: what the space and the objectives are, is looked at too."""
    run = checked("run", row, RUN)
    try:
        Space.from_json(run["space"])
    except (SpaceError, TypeError, ValueError) as error:
        raise StoreError(f"{RUN} describes no space: {error}") from error
    objectives = run["objectives"]
    fine = 0 < len(objectives) <= 1000 and all(
        isinstance(item, dict) and _text(item.get("name")) and isinstance(item.get("maximize", False), bool)
        for item in objectives
    )
    if not fine or len({item["name"] for item in objectives}) < len(objectives):
        raise StoreError(f"{RUN} must list objectives with different names, but lists {objectives!r:.200}")
    return run
