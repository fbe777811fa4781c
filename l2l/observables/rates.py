"""Statistics of firing rates and of state variables, in whatever unit they come in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from l2l.errors import ObservableError
from l2l.observables.signals import Floats, checked


class RateStatistics(NamedTuple):
    """Of each simulation (...); all but the shares in the unit of the rates.

    mean: over time and nodes. over_time: standard deviation over time, the mean over nodes. over_nodes: standard
    deviation over nodes of the means over time. quantiles: (..., quantile), over time and nodes.
    Standard deviations divide by the number of values.
    """

    mean: Floats
    over_time: Floats
    over_nodes: Floats
    quantiles: Floats


def mean_rates(rates: ArrayLike) -> Floats:
    """The mean over time of each node: (..., time, node) -> (..., node). Errors as in `rate_statistics`."""
    return np.asarray(checked(rates, "mean rates", least=1, varying=False).mean(axis=-2))


def state_variance(signals: ArrayLike, *, unbiased: bool = False) -> Floats:
    """The variance over time of each node, (unit of the signals)^2: (..., time, node) -> (..., node).

    unbiased: whether to divide by the number of samples less 1. A constant signal has variance 0; bad signals as in
    `rate_statistics`.
    """
    return np.asarray(checked(signals, "state variance", varying=False).var(axis=-2, ddof=1 if unbiased else 0))


def rate_statistics(rates: ArrayLike, *, quantiles: Sequence[float] = (0.05, 0.25, 0.5, 0.75, 0.95)) -> RateStatistics:
    """Mean, spread and quantiles of firing rates.

    rates: (..., time, node). quantiles: each in [0, 1], interpolated linearly.
    A single recording with a non-finite signal raises ObservableError naming the node; in a batch that simulation's
    statistics are NaN.
    """
    asked = np.asarray(list(quantiles), dtype=np.float64)
    if not ((asked >= 0) & (asked <= 1)).all():
        raise ObservableError(f"quantiles must lie in [0, 1], but got {list(quantiles)}")
    x = checked(rates, "rate statistics", varying=False)
    together = x.reshape(*x.shape[:-2], -1)
    return RateStatistics(
        np.asarray(together.mean(axis=-1)),
        np.asarray(x.std(axis=-2).mean(axis=-1)),
        np.asarray(x.mean(axis=-2).std(axis=-1)),
        np.moveaxis(np.quantile(together, asked, axis=-1), 0, -1),
    )


def up_share(rates: ArrayLike, threshold: float) -> Floats:
    """The share of nodes above a threshold at each time: (..., time, node) -> (..., time), in [0, 1].

    threshold: in the unit of the rates. The mean over time is the share of up states; up and down states alternate
    where it jumps between 0 and 1. Errors as in `rate_statistics`.
    """
    if not np.isfinite(threshold):
        raise ObservableError(f"the threshold of up states must be finite, but is {threshold!r}")
    x = checked(rates, "the share of up states", least=1, varying=False)
    share = (x > threshold).mean(axis=-1)
    return np.where(np.isfinite(x).all(axis=-1), share, np.nan)
