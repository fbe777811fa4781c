from __future__ import annotations

import numpy as np
import pytest

from l2l.errors import ObservableError, SimulationError
from l2l.observables.bold import bold
from l2l.simulator.balloon import FRISTON2003, HEINZLE2016_3T, STEPHAN2007, Balloon, signal_weights


def test_rest_is_silence() -> None:
    np.testing.assert_array_equal(bold(np.zeros((1000, 2)), dt=1.0, tr=100.0), np.zeros((10, 2)))


@pytest.mark.parametrize("constants", [FRISTON2003, STEPHAN2007, HEINZLE2016_3T])
def test_steady_state_under_constant_input(constants: object) -> None:
    """x = 0, f = 1 + z/gamma, v = f**alpha, q = v f**-1 ... solved by hand from the equations at rest."""
    c = constants
    z = 0.3
    f = 1 + z / c.gamma  # type: ignore[attr-defined]
    v = f**c.alpha  # type: ignore[attr-defined]
    q = f * (1 - (1 - c.rho) ** (1 / f)) / c.rho * v / v ** (1 / c.alpha)  # type: ignore[attr-defined]
    expected = c.V0 * (c.k1 * (1 - q) + c.k2 * (1 - q / v) + c.k3 * (1 - v))  # type: ignore[attr-defined]
    found = bold(np.full((40_000, 1), z), dt=2.0, tr=80_000.0, constants=c)  # type: ignore[arg-type]
    assert found[0, 0] == pytest.approx(expected, rel=1e-6)


def test_first_order_in_the_step() -> None:
    t = np.arange(1, 20_001) / 1000
    z = (0.5 + 0.5 * np.sin(t))[:, None]
    fine, half, coarse = (bold(z[k - 1 :: k], dt=float(k), tr=1000.0) for k in (1, 5, 10))
    # Errors against the finest step: (10 - 1)/(5 - 1)
    assert np.abs(coarse - fine).max() / np.abs(half - fine).max() == pytest.approx(9 / 4, rel=0.1)


def test_skip_and_batches() -> None:
    z = np.random.default_rng(0).random((2, 3000, 4))
    whole = bold(z, dt=1.0, tr=500.0)
    assert whole.shape == (2, 6, 4)
    np.testing.assert_array_equal(bold(z[1], dt=1.0, tr=500.0, skip=1000.0), whole[1, 2:])


def test_small_signals_are_linear_in_the_weights() -> None:
    """For small inputs dq = (1 + (1 - rho) log(1 - rho)/rho) df + (1 - 1/alpha) dv, dv = alpha df, df = z/gamma."""
    c, z = STEPHAN2007, 1e-6
    df = z / c.gamma
    dv = c.alpha * df
    dq = (1 + (1 - c.rho) * np.log(1 - c.rho) / c.rho) * df + (1 - 1 / c.alpha) * dv
    expected = c.V0 * (-c.k1 * dq + c.k2 * (dv - dq) - c.k3 * dv)
    found = bold(np.full((60_000, 1), z), dt=2.0, tr=120_000.0, constants=c)
    # Of second order in df = 2.4e-6; and of 1 the signal is 1e-6.
    assert found[0, 0] == pytest.approx(expected, rel=1e-4)


def test_signal_weights() -> None:
    """By hand for 1.5 tesla, TE 40 ms: 4.3*40.3*0.4*0.04, 25*0.4*0.04."""
    assert signal_weights(0.4, 0.04, 40.3, 25.0, 1.0) == pytest.approx((2.77264, 0.4, 0.0))
    assert signal_weights(0.4, 0.04, 40.3, 25.0, 0.5) == pytest.approx((2.77264, 0.2, 0.5))


def test_impossible_constants_are_refused() -> None:
    good = dict.fromkeys(("kappa", "gamma", "tau", "alpha", "V0", "k1", "k2", "k3"), 1.0) | {"rho": 0.4}
    Balloon(**good)
    for name, value, law in (("tau", 0.0, "tau > 0"), ("rho", 1.0, "0 < rho < 1"), ("k1", np.nan, "k1 .* finite")):
        with pytest.raises(SimulationError, match=law):
            Balloon(**{**good, name: value})


def test_bad_input() -> None:
    with pytest.raises(ObservableError, match="multiple of dt"):
        bold(np.zeros((10, 1)), dt=1.0, tr=1.5)
    with pytest.raises(ObservableError, match="at least one volume"):
        bold(np.zeros((10, 1)), dt=1.0, tr=20.0)
    with pytest.raises(ObservableError, match="time, node"):
        bold(np.zeros(10), dt=1.0, tr=2.0)
