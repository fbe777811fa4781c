"""Functional connectivity dynamics: how alike the connectivities of different times are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from l2l.errors import ObservableError
from l2l.observables.fc import kept_volumes
from l2l.observables.pairs import Floats, floats, places
from l2l.observables.windows import windows

__all__ = ["fcd", "windows"]

NEAR = 4 << 20  # bytes of window FCs of a block of small simulations, which stay in the cache
MOST = 256 << 20  # bytes of window FCs at once; beyond it, those of one simulation are made in parts, twice


@dataclass(frozen=True)
class Plan:
    """What is asked of each recording.

    index: (window, length) volumes, counted. valid: (window, length), which of them are in the window, or None for all.
    rows, columns: (pair,) nodes of the pairs, rows ascending.
    """

    spans: NDArray[np.int64]
    index: NDArray[np.int64]
    valid: NDArray[np.bool_] | None
    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    nodes: int

    def parts(self, bytes_of_a_row: int) -> Iterator[tuple[int, int, NDArray[np.intp]]]:
        """Ranges of nodes, and which pairs of (those nodes, nodes up to the last of them) count, as flat indices."""
        many = max(1, MOST // max(1, bytes_of_a_row))
        for start in range(0, self.nodes, many):
            stop = min(start + many, self.nodes)
            a, b = np.searchsorted(self.rows, [start, stop])
            if b > a:
                yield start, stop, (self.rows[a:b] - start) * stop + self.columns[a:b]


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
    Memory: of the window FCs, at most 256 MiB exist at once.
    Source: Hansen, Battaglia, Spiegler, Deco, Jirsa (2015), NeuroImage 105:525.
    """
    signals = floats(bold)
    if signals.ndim < 2:
        raise ObservableError(f"FCD needs signals (..., volume, node), but got shape {signals.shape}")
    spans = kept_windows(
        signals.shape[-2], tr, window, step, drop_edges, first=first, volumes=volumes, least_kept=least_kept
    )
    plan = make_plan(spans, signals.shape[-1], kept_volumes(volumes, signals.shape[-2]), pairs)
    if signals.ndim == 2:
        _refuse_flat(signals, plan)
    runs = signals.reshape(-1, *signals.shape[-2:])
    result = np.empty((len(runs), len(spans), len(spans)), dtype=signals.dtype)
    many = max(1, NEAR // (len(spans) * plan.nodes**2 * signals.itemsize))
    for start in range(0, len(runs), many):
        result[start : start + many] = _correlated(runs[start : start + many], plan)
    if signals.ndim == 2 and np.isnan(result).any():
        at = int(np.isnan(result[0]).sum(axis=0).argmax())
        raise ObservableError(
            f"FCD needs windows in which some nodes correlate more than others, but in window {at} (volumes "
            f"{spans[at, 0]} to {spans[at, 1] - 1}) all pairs are alike"
        )
    return result.reshape(*signals.shape[:-2], len(spans), len(spans))


def kept_windows(
    count: int,
    tr: str | float,
    window: str | float,
    step: str | float,
    drop_edges: bool = True,
    *,
    first: int = 0,
    volumes: ArrayLike | None = None,
    least_kept: float = 0.5,
) -> NDArray[np.int64]:
    """The `windows` of `count` volumes in which enough volumes are kept, 2 or more of them. See `fcd`."""
    spans = windows(count, tr, window, step, drop_edges, first=first)
    mask = kept_volumes(volumes, count)
    there = ""
    if mask is not None:
        if not 0 < least_kept <= 1:
            raise ObservableError(f"0 < least_kept <= 1 must hold, but got {least_kept!r}")
        kept = np.array([mask[a:b].sum() for a, b in spans])
        enough = (kept >= 2) & (kept >= least_kept * (spans[:, 1] - spans[:, 0]))
        there = f", of {len(spans)}, in which enough volumes are kept"
        spans = spans[enough]
    if len(spans) < 2:
        raise ObservableError(
            f"FCD needs at least 2 windows, but {count} volumes hold {len(spans)}{there}: shorten window or step, or "
            "record longer"
        )
    return spans


def make_plan(
    spans: NDArray[np.int64], nodes: int, mask: NDArray[np.bool_] | None, pairs: ArrayLike | None = None
) -> Plan:
    rows, columns = places(nodes, pairs)
    if len(rows) < 2:
        raise ObservableError(f"FCD needs at least 2 pairs of nodes, but got {len(rows)} of {nodes} nodes")
    lengths = spans[:, 1] - spans[:, 0]
    index = spans[:, :1] + np.arange(lengths.max())
    valid = index < spans[:, 1:]
    index = np.minimum(index, spans[:, 1:] - 1)
    if mask is not None:
        valid &= mask[index]
    return Plan(spans, index, None if valid.all() else valid, rows, columns, nodes)


def _standardised(runs: Floats, plan: Plan) -> tuple[Floats, NDArray[np.bool_]]:
    """Signals of each window, (run, window, length, node), of mean 0 and length 1; (run, window, node) flat ones."""
    inside = runs[:, plan.index]
    if plan.valid is None:
        count = np.full((len(plan.index), 1), plan.index.shape[1])
    else:
        count = plan.valid.sum(axis=1)[:, None]
        # Not multiplied by 0: scrubbed volumes may be NaN.
        inside = np.where(plan.valid[..., None], inside, inside.dtype.type(0))
    with np.errstate(all="ignore"):
        # The mean is taken in float64: BOLD is a small change on a constant.
        mean = inside.sum(axis=2, dtype=np.float64) / count
        centred = inside - mean[:, :, None]
        if plan.valid is not None:
            centred *= plan.valid[..., None]
        size = np.sqrt(np.einsum("bwln,bwln->bwn", centred, centred))
        # Relative to its mean, what rounding alone makes of a constant.
        flat = ~(size > 4 * np.finfo(runs.dtype).eps * np.abs(mean) * np.sqrt(count))
        return (centred / np.where(flat, np.nan, size)[:, :, None]).astype(runs.dtype), flat


def _triangles(scores: Floats, start: int, stop: int, index: NDArray[np.intp]) -> Floats:
    """FC of each window, (run, window, pair)."""
    from l2l.observables import gram

    with np.errstate(all="ignore"):
        if start == 0:
            whole = gram.of_columns(scores[..., :stop])
        else:
            whole = np.matmul(np.swapaxes(scores[..., start:stop], -1, -2), scores[..., :stop])
    return np.take(whole.reshape(*whole.shape[:2], -1), index, axis=-1)


def _correlated(runs: Floats, plan: Plan) -> Floats:
    """FCD of each run, (run, window, window)."""
    from l2l.observables import gram  # Numba, when it is needed

    scores, _ = _standardised(runs, plan)
    count, long = len(plan.rows), len(plan.spans)
    parts = list(plan.parts(len(runs) * long * plan.nodes * runs.itemsize))
    kept = _triangles(scores, *parts[0]) if len(parts) == 1 else None

    def triangles() -> Iterator[Floats]:
        return iter([kept]) if kept is not None else (_triangles(scores, *part) for part in parts)

    mean = sum(part.sum(axis=-1) for part in triangles()) / count
    products = np.zeros((len(runs), long, long))
    with np.errstate(all="ignore"):
        for part in triangles():
            part -= mean[..., None]
            products += gram.of_rows(part)
        size = np.sqrt(np.diagonal(products, axis1=-2, axis2=-1))
        flat = ~(size > 4 * np.finfo(runs.dtype).eps * np.abs(mean) * count**0.5)
        size = np.where(flat, np.nan, size)
        result: Floats = products / (size[..., :, None] * size[..., None, :])
    np.clip(result, -1.0, 1.0, out=result)
    diagonal = np.arange(long)
    result[..., diagonal, diagonal] = np.where(flat, np.nan, 1.0)
    return result


def _refuse_flat(signals: Floats, plan: Plan) -> None:
    _, flat = _standardised(signals[None], plan)
    if flat.any():
        everywhere = np.flatnonzero(flat[0].all(axis=0))
        at, node = (0, everywhere[0]) if len(everywhere) else np.argwhere(flat[0])[0]
        where = "in every window" if len(everywhere) else f"in window {at}"
        raise ObservableError(
            f"FCD needs signals that vary and are finite in every window, but that of node {node} is not {where} "
            f"(volumes {plan.spans[at, 0]} to {plan.spans[at, 1] - 1}): leave the node out, or widen the windows"
        )
