"""What tables of individuals say: fronts, neighbours, duplicates. Frames go in, frames come out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from l2l.errors import StoreError, nearest
from l2l.space import Categorical, Space

if TYPE_CHECKING:
    import pandas as pd


def non_dominated(losses: ArrayLike) -> NDArray[np.bool_]:
    """Which points no other point dominates: none is as small in every loss and smaller in one.

    losses: (point, objective), smaller is better. A point with a NaN is dominated. Points that are equal are all kept.
    """
    values = np.asarray(losses, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] < 1:
        raise StoreError(f"losses must have shape (point, objective), but have {values.shape}")
    front = np.zeros(len(values), dtype=bool)
    fine = np.flatnonzero(np.isfinite(values).all(axis=1))
    # In this order a point can only be dominated by one before it, and then by one of the front found so far.
    order = fine[np.lexsort(values[fine].T[::-1])]
    kept = np.empty((0, values.shape[1]))
    for index in order:
        point = values[index]
        dominated = ((kept <= point).all(axis=1) & (kept < point).any(axis=1)).any()
        if not dominated:
            front[index] = True
            kept = np.vstack([kept, point])
    return front


def pareto(table: pd.DataFrame, columns: Sequence[tuple[str, bool]]) -> pd.DataFrame:
    """The rows that no row dominates, best first by the first objective.

    columns: the objectives' columns, and whether each is maximised.
    """
    if table.empty:
        return table
    signs = np.array([-1.0 if maximize else 1.0 for _, maximize in columns])
    losses = table[[name for name, _ in columns]].to_numpy(dtype=np.float64) * signs
    front = non_dominated(losses)
    return table[front].iloc[np.lexsort(losses[front].T[::-1])].reset_index(drop=True)


def distances(space: Space, points: Sequence[Mapping[str, Any]], to: Mapping[str, Any]) -> NDArray[np.float64]:
    """How far points are from one point, each parameter scaled by its range: the root of the mean square difference.

    to: some of the parameters or all; only these count. Logarithmic parameters are compared by their logarithms, and
    categories are 0 apart if they are the same, and else 1. Raises StoreError if `to` names what the space has not.
    """
    if not to:
        raise StoreError("a point must name one parameter at least, but names none")
    for name in to:
        if name not in space:
            raise StoreError(f"the space has no parameter {name!r}: {nearest(name, space)}")
    total, count = np.zeros(len(points)), 0
    for name, wanted in to.items():
        part = Space({name: space[name]})
        if isinstance(space[name], Categorical):
            total += [float(point[name] != wanted) for point in points]
            count += 1
            continue
        wanted_encoded = part.encode({name: wanted})
        encoded = np.array([part.encode({name: point[name]}) for point in points]).reshape(len(points), -1)
        total += ((encoded - wanted_encoded) ** 2).sum(axis=1)
        count += encoded.shape[1]
    return np.asarray(np.sqrt(total / count))


def best_of_each(table: pd.DataFrame, by: str, objective: str, maximize: bool) -> pd.DataFrame:
    """The best row of each group; groups in which no row has a value have none."""
    valid = table[table[objective].notna()]
    ordered = valid.sort_values(objective, ascending=not maximize, kind="stable")
    return ordered.groupby(by, sort=True).head(1).sort_values(by).reset_index(drop=True)


def duplicates(table: pd.DataFrame, parameters: Sequence[str]) -> pd.DataFrame:
    """Rows whose parameters another row has to the bit, with a column `group` that numbers equal ones."""
    keys = table[list(parameters)].astype(object).apply(tuple, axis=1)
    repeated = table[keys.duplicated(keep=False)].copy()
    repeated.insert(0, "group", keys[repeated.index].map({key: i for i, key in enumerate(dict.fromkeys(keys))}))
    repeated["group"] = repeated["group"].rank(method="dense").astype(int) - 1 if len(repeated) else 0
    return repeated.sort_values("group", kind="stable").reset_index(drop=True)
