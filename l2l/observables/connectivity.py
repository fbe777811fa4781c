"""How well the connectivity of an ensemble fits measured connectivity: FC and FCD in one pass, only scores returned."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from l2l.errors import ObservableError
from l2l.observables.distances import fc_mae, fc_mean_difference, fc_normalised_error, fc_rmse, ks
from l2l.observables.fc import fc, fc_corr
from l2l.observables.fcd import fcd
from l2l.observables.pairs import floats, places, triangle

BLOCK = 64 << 20  # bytes of signals, FC and FCD of the simulations that are compared at once
FC_SCORES = {
    "fc_corr": fc_corr,
    "fc_mae": fc_mae,
    "fc_rmse": fc_rmse,
    "fc_normalised_error": fc_normalised_error,
    "fc_mean_difference": fc_mean_difference,
}


@dataclass(frozen=True, eq=False)
class Comparison:
    """What an ensemble is compared with, and how its own FC and FCD are taken.

    fc: (node, node) measured FC, or None. fcd: (value,) sample of the measured FCD, such as `triangle(fcd(...))`, or
    None. tr: s, or a text such as "720 ms"; for FCD. window, step, drop_edges: see `l2l.observables.windows.windows`.
    first: the first volume of the simulation that counts: FC is of the volumes from there on, windows as `windows`
    places them. pairs: (node, node) boolean, the pairs that count in FC and FCD; None: all.
    mean: also give the mean of the simulation's own FC, as "mean_fc"; it needs fc.
    Raises ObservableError if there is nothing to compare with, if it is not finite, or if FCD is asked for without tr.
    """

    fc: NDArray[np.float64] | None = None
    fcd: NDArray[np.float64] | None = None
    tr: str | float | None = None
    window: str | float = field(default=30.0, kw_only=True)
    step: str | float = field(default=5.0, kw_only=True)
    drop_edges: bool = field(default=True, kw_only=True)
    first: int = field(default=0, kw_only=True)
    pairs: NDArray[np.bool_] | None = field(default=None, kw_only=True)
    mean: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        if self.fc is None and self.fcd is None:
            raise ObservableError("an ensemble is compared with fc, or with fcd, or with both, but got neither")
        if self.mean and self.fc is None:
            raise ObservableError("the mean of FC is taken where FC is compared, but there is no fc: give fc")
        if self.fc is not None:
            matrix = np.array(self.fc, dtype=np.float64)
            bad = np.flatnonzero(~np.isfinite(triangle(matrix, self.pairs)))
            if len(bad):
                rows, columns = places(len(matrix), self.pairs)
                raise ObservableError(
                    f"the measured FC must be finite, but is not at ({rows[bad[0]]}, {columns[bad[0]]}): leave that "
                    "node out, or that pair by `pairs`"
                )
            object.__setattr__(self, "fc", matrix)
        if self.fcd is not None:
            if self.tr is None:
                raise ObservableError("FCD needs tr, the time between volumes: give tr in seconds")
            values = np.sort(np.array(self.fcd, dtype=np.float64).reshape(-1))
            if np.ndim(self.fcd) != 1 or not len(values) or not np.isfinite(values).all():
                raise ObservableError(
                    "the measured FCD must be a sample (value,) of finite numbers, such as triangle(fcd(...)), but is "
                    f"{np.shape(self.fcd)} with {np.count_nonzero(~np.isfinite(values))} values that are not finite"
                )
            object.__setattr__(self, "fcd", values)

    @property
    def names(self) -> tuple[str, ...]:
        """The scores, in the order in which they are returned."""
        return (
            *(FC_SCORES if self.fc is not None else ()),
            *(("mean_fc",) if self.mean else ()),
            *(("fcd_ks",) if self.fcd is not None else ()),
        )

    def check(self, shape: tuple[int, ...]) -> None:
        """Raises ObservableError unless an ensemble of this shape can be compared."""
        if len(shape) != 3:
            raise ObservableError(f"the BOLD of an ensemble is (simulation, volume, node), but has shape {shape}")
        if self.fc is not None and len(self.fc) != shape[2]:
            raise ObservableError(f"the measured FC has {len(self.fc)} nodes, but the simulation {shape[2]}")
        if not 0 <= self.first <= shape[1] - 2:
            raise ObservableError(
                f"at least 2 volumes must be left from first = {self.first} on, but the simulation has {shape[1]}"
            )


def scores(bold: ArrayLike | Any, comparison: Comparison) -> dict[str, NDArray[np.float64]]:
    """Each score of `comparison.names`, (simulation,): fc_corr is to be large, all others but mean_fc small.

    bold: (simulation, volume, node), in memory, or on a GPU (`__cuda_array_interface__`): then all is computed there.
    A simulation that diverged, or in which a node is silent, has NaN. Only so many simulations are in work at once as
    fit into 64 MiB (on a GPU, into half of its free memory).
    """
    if hasattr(bold, "__cuda_array_interface__") or hasattr(bold, "copy_to_host"):  # the latter in Numba's simulator
        from l2l.observables import cuda

        return cuda.scores(bold, comparison)
    signals = floats(bold)
    comparison.check(signals.shape)
    count, volumes, nodes = signals.shape
    result = {name: np.empty(count) for name in comparison.names}
    many = max(1, BLOCK // (signals.itemsize * (2 * volumes * nodes + 4 * nodes**2)))
    for start in range(0, count, many):
        block = slice(start, start + many)
        runs = signals[block]
        if comparison.fc is not None:
            connectivity = fc(runs[:, comparison.first :])
            for name, score in FC_SCORES.items():
                result[name][block] = score(connectivity, comparison.fc, comparison.pairs)
            if comparison.mean:
                result["mean_fc"][block] = triangle(connectivity, comparison.pairs).mean(axis=-1, dtype=np.float64)
        if comparison.fcd is not None:
            assert comparison.tr is not None
            dynamics = fcd(
                runs, comparison.tr, comparison.window, comparison.step, drop_edges=comparison.drop_edges,
                first=comparison.first, pairs=comparison.pairs,
            )  # fmt: skip
            result["fcd_ks"][block] = ks(triangle(dynamics), comparison.fcd)
    return result
