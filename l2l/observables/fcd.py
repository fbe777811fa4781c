"""Functional connectivity dynamics: how alike the connectivities of different times are."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from l2l.errors import ObservableError
from l2l.observables.fc import fc, kept_volumes
from l2l.observables.pairs import Floats, floats, places
from l2l.observables.windows import windows

__all__ = ["fcd", "windows"]


def fcd(
    bold: ArrayLike,
    tr: str | float,
    window: str | float = 30.0,
    step: str | float = 5.0,
    *,
    drop_edges: bool = True,
    first: int = 0,
    volumes: ArrayLike | None = None,
    least_kept: float = 0.5,
    pairs: ArrayLike | None = None,
) -> Floats:
    """Pearson correlations between the FC triangles of all sliding windows.

    bold: (..., volume, node); float32 stays float32. Returns (..., window, window).
    tr, window, step, drop_edges, first: see `windows`; the defaults of window and step are cuBNM's.
    volumes: (volume,) boolean mask, True where kept. Each window's FC is that of its kept volumes; windows that keep
    less than the share `least_kept`, or fewer than 2, are dropped.
    pairs: (node, node) boolean, the pairs that count, such as `within_hemispheres(nodes)`; None: all.
    Raises ObservableError for fewer than 2 windows or 2 pairs, and, for a single recording, if a signal is constant or
    not finite, naming node and window. In a batch (leading axes) such a window's row and column are NaN.
    Source: Hansen, Battaglia, Spiegler, Deco, Jirsa (2015), NeuroImage 105:525.
    """
    signals = floats(bold)
    if signals.ndim < 2:
        raise ObservableError(f"FCD needs signals (..., volume, node), but got shape {signals.shape}")
    spans = windows(signals.shape[-2], tr, window, step, drop_edges, first=first)
    mask = kept_volumes(volumes, signals.shape[-2])
    if mask is not None:
        kept = np.array([mask[a:b].sum() for a, b in spans])
        spans = spans[(kept >= 2) & (kept >= least_kept * (spans[:, 1] - spans[:, 0]))]
    if len(spans) < 2:
        raise ObservableError(f"FCD needs at least 2 windows, but there are {len(spans)}: shorten window or step")
    rows, columns = places(signals.shape[-1], pairs)
    triangles = np.stack(
        [fc(signals[..., a:b, :], None if mask is None else mask[a:b])[..., rows, columns] for a, b in spans], axis=-2
    )
    return fc(np.swapaxes(triangles, -1, -2))
