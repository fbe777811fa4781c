"""Baselines: how much of functional connectivity the weights explain without simulating anything.

A fitted brain network model should be compared with the best of these, on the same weights.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.linalg import solve_continuous_lyapunov

from l2l.errors import ObservableError

FloatArray = npt.NDArray[np.float64]

# 0.99 is 1 % below instability, where one mode relaxes 100 times slower than a node alone. Beyond, the fit rests on one
# number tuned to a thousandth: on dk-average 0.57 at g = 0.999 (raw weights), again 0.53 at 0.9999.
COUPLINGS: tuple[float, ...] = tuple(float(g) for g in np.arange(1, 100) / 100)
DIFFUSIVE_COUPLINGS: tuple[float, ...] = tuple(float(b) for b in np.logspace(-2, 4, 121))
TIMES: tuple[float, ...] = tuple(float(t) for t in np.logspace(-2, 2, 81))


class LinearFit(NamedTuple):
    """The best of a family of one parameter.

    correlation: Pearson, of the lower triangles of predicted and measured FC.
    parameter: the value that reached it.
    """

    correlation: float
    parameter: float


def linear_fc(weights: npt.ArrayLike, coupling: float) -> FloatArray:
    """FC of the linear network x' = -x + g W x + noise, W the weights over their spectral radius.

    weights: (node, node), row receives from column, >= 0.
    coupling: g, 0 <= g < 1: the network is stable.
    Returns (node, node), the correlations of the stationary covariance C, which solves A C + C A^T + Q = 0 with
    A = -1 + g W and Q the identity: white noise, independent and equal in all nodes.
    Source: Galán (2008), On how network architecture determines the dominant patterns of spontaneous neural activity,
    PLoS ONE 3:e2148.
    """
    return _linear_network(_matrix(weights))(coupling)


def heat_kernel_fc(weights: npt.ArrayLike, time: float) -> FloatArray:
    """FC by network diffusion, exp(-t L), L = 1 - D^-1/2 W D^-1/2 the normalised Laplacian of the symmetric part.

    weights: (node, node), >= 0; every node connected.
    time: beta t of the source, >= 0, dimensionless.
    Returns (node, node). Its diagonal is not 1: only the pattern off it is a prediction.
    Source: Abdelnour, Voss, Raj (2014), Network diffusion accurately models the relationship between structural and
    functional brain connectivity networks, NeuroImage 90:335-347.
    """
    return _heat_kernel(_matrix(weights))(time)


def best_linear_diffusion(weights: npt.ArrayLike, fc: npt.ArrayLike, couplings: npt.ArrayLike = COUPLINGS) -> LinearFit:
    """The correlation with `fc` of the best `linear_fc`, over g = 0.01, 0.02, ..., 0.99; the parameter is g.

    fc: (node, node), measured; the diagonal is not compared.
    """
    matrix, measured = _pair(weights, fc)
    return _best(_linear_network(matrix), measured, couplings)


def best_heat_kernel(weights: npt.ArrayLike, fc: npt.ArrayLike, times: npt.ArrayLike = TIMES) -> LinearFit:
    """The correlation with `fc` of the best `heat_kernel_fc`, over 81 times from 0.01 to 100; the parameter is time."""
    matrix, measured = _pair(weights, fc)
    return _best(_heat_kernel(matrix), measured, times)


def diffusive_fc(weights: npt.ArrayLike, coupling: float) -> FloatArray:
    """FC of the diffusive network x' = -x - b L x + noise, L = D - W the Laplacian of the symmetric part.

    weights: (node, node), >= 0; they count over their spectral radius. coupling: b >= 0: always stable.
    Returns (node, node), the correlations of the stationary covariance (1 + b L)^-1 / 2 of white noise, equal in all.
    Source: as `linear_fc`, with coupling by differences.
    """
    return _diffusive_network(_matrix(weights))(coupling)


def best_diffusive_network(
    weights: npt.ArrayLike, fc: npt.ArrayLike, couplings: npt.ArrayLike = DIFFUSIVE_COUPLINGS
) -> LinearFit:
    """The correlation with `fc` of the best `diffusive_fc`, over 121 couplings from 0.01 to 1e4; the parameter is b."""
    matrix, measured = _pair(weights, fc)
    return _best(_diffusive_network(matrix), measured, couplings)


def log_weights_correlation(weights: npt.ArrayLike, fc: npt.ArrayLike) -> float:
    """Pearson correlation of log w with `fc` over the connected pairs of nodes.

    w is the mean of both directions; a pair is connected if w > 0; each pair counts once; natural logarithm (another
    base gives the same). Pairs without a connection are left out, since log 0 is no number.
    Source: Honey et al. (2009), PNAS 106:2035-2040, who compare structural and functional connectivity over pairs.
    """
    matrix, measured = _pair(weights, fc)
    lower = np.tril_indices(len(matrix), -1)
    pairs = ((matrix + matrix.T) / 2)[lower]
    connected = pairs > 0
    if connected.sum() < 3:
        raise ObservableError(f"at least 3 connected pairs are needed for a correlation, but got {connected.sum()}")
    return _correlation(np.log(pairs[connected]), measured[lower][connected])


def _linear_network(matrix: FloatArray) -> Callable[[float], FloatArray]:
    n = len(matrix)
    symmetric = np.array_equal(matrix, matrix.T)
    if symmetric:
        values, vectors = np.linalg.eigh(matrix)
    else:
        values, vectors = np.linalg.eigvals(matrix), matrix
    radius = float(np.abs(values).max())
    if radius <= 0:
        raise ObservableError("the weights must have a spectral radius > 0, but theirs is 0: no loop connects nodes")

    def fc(coupling: float) -> FloatArray:
        if not 0 <= coupling < 1:
            raise ObservableError(f"0 <= coupling < 1 must hold for a stable network, but got {coupling!r}")
        if symmetric:  # C = (1 - g W)^-1 / 2; one decomposition serves all g
            covariance = (vectors / (2 * (1 - coupling * values / radius))) @ vectors.T
        else:
            covariance = solve_continuous_lyapunov(-np.eye(n) + coupling * matrix / radius, -np.eye(n))
        deviation = np.sqrt(np.diagonal(covariance))
        return np.asarray(covariance / deviation[:, None] / deviation, dtype=np.float64)

    return fc


def _diffusive_network(matrix: FloatArray) -> Callable[[float], FloatArray]:
    symmetric = (matrix + matrix.T) / 2
    radius = float(np.abs(np.linalg.eigvalsh(symmetric)).max())
    if radius <= 0:
        raise ObservableError(
            "the weights must have a spectral radius > 0, but theirs is 0: nothing connects the nodes"
        )
    values, vectors = np.linalg.eigh((np.diag(symmetric.sum(axis=1)) - symmetric) / radius)

    def fc(coupling: float) -> FloatArray:
        if not 0 <= coupling < np.inf:
            raise ObservableError(f"0 <= coupling < infinity must hold, but got {coupling!r}")
        covariance = (vectors / (2 * (1 + coupling * values))) @ vectors.T
        deviation = np.sqrt(np.diagonal(covariance))
        return np.asarray(covariance / deviation[:, None] / deviation, dtype=np.float64)

    return fc


def _heat_kernel(matrix: FloatArray) -> Callable[[float], FloatArray]:
    symmetric = (matrix + matrix.T) / 2
    degree = symmetric.sum(axis=1)
    if (degree <= 0).any():
        node = int(np.argmin(degree))
        raise ObservableError(f"every node must have a connection for diffusion, but node {node} has none: drop it")
    values, vectors = np.linalg.eigh(np.eye(len(matrix)) - symmetric / np.sqrt(np.outer(degree, degree)))

    def fc(time: float) -> FloatArray:
        if not 0 <= time < np.inf:
            raise ObservableError(f"0 <= time < infinity must hold, but got {time!r}")
        return np.asarray((vectors * np.exp(-time * values)) @ vectors.T, dtype=np.float64)

    return fc


def _best(predict: Callable[[float], FloatArray], measured: FloatArray, parameters: npt.ArrayLike) -> LinearFit:
    lower = np.tril_indices(len(measured), -1)
    tried = [float(parameter) for parameter in np.ravel(np.asarray(parameters, dtype=np.float64))]
    if not tried:
        raise ObservableError("at least one parameter must be tried, but got none")
    fits = [LinearFit(_correlation(predict(each)[lower], measured[lower]), each) for each in tried]
    return max(fits)


def _pair(weights: npt.ArrayLike, fc: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    matrix, measured = _matrix(weights), np.array(fc, dtype=np.float64)
    if measured.shape != matrix.shape or len(matrix) < 3:
        raise ObservableError(
            f"weights and fc must be of the same 3 or more nodes, but have shapes {matrix.shape} and {measured.shape}"
        )
    off = ~np.eye(len(matrix), dtype=bool)
    if not np.isfinite(measured[off]).all() or not np.allclose(measured[off], measured.T[off], rtol=0, atol=1e-6):
        raise ObservableError(
            "fc must be finite and symmetric off its diagonal, but is not; average it with its transpose"
        )
    return matrix, measured


def _matrix(weights: npt.ArrayLike) -> FloatArray:
    matrix = np.array(weights, dtype=np.float64)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ObservableError(f"weights must be a square (node, node) matrix, but have shape {matrix.shape}")
    if not (np.isfinite(matrix) & (matrix >= 0)).all():
        raise ObservableError(f"weights must be finite and >= 0, but the smallest is {matrix.min()}")
    return matrix


def _correlation(a: FloatArray, b: FloatArray) -> float:
    a, b = a - a.mean(), b - b.mean()
    norm = float(np.linalg.norm(a) * np.linalg.norm(b))
    # A constant varies by rounding only.
    if norm <= 1e-14 * len(a):
        raise ObservableError("a correlation needs entries that differ, but one side is constant")
    return float(a @ b) / norm
