"""What explains measured connectivity without a neural model, shown beside the best individuals."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from l2l.observables.linear import (
    best_diffusive_network,
    best_heat_kernel,
    best_linear_diffusion,
    log_weights_correlation,
)

# Finely towards 1, where the linear network is at its best: a baseline is worth beating only if it is at its best too.
_COUPLINGS = tuple(1 - np.logspace(0, -4, 200)[1:])


def correlations_with(measured: NDArray[Any], weights: NDArray[np.float64]) -> dict[str, float]:
    """Correlation with measured FC of the weights alone and of linear models on them, each at its best parameter."""
    network, heat = best_linear_diffusion(weights, measured, _COUPLINGS), best_heat_kernel(weights, measured)
    diffusive = best_diffusive_network(weights, measured)
    return {
        "log weights": log_weights_correlation(weights, measured),
        f"best linear network with noise (g = {network.parameter:.4g})": network.correlation,
        f"best diffusive network with noise (b = {diffusive.parameter:.3g})": diffusive.correlation,
        f"best heat kernel (t = {heat.parameter:.3g})": heat.correlation,
    }
