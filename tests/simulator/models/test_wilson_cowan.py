"""The Wilson-Cowan model: its equations, its rest state, its oscillation."""

from __future__ import annotations

import numpy as np
import pytest

from l2l.simulator.models import WilsonCowan


@pytest.mark.parametrize("shifted", [True, False])
def test_equations(draw, check, shifted: bool) -> None:
    v = draw(WilsonCowan, shift_sigmoid=float(shifted))

    def response(x, a, b, c):
        at_rest = 1 / (1 + np.exp(a * b)) if shifted else 0.0
        return c * (1 / (1 + np.exp(-a * (x - b))) - at_rest)

    x_e = v.alpha_e * (v.c_ee * v.E - v.c_ei * v.I + v.P - v.theta_e + v.c)
    x_i = v.alpha_i * (v.c_ie * v.E - v.c_ii * v.I + v.Q - v.theta_i)
    dE = (-v.E + (v.k_e - v.r_e * v.E) * response(x_e, v.a_e, v.b_e, v.c_e)) / v.tau_e
    dI = (-v.I + (v.k_i - v.r_i * v.I) * response(x_i, v.a_i, v.b_i, v.c_i)) / v.tau_i
    check(WilsonCowan, v, {"E": dE, "I": dI})


def test_without_input_rest_is_at_zero_and_stable(alone) -> None:
    result = alone(WilsonCowan, 500.0, initial={"E": 0.05, "I": 0.05})
    np.testing.assert_allclose(result.array("raw")[0, -1], 0, atol=1e-6)
    still = alone(WilsonCowan, 10.0, initial={"E": 0.0, "I": 0.0})
    assert (still.array("raw") == 0).all()


def test_oscillates_in_the_beta_band_with_the_values_of_daffertshofer_and_van_wijk(alone) -> None:
    # Front. Neuroinform. 5:6 (2011), figure A1, with the time constant that Sanz-Leon et al. chose.
    values = {
        "c_ee": 10.0, "c_ei": 6.0, "c_ie": 10.0, "c_ii": 1.0, "a_e": 1.0, "a_i": 1.0, "b_e": 0.0, "b_i": 0.0,
        "theta_e": 2.0, "theta_i": 3.5, "alpha_e": 1.2, "alpha_i": 2.0, "P": 0.5, "Q": 0.0, "r_e": 0.0, "r_i": 0.0,
        "shift_sigmoid": 0.0,
    }  # fmt: skip
    E = alone(WilsonCowan, 2000.0, parameters=values, initial={"E": 0.2, "I": 0.1}).array("raw")[0, 10000:, 0, 0]
    assert np.ptp(E) > 0.1
    rises = np.flatnonzero((E[:-1] < E.mean()) & (E[1:] >= E.mean()))
    frequency = 1000 / (np.diff(rises).mean() * 0.1)
    assert 15 < frequency < 25
