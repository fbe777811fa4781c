"""The linear baselines against closed forms and a simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import expm, solve_continuous_lyapunov

from l2l.errors import ObservableError
from l2l.observables.linear import (
    best_diffusive_network,
    best_heat_kernel,
    best_linear_diffusion,
    diffusive_fc,
    heat_kernel_fc,
    linear_fc,
    log_weights_correlation,
)

PAIR = np.array([[0.0, 2.0], [2.0, 0.0]])


def random_weights(seed: int, n: int = 12, symmetric: bool = True) -> np.ndarray:
    weights = np.random.default_rng(seed).lognormal(size=(n, n)) * (1 - np.eye(n))
    return (weights + weights.T) / 2 if symmetric else weights


@given(st.floats(0.0, 0.999))
def test_two_coupled_nodes_correlate_by_the_coupling(g: float) -> None:
    # C = (1 - g W)^-1 / 2 with W = [[0, 1], [1, 0]]: C_01 / C_00 = g.
    assert linear_fc(PAIR, g)[0, 1] == pytest.approx(g, abs=1e-12)


def test_one_way_coupling_has_its_closed_form() -> None:
    # 0 <- 1 <- 2 <- 0: all nodes have one variance c0, all pairs one covariance c1.
    ring = np.roll(np.eye(3), 1, axis=1)
    g = 0.6
    fc = linear_fc(ring, g)
    # -2 c0 + 2 g c1 + 1 = 0 and -2 c1 + g (c0 + c1) = 0: c1 / c0 = g / (2 - g).
    assert fc[0, 1] == pytest.approx(g / (2 - g), rel=1e-12)
    assert np.allclose(fc, fc.T, atol=1e-14)


@given(st.integers(0, 10**6), st.floats(0.05, 0.95))
def test_symmetric_and_general_solutions_agree(seed: int, g: float) -> None:
    weights = random_weights(seed)
    nudged = weights.copy()
    nudged[0, 1] *= 1 + 1e-12  # no longer symmetric, so the Lyapunov equation is solved
    assert np.allclose(linear_fc(weights, g), linear_fc(nudged, g), atol=1e-8)


def test_a_simulation_of_the_network_has_its_correlations() -> None:
    weights, g, dt = random_weights(5, n=4, symmetric=False), 0.7, 0.02
    step = expm(dt * (-np.eye(4) + g * weights / np.abs(np.linalg.eigvals(weights)).max()))
    generator = np.random.default_rng(1)
    x, total = np.zeros((2000, 4)), np.zeros((4, 4))
    for i in range(3000):
        x = x @ step.T + np.sqrt(dt) * generator.standard_normal(x.shape)
        if i >= 1000 and i % 100 == 0:
            total += x.T @ x
    deviation = np.sqrt(np.diagonal(total))
    # 2000 runs at 20 nearly independent times: the standard error of a correlation is below 0.006.
    assert np.allclose(total / deviation[:, None] / deviation, linear_fc(weights, g), atol=0.025)


@pytest.mark.parametrize("b", [0.0, 0.3, 20.0])
def test_the_diffusive_network_solves_its_lyapunov_equation(b: float) -> None:
    weights = np.random.default_rng(4).random((6, 6))
    weights += weights.T
    np.fill_diagonal(weights, 0)
    scaled = weights / np.abs(np.linalg.eigvalsh(weights)).max()
    drift = -np.eye(6) - b * (np.diag(scaled.sum(axis=1)) - scaled)
    covariance = solve_continuous_lyapunov(drift, -np.eye(6))
    deviation = np.sqrt(np.diagonal(covariance))
    found = diffusive_fc(weights, b)
    assert best_diffusive_network(weights, diffusive_fc(weights, 1.0)).correlation > 1 - 1e-12  # 1.0 is on its grid
    np.testing.assert_allclose(found, covariance / np.outer(deviation, deviation), atol=1e-12)


@given(st.integers(0, 10**6), st.floats(0.0, 20.0))
def test_the_heat_kernel_is_the_matrix_exponential(seed: int, t: float) -> None:
    weights = random_weights(seed)
    degree = weights.sum(axis=1)
    laplacian = np.eye(12) - weights / np.sqrt(np.outer(degree, degree))
    assert np.allclose(heat_kernel_fc(weights, t), expm(-t * laplacian), atol=1e-10)


def test_the_best_finds_what_made_the_fc() -> None:
    weights = random_weights(3)
    fit = best_linear_diffusion(weights, linear_fc(weights, 0.37))
    assert fit.parameter == pytest.approx(0.37)
    assert fit.correlation == pytest.approx(1.0, abs=1e-12)
    heat = best_heat_kernel(weights, heat_kernel_fc(weights, 1.0))
    assert heat == pytest.approx((1.0, 1.0))
    assert best_linear_diffusion(7 * weights, linear_fc(weights, 0.37)) == pytest.approx(fit)  # scale does not matter


def test_log_weights_over_connected_pairs() -> None:
    weights = random_weights(4)
    fc = 0.1 * np.log(weights + np.eye(12))
    weights[2, 5] = weights[5, 2] = 0.0  # not connected: not compared
    fc[2, 5] = fc[5, 2] = 0.9
    assert log_weights_correlation(weights, fc) == pytest.approx(1.0, abs=1e-12)
    one_way = 2 * np.triu(weights)  # the mean of both directions is compared
    assert log_weights_correlation(one_way, fc) == pytest.approx(1.0, abs=1e-12)


def test_bad_input_is_refused() -> None:
    weights, fc = random_weights(0), linear_fc(random_weights(0), 0.5)
    holes, lame = fc.copy(), fc.copy()
    holes[0, 1] = np.nan
    lame[0, 1] = -1.0
    cases = (
        (lambda: linear_fc(weights, 1.0), "0 <= coupling < 1"),
        (lambda: linear_fc(np.zeros((3, 3)), 0.5), "spectral radius > 0"),
        (lambda: linear_fc(weights[:3], 0.5), "square"),
        (lambda: linear_fc(-weights, 0.5), ">= 0"),
        (lambda: heat_kernel_fc(weights, -1.0), "0 <= time"),
        (lambda: heat_kernel_fc(np.zeros((3, 3)), 1.0), "node 0 has none"),
        (lambda: best_linear_diffusion(weights, fc[:5, :5]), "same 3 or more nodes"),
        (lambda: best_linear_diffusion(weights, holes), "finite and symmetric"),
        (lambda: best_linear_diffusion(weights, lame), "finite and symmetric"),
        (lambda: best_linear_diffusion(weights, np.ones_like(fc)), "constant"),
        (lambda: best_linear_diffusion(weights, fc, []), "at least one parameter"),
        (lambda: log_weights_correlation(np.zeros_like(fc), fc), "3 connected pairs"),
    )
    for call, message in cases:
        with pytest.raises(ObservableError, match=message):
            call()
