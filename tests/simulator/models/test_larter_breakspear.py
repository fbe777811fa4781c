"""The Larter-Breakspear model: its equations and its route to chaos."""

from __future__ import annotations

import numpy as np

from l2l.simulator.models import LarterBreakspear


def test_equations(draw, check) -> None:
    v = draw(LarterBreakspear)

    def open_share(potential, threshold, spread):
        return 0.5 * (1 + np.tanh((potential - threshold) / spread))

    m_Ca, m_Na, m_K = (
        open_share(v.V, t, d) for t, d in ((v.TCa, v.d_Ca), (v.TNa, v.d_Na), (v.TK, v.d_K))
    )  # fmt: skip
    Q_V, Q_Z = v.QV_max * open_share(v.V, v.VT, v.d_V), v.QZ_max * open_share(v.Z, v.ZT, v.d_Z)
    calcium = v.gCa + (1 - v.C) * v.rNMDA * v.aee * Q_V + v.C * v.rNMDA * v.aee * v.c
    sodium = v.gNa * m_Na + (1 - v.C) * v.aee * Q_V + v.C * v.aee * v.c
    dV = (
        -calcium * m_Ca * (v.V - v.VCa)
        - v.gK * v.W * (v.V - v.VK)
        - v.gL * (v.V - v.VL)
        - sodium * (v.V - v.VNa)
        - v.aie * v.Z * Q_Z
        + v.ane * v.Iext
    )
    dW = v.phi * (m_K - v.W) / v.tau_K
    dZ = v.b * (v.ani * v.Iext + v.aei * v.V * Q_V)
    check(LarterBreakspear, v, {"V": v.t_scale * dV, "W": v.t_scale * dW, "Z": v.t_scale * dZ}, 1e-12)


def test_the_spread_of_thresholds_takes_it_from_rest_to_oscillation(alone) -> None:
    # Breakspear, Terry, Friston (2003): an isolated column rests below a spread of 0.55, cycles from there to 0.59 and
    # is chaotic above.
    result = alone(
        LarterBreakspear, 5000.0, parameters={"d_V": np.array([[0.54], [0.57], [0.65]]), "C": 0.0, "gCa": 1.0},
        initial={"V": 0.0, "W": 0.0, "Z": 0.0},
    )  # fmt: skip
    V = result.array("raw")[:, 40000:, 0, 0]
    assert np.ptp(V[0]) < 1e-6
    assert 0.01 < np.ptp(V[1]) < 0.2
    assert np.ptp(V[2]) > 0.5
