"""The two-dimensional Epileptor."""

from __future__ import annotations

import numpy as np
import pytest

from l2l.simulator.models import Epileptor2D


@pytest.mark.parametrize("modified", [False, True])
def test_equations(draw, check, modified: bool) -> None:
    v = draw(Epileptor2D, modification=float(modified))
    v.z = np.random.default_rng(0).uniform(-1, 5, v.z.shape)
    f1 = np.where(
        v.x1 < 0, v.a * v.x1**3 + (v.d - v.b) * v.x1**2, (-v.slope - 0.6 * (v.z - 4) ** 2 + v.d * v.x1) * v.x1
    )
    h = 4 * (v.x1 - v.x0) - np.where(v.z < 0, 0.1 * v.z**7, 0.0)
    if modified:
        h = v.x0 + 3 / (1 + np.exp(-10 * (v.x1 + 0.5)))
    check(
        Epileptor2D,
        v,
        {"x1": v.tt * (v.c - f1 - v.z + v.Iext + v.Kvf * v.c_1), "z": v.tt * v.r * (h - v.z + v.Ks * v.c_1)},
        1e-12,
    )


def test_rests_or_cycles_by_epileptogenicity(alone) -> None:
    result = alone(
        Epileptor2D, 30000.0, 0.1, parameters={"x0": np.array([[-1.6], [-2.4]])}, initial={"x1": -1.6, "z": 3.3}
    )
    x1 = result.array("raw")[:, 150000:, 0, 0]
    assert x1[0].max() > 0
    assert x1[0].min() < -1
    # At rest z = 4 (x1 - x0) and x1**3 + 2 x1**2 + z = 4.1.
    rest = min(r.real for r in np.roots([1, 2, 4, 4 * 2.4 - 4.1]) if abs(r.imag) < 1e-9)
    np.testing.assert_allclose(x1[1], rest, atol=1e-4)
