# mypy: disable-error-code="untyped-decorator"
"""The perturbational complexity index: how complex the response to a stimulus is, in space and time."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from l2l.errors import ObservableError
from l2l.observables.lempel_ziv import lempel_ziv_matrix
from l2l.observables.signals import Floats, numbers, rate_of, samples


class PCI(NamedTuple):
    """The index and what it is made of; each (...), NaN for a simulation that cannot be judged.

    value: complexity log2(L) / (L entropy), L = nodes x samples; 0 if nothing or everything is active.
    complexity: words of `lempel_ziv_matrix`. entropy: bits an entry. active: share of significant entries, in [0, 1].
    Casali et al. judge responses with an entropy above 0.08 only (active about 0.01): below, the index is unsteady.
    """

    value: Floats
    complexity: Floats
    entropy: Floats
    active: Floats


def pci(
    trials: ArrayLike,
    period: float,
    onset: ArrayLike,
    *,
    baseline: float = 500.0,
    response: float = 300.0,
    surrogates: int = 500,
    alpha: float = 0.01,
    seed: int = 0,
) -> PCI:
    """The perturbational complexity index of stimulated runs.

    trials: (..., trial, time, node). period: ms between samples. The other arguments are those of `significant`, which
    makes the binary matrix; its nodes are sorted by how often they are active, the least active first, and
    value = c log2(L) / (L H), c its Lempel-Ziv complexity, L its size, H = -p log2 p - (1 - p) log2(1 - p), p the share
    of ones.
    Raises ObservableError as `significant` does.
    Source: Casali et al. (2013), Sci. Transl. Med. 5:198ra105, and its supplementary material.
    """
    active, judged = _significant(trials, period, onset, baseline, response, surrogates, alpha, seed)
    parts = [
        complexity_index(each) if good else PCI(*[np.full((), np.nan)] * 4)
        for each, good in zip(*_flat(active, judged), strict=True)
    ]
    return PCI(*(np.array(part, dtype=np.float64).reshape(judged.shape) for part in zip(*parts, strict=True)))


def complexity_index(binary: ArrayLike) -> PCI:
    """The index of a binary matrix (node, time) of significant activity, each field (): see `pci`."""
    matrix = np.asarray(binary)
    complexity = lempel_ziv_matrix(
        matrix[np.argsort(matrix.sum(axis=1), kind="stable")] if matrix.ndim == 2 else matrix
    )
    p, size = float(matrix.mean()), matrix.size
    entropy = 0.0 if p in (0.0, 1.0) else -p * math.log2(p) - (1 - p) * math.log2(1 - p)
    value = complexity * math.log2(size) / (size * entropy) if entropy > 0 else 0.0
    return PCI(*(np.asarray(each, dtype=np.float64) for each in (value, complexity, entropy, p)))


def significant(
    trials: ArrayLike,
    period: float,
    onset: ArrayLike,
    *,
    baseline: float = 500.0,
    response: float = 300.0,
    surrogates: int = 500,
    alpha: float = 0.01,
    seed: int = 0,
) -> NDArray[np.bool_]:
    """Where and when the mean response to a stimulus leaves its baseline: (..., node, time) of booleans.

    trials: (..., trial, time, node), one stimulus each. period: ms between samples; sample k lies k periods after the
    start. onset: ms after the start, a number or (trial,); the response begins with the first sample at or after it.
    baseline, response: ms before and after the onset that are judged. surrogates, alpha, seed: see below.
    Each trial and node is centred and scaled by the mean and standard deviation of its baseline, and the trials are
    averaged. A surrogate permutes the samples of the baseline, those of all nodes together, in each trial anew, and
    averages; the largest modulus over nodes and samples is kept. The threshold is the smallest of the surrogates'
    maxima that at most a share alpha of them exceeds (so the family-wise error is about alpha); entries whose modulus
    exceeds it are significant. With a single trial that is the largest modulus of the baseline itself.
    A non-finite signal, or a baseline that does not vary, raises ObservableError naming the node if there are no
    leading axes; in a batch nothing of that simulation is significant (and `pci` is NaN).
    Source: Casali et al. (2013), supplementary material; the statistic of the maximum of Pantazis et al. (2003).
    """
    return _significant(trials, period, onset, baseline, response, surrogates, alpha, seed)[0]


def _significant(
    trials: ArrayLike,
    period: float,
    onset: ArrayLike,
    baseline: float,
    response: float,
    surrogates: int,
    alpha: float,
    seed: int,
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """`significant`, and which simulations could be judged (...)."""
    before, after = _aligned(trials, period, onset, baseline, response)
    if not (int(surrogates) == surrogates and surrogates >= 1 and 0 < alpha < 1 and surrogates * alpha >= 1):
        raise ObservableError(
            f"0 < alpha < 1 and surrogates >= 1 / alpha must hold, but got alpha = {alpha!r}, "
            f"surrogates = {surrogates!r}"
        )
    spread = before.std(axis=-2, keepdims=True)
    with np.errstate(invalid="ignore"):
        steady = ~(spread > 1e-12 * np.abs(before).max(axis=-2, keepdims=True))
    bad = (steady | ~np.isfinite(after).all(axis=-2, keepdims=True))[..., 0, :]
    if before.ndim == 3 and bad.any():
        trial, node = map(int, np.argwhere(bad)[0])
        raise ObservableError(
            f"the baseline must vary and all signals be finite, but those of node {node} in trial {trial} are not: "
            "simulate with noise, or leave such nodes out"
        )
    judged = ~bad.any(axis=(-2, -1))
    with np.errstate(all="ignore"):
        mean = before.mean(axis=-2, keepdims=True)
        z, evoked = (before - mean) / spread, np.abs(((after - mean) / spread).mean(axis=-3))
    n_trials, n_before = z.shape[-3:-1]
    orders = np.empty((int(surrogates), n_trials, n_before), dtype=np.int32)
    orders[:] = np.arange(n_before)
    orders = np.random.default_rng(seed).permuted(orders, axis=-1)
    active = np.zeros(evoked.shape, dtype=bool)
    for place in np.argwhere(judged):
        here = tuple(place)
        maxima = _maxima(np.ascontiguousarray(z[here]), orders)
        active[here] = evoked[here] > np.quantile(maxima, 1 - alpha, method="higher")
    return np.swapaxes(active, -1, -2), judged


def _aligned(
    trials: ArrayLike, period: float, onset: ArrayLike, baseline: float, response: float
) -> tuple[Floats, Floats]:
    """What precedes and what follows the onsets, (..., trial, time, node)."""
    rate_of(period)
    x, onsets = numbers(trials, "the trials"), numbers(onset, "the onsets")
    if x.ndim < 3 or 0 in x.shape:
        raise ObservableError(f"trials must have shape (..., trial, time, node), but have {x.shape}")
    if onsets.shape not in ((), (x.shape[-3],)) or not np.isfinite(onsets).all():
        raise ObservableError(
            f"onset must be a time in ms or one for each of {x.shape[-3]} trials, but has shape {onsets.shape}"
        )
    starts = np.broadcast_to(np.ceil(onsets / period - 1e-6).astype(int), x.shape[-3:-2])
    past, ahead = samples(baseline, period, "the baseline"), samples(response, period, "the response")
    if past < 2 or ahead < 1:
        raise ObservableError(f"2 samples of baseline and 1 of response are needed, but there are {past} and {ahead}")
    if starts.min() < past or starts.max() + ahead > x.shape[-2]:
        raise ObservableError(
            f"each trial must last from {baseline:g} ms before its onset to {response:g} ms after it, but with onsets "
            f"from {onsets.min():g} to {onsets.max():g} ms the trials of {x.shape[-2] * period:g} ms do not: simulate "
            "for longer, or judge less"
        )
    before = [x[..., trial, start - past : start, :] for trial, start in enumerate(starts)]
    after = [x[..., trial, start : start + ahead, :] for trial, start in enumerate(starts)]
    return np.stack(before, axis=-3), np.stack(after, axis=-3)


def _flat(active: NDArray[np.bool_], judged: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    return active.reshape(-1, *active.shape[-2:]), judged.reshape(-1)


@njit(nogil=True, cache=True)
def _maxima(z: Floats, orders: NDArray[np.int32]) -> Floats:
    """Of each surrogate the largest modulus of the mean over trials. z: (trial, time, node)."""
    n_trials, n_time, n_nodes = z.shape
    result = np.zeros(len(orders))
    total = np.empty(n_nodes)
    for surrogate in range(len(orders)):
        most = 0.0
        for time in range(n_time):
            total[:] = z[0, orders[surrogate, 0, time]]
            for trial in range(1, n_trials):
                row = z[trial, orders[surrogate, trial, time]]
                for node in range(n_nodes):
                    total[node] += row[node]
            for node in range(n_nodes):
                most = max(most, abs(total[node]))
        result[surrogate] = most / n_trials
    return result
