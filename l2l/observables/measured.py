"""Measured BOLD made ready: one run of a scanner, its scrubbed volumes and its unusable regions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from l2l.errors import ObservableError, nearest
from l2l.observables.signals import numbers

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Run:
    """One run: signals (volume, node), NaN in scrubbed volumes of regions without a value; keep: (volume,)."""

    signals: Floats
    keep: NDArray[np.bool_]

    @classmethod
    def of(cls, bold: ArrayLike, keep: ArrayLike | None, what: str) -> Run:
        """From (node, volume) signals. A volume in which no region has a value counts as scrubbed."""
        signals = numbers(bold, f"{what}, (node, volume),").T
        if signals.ndim != 2 or signals.shape[1] < 3:
            raise ObservableError(
                f"{what} must have shape (node, volume) with 3 nodes or more, but has {signals.T.shape}"
            )
        kept: NDArray[np.bool_] = np.logical_not(np.isnan(signals).all(axis=1))
        if keep is not None:
            given = np.asarray(keep)
            if given.shape != kept.shape or given.dtype != bool:
                raise ObservableError(
                    f"keep of {what} must be a boolean for each of {len(kept)} volumes (True stays), but has shape "
                    f"{given.shape} of {given.dtype}"
                )
            kept &= given
        return cls(signals, kept)

    def unusable(self) -> dict[int, str]:
        """Regions whose signal is not finite or does not vary over the kept volumes, and which of the two."""
        kept = self.signals[self.keep]
        if len(kept) < 2:
            raise ObservableError(f"a run must keep 2 volumes or more, but keeps {len(kept)} of {len(self.keep)}")
        bad = {int(i): "not finite" for i in np.flatnonzero(~np.isfinite(kept).all(axis=0))}
        with np.errstate(invalid="ignore"):
            # Relative to its size, what rounding alone makes of a constant.
            flat = np.ptp(kept, axis=0) <= 1e-12 * np.abs(kept).max(axis=0)
        return {int(i): "constant" for i in np.flatnonzero(flat)} | bad

    def of_regions(self, regions: NDArray[np.intp]) -> Run:
        return Run(self.signals[:, regions], self.keep)

    def filled(self) -> Floats:
        """(volume, node): scrubbed volumes replaced by a straight line between their neighbours in time."""
        if self.keep.all():
            return self.signals
        time = np.arange(len(self.keep))
        inside = time[self.keep]
        return np.stack([np.interp(time, inside, column[self.keep]) for column in self.signals.T], axis=1)


def regions_left(runs: Sequence[Run], nodes: int, exclude: Any, labels: Sequence[str]) -> NDArray[np.intp]:
    """Indices of the regions that stay.

    exclude: labels or indices of regions, or "unusable" for all that are constant or not finite in any run.
    Raises ObservableError naming the first unusable region that is not excluded.
    """
    names = tuple(labels) or tuple(str(i) for i in range(nodes))
    unusable: dict[int, str] = {}
    for run in runs:
        unusable |= run.unusable()
    out = set(unusable) if isinstance(exclude, str) and exclude == "unusable" else set(_indices(exclude, labels, nodes))
    left = [index for index in unusable if index not in out]
    if left:
        first = min(left)
        listed = ", ".join(names[index] for index in sorted(left)[:8]) + (", ..." if len(left) > 8 else "")
        raise ObservableError(
            f"BOLD must be finite and vary in every region, but that of region {names[first]!r} (index {first}) is "
            f"{unusable[first]}; {len(left)} of {nodes} regions are unusable: {listed}. Leave them out with "
            'exclude=..., or all of them with exclude="unusable"'
        )
    stay = np.array([index for index in range(nodes) if index not in out], dtype=np.intp)
    if len(stay) < 3 <= nodes:
        raise ObservableError(f"3 regions or more must be left, but {len(stay)} of {nodes} are")
    return stay


def _indices(exclude: Any, labels: Sequence[str], nodes: int) -> Iterable[int]:
    given = [exclude] if isinstance(exclude, str | int) else list(exclude)
    for each in given:
        if isinstance(each, str):
            if each not in labels:
                raise ObservableError(
                    f"no region to exclude is called {each!r}: {nearest(each, ['unusable', *labels])}"
                )
            yield list(labels).index(each)
        elif isinstance(each, bool) or not isinstance(each, int | np.integer) or not 0 <= each < nodes:
            raise ObservableError(f"a region to exclude must be a label or an index below {nodes}, but is {each!r}")
        else:
            yield int(each)
