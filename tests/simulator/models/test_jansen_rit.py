"""The Jansen-Rit column: its equations and its alpha rhythm."""

from __future__ import annotations

import numpy as np

from l2l.simulator.models import JansenRit


def test_equations(draw, check) -> None:
    v = draw(JansenRit)
    v.y1, v.y2, v.y0 = v.y1 / 20, v.y2 / 2, v.y0 / 5  # where the sigmoids are neither 0 nor 1

    def rate(potential):
        return 2 * v.nu_max / (1 + np.exp(v.r * (v.v0 - potential)))

    C1, C2, C3, C4 = (share * v.J for share in (v.a_1, v.a_2, v.a_3, v.a_4))
    check(
        JansenRit,
        v,
        {
            "y0": v.y3,
            "y1": v.y4,
            "y2": v.y5,
            "y3": v.A * v.a * rate(v.y1 - v.y2) - 2 * v.a * v.y3 - v.a**2 * v.y0,
            "y4": v.A * v.a * (v.mu + C2 * rate(C1 * v.y0) + v.c) - 2 * v.a * v.y4 - v.a**2 * v.y1,
            "y5": v.B * v.b * C4 * rate(C3 * v.y0) - 2 * v.b * v.y5 - v.b**2 * v.y2,
        },
    )


def test_alpha_rhythm_of_the_paper(alone) -> None:
    # Jansen and Rit (1995), figure 3: C = 135, v0 = 6 mV and input of 120 to 320 a second give alpha activity.
    inputs = np.array([[0.15], [0.20], [0.25]])
    result = alone(
        JansenRit,
        4000.0,
        parameters={"v0": 6.0, "mu": inputs},
        initial=dict.fromkeys(JansenRit.state_names, 0.0) | {"y1": 1.0},
    )
    y = result.array("raw")[..., 0]
    eeg = y[:, 20000:, 1] - y[:, 20000:, 2]
    for signal in eeg:
        assert np.ptp(signal) > 2
        rises = np.flatnonzero((signal[:-1] < signal.mean()) & (signal[1:] >= signal.mean()))
        assert 8 < 1000 / (np.diff(rises).mean() * 0.1) < 12
