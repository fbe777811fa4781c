"""How broadly the values of functional connectivity are spread: entropy and functional complexity."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from l2l.errors import ObservableError
from l2l.observables.fc import triangle
from l2l.observables.signals import Floats, numbers


def functional_complexity(fc: ArrayLike, *, bins: int = 50, signed: bool = False) -> Floats:
    """1 - sum over bins |p_i - 1/m| / C_m, C_m = 2 (m - 1) / m, in [0, 1].

    0 if all pairs are alike (all independent, or all synchronous), 1 if correlations spread uniformly.
    fc: (..., node, node), the lower triangle counts. bins: m >= 2 of equal width: of |r| in [0, 1], or if signed of
    r in [-1, 1]. The value depends on m: compare equal m only; with fewer pairs than bins 1 cannot be reached.
    Returns (...). A single FC with a value that is not finite raises ObservableError, a batch is NaN there; one beyond
    [-1, 1] raises.
    Source: Zamora-López et al. (2016), Sci. Rep. 6:38424, eq. 2; m = 50 is the default of the authors' code.
    """
    share = _histogram(fc, bins, signed)
    return np.asarray(1 - np.abs(share - 1 / bins).sum(axis=-1) * bins / (2 * (bins - 1)))


def fc_entropy(fc: ArrayLike, *, bins: int = 50, signed: bool = False) -> Floats:
    """The Shannon entropy of the distribution of correlations, -sum p log2 p / log2 m, in [0, 1].

    Arguments, bins and errors as in `functional_complexity`. Returns (...).
    Source: Shannon (1948), Bell Syst. Tech. J. 27:379.
    """
    share = _histogram(fc, bins, signed)
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(share == 0, 0.0, share * np.log2(share))
    return np.asarray(np.abs(terms.sum(axis=-1)) / np.log2(bins))


def _histogram(fc: ArrayLike, bins: int, signed: bool) -> Floats:
    """(..., bin): the share of pairs in each bin."""
    if int(bins) != bins or bins < 2:
        raise ObservableError(f"a distribution needs an integer number of bins >= 2, but got {bins!r}")
    values = triangle(numbers(fc, "functional connectivity"))
    if values.shape[-1] < 1:
        raise ObservableError("a distribution of correlations needs at least 2 nodes")
    finite = np.asarray(np.isfinite(values).all(axis=-1))
    if values.ndim == 1 and not finite:
        raise ObservableError("correlations must be finite, but some are not: leave those nodes out")
    beyond = np.abs(values[finite])
    if beyond.size and beyond.max() > 1 + 1e-6:
        raise ObservableError(f"correlations must lie in [-1, 1], but reach {beyond.max():g}: undo the Fisher z")
    unit = (values + 1) / 2 if signed else np.abs(values)
    places = np.clip(np.nan_to_num(unit) * bins, 0, bins - 1).astype(np.intp)
    flat = places.reshape(-1, places.shape[-1])
    index = flat + bins * np.arange(len(flat))[:, None]
    counts = np.bincount(index.ravel(), minlength=bins * len(flat)).reshape(*values.shape[:-1], bins)
    return np.where(finite[..., None], counts / values.shape[-1], np.nan)
