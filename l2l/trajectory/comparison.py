"""Runs side by side: what was set differently, what came of it, and what it cost."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from l2l.errors import StoreError
from l2l.store import Store
from l2l.store.records import RunRecord

if TYPE_CHECKING:
    import pandas as pd

_SETTINGS = ("seed", "objectives", "optimizer", "optimizee", "space", "runner", "settings", "fingerprint")


def compare(runs: Sequence[int | str], store: str | os.PathLike[str] | Store | None = None) -> pd.DataFrame:
    """A column a run; rows: status, individuals, the best fitness, seconds, and every setting that is not the same.

    Nested settings are rows of their own, such as "optimizer.population". Raises StoreError for fewer than two runs,
    RunNotFoundError if one is not there.
    """
    import pandas as pd

    if len(runs) < 2:
        raise StoreError(f"a comparison needs two runs at least, but got {len(runs)}")
    opened = store if isinstance(store, Store) else Store.open(store, read_only=True)
    try:
        records = [opened.run(run) for run in runs]
    finally:
        if opened is not store:
            opened.close()
    columns = {record.id: {**_outcome(record), **_flat_settings(record)} for record in records}
    names = dict.fromkeys(name for column in columns.values() for name in column)
    always = _outcome(records[0])
    rows = {}
    for name in names:
        values = [column.get(name) for column in columns.values()]
        if name in always or any(value != values[0] for value in values):
            rows[name] = values
    table = pd.DataFrame.from_dict(rows, orient="index", columns=[str(run) for run in columns], dtype=object)
    table.index.name = "what"
    return table


def _outcome(record: RunRecord) -> dict[str, Any]:
    ended = record.finished
    return {
        "name": record.name,
        "status": record.status,
        "generations": record.generations,
        "individuals": record.individuals,
        f"best {record.objectives[0]['name']}": record.best,
        "seconds": None if ended is None else round((ended - record.created).total_seconds(), 3),
    }


def _flat_settings(record: RunRecord) -> dict[str, Any]:
    return {name: value for part in _SETTINGS for name, value in _leaves(part, getattr(record, part))}


def _leaves(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _leaves(f"{name}.{key}", item)
    else:
        yield name, value
