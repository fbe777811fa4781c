"""The Epileptor: its equations, and seizures by epileptogenicity."""

from __future__ import annotations

import numpy as np
import pytest

from l2l.simulator import monitors
from l2l.simulator.models import Epileptor


@pytest.mark.parametrize("modified", [False, True])
def test_equations(draw, check, modified: bool) -> None:
    v = draw(Epileptor, modification=float(modified))
    v.z = np.random.default_rng(0).uniform(-1, 5, v.z.shape)  # also where z < 0
    f1 = np.where(v.x1 < 0, v.a * v.x1**3 - v.b * v.x1**2, (v.x2 - v.slope - 0.6 * (v.z - 4) ** 2) * v.x1)
    f2 = np.where(v.x2 < -0.25, 0.0, v.aa * (v.x2 + 0.25))
    h = 4 * (v.x1 - v.x0) - np.where(v.z < 0, 0.1 * v.z**7, 0.0)
    if modified:
        h = v.x0 + 3 / (1 + np.exp(-10 * (v.x1 + 0.5)))
    check(
        Epileptor,
        v,
        {
            "x1": v.tt * (v.y1 - f1 - v.z + v.Iext + v.Kvf * v.c_1),
            "y1": v.tt * (v.c - v.d * v.x1**2 - v.y1),
            "z": v.tt * v.r * (h - v.z + v.Ks * v.c_1),
            "x2": v.tt * (-v.y2 + v.x2 - v.x2**3 + v.Iext2 + v.bb * v.g - 0.3 * (v.z - 3.5) + v.Kf * v.c_2),
            "y2": v.tt * (-v.y2 + f2) / v.tau,
            "g": v.tt * -0.01 * (v.g - 0.1 * v.x1),
        },
        1e-12,
    )


def test_seizes_by_itself_only_above_the_critical_epileptogenicity(alone) -> None:
    # Jirsa et al. (2014): x0 = -1.6 seizes again and again, x0 below -2.05 rests.
    result = alone(
        Epileptor, 10000.0, 0.05, parameters={"x0": np.array([[-1.6], [-2.4]])}, monitors=[monitors.Raw(period=1.0)],
        initial={"x1": -1.6, "y1": -12.0, "z": 3.3, "x2": -1.0, "y2": 0.0, "g": -0.15},
    )  # fmt: skip
    x1 = result.array("raw")[:, :, 0, 0]
    onsets = [np.sum((x[:-1] < 0) & (x[1:] >= 0)) for x in x1]
    assert onsets[0] > 5
    assert onsets[1] == 0
    # At rest y1 = 1 - 5 x1**2, z = 4 (x1 - x0) and x1**3 + 2 x1**2 + z = 4.1.
    rest = min(r.real for r in np.roots([1, 2, 4, 4 * 2.4 - 4.1]) if abs(r.imag) < 1e-9)
    assert x1[1, -1] == pytest.approx(rest, abs=1e-3)  # z still settles, at a rate of 1/2900 ms
