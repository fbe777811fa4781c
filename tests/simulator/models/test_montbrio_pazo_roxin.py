"""The QIF mean field: its equations and its bistable region."""

from __future__ import annotations

import numpy as np

from l2l.simulator.models import MontbrioPazoRoxin


def test_equations(draw, check) -> None:
    v = draw(MontbrioPazoRoxin)
    dr = (v.Delta / (np.pi * v.tau) + 2 * v.V * v.r + v.Gamma * v.r / np.pi) / v.tau
    dV = (v.V**2 - (np.pi * v.tau * v.r) ** 2 + v.eta + v.J * v.tau * v.r + v.I + v.cr * v.c_r + v.cv * v.c_V) / v.tau
    check(MontbrioPazoRoxin, v, {"r": dr, "V": dV})


def test_bistable_where_the_paper_says_and_only_there(alone) -> None:
    # Delta = 1, J = 15 (figure 1): rest states obey V = -1/(2 pi r) and V**2 + eta + J r = (pi r)**2.
    for eta, count in ((-10.0, 1), (-5.0, 2), (0.0, 1)):
        roots = np.roots([-(np.pi**2), 15.0, eta, 0.0, 1 / (2 * np.pi) ** 2])
        rests = sorted(r.real for r in roots if abs(r.imag) < 1e-9 and r.real > 0)
        stable = rests[::2]  # a saddle lies between two of them
        result = alone(
            MontbrioPazoRoxin, 200.0, 0.01, parameters={"eta": eta},
            initial={"r": np.array([[0.01], [1.5]]), "V": np.array([[-2.0], [0.0]])},
        )  # fmt: skip
        ends = np.unique(np.round(result.final["r"][:, 0], 6))
        assert len(ends) == len(stable) == count
        np.testing.assert_allclose(ends, stable, atol=1e-6)
