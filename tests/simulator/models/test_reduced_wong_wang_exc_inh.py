"""The two-population reduced Wong-Wang model."""

from __future__ import annotations

import numpy as np

from l2l.simulator import monitors
from l2l.simulator.models import ReducedWongWangExcInh


def test_equations(draw, check) -> None:
    v = draw(ReducedWongWangExcInh, lamda=0.3)
    network = v.G * v.J_N * v.c
    u_e = v.a_e * (v.w_p * v.J_N * v.S_e - v.J_i * v.S_i + v.W_e * v.I_o + network + v.I_ext) - v.b_e
    u_i = v.a_i * (v.J_N * v.S_e - v.S_i + v.W_i * v.I_o + 0.3 * network) - v.b_i
    H_e, H_i = u_e / (1 - np.exp(-v.d_e * u_e)), u_i / (1 - np.exp(-v.d_i * u_i))
    check(
        ReducedWongWangExcInh,
        v,
        {"S_e": -v.S_e / v.tau_e + (1 - v.S_e) * H_e * v.gamma_e, "S_i": -v.S_i / v.tau_i + H_i * v.gamma_i},
        1e-11,
    )


def test_an_isolated_node_fires_at_some_3_hz(alone) -> None:
    # Deco et al. (2014): parameters were chosen so that an isolated node fires at about 3 Hz.
    result = alone(
        ReducedWongWangExcInh, 5000.0, 0.5, initial={"S_e": 0.001, "S_i": 0.001},
        monitors=[monitors.Raw(("H_e", "H_i"), period=500.0)],
    )  # fmt: skip
    excitatory, inhibitory = result.array("raw")[0, -1, :, 0]
    assert 2.5 < excitatory < 3.6
    assert 2.5 < inhibitory < 6
