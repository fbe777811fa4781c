"""The FitzHugh-Nagumo oscillator."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from l2l.simulator.models import FitzHughNagumo


def test_equations(draw, check) -> None:
    shape = {p.name: p.default for p in FitzHughNagumo.parameters} | {"c_V": 0.3}
    v = draw(FitzHughNagumo, **shape)
    # Ghosh et al. (2008), in units of 10 ms, with input -c.
    tau, alpha, beta = 1.25, 1.05, 0.2
    dV = 0.1 * tau * (v.W + v.V - v.V**3 / 3 - v.c_V)
    dW = -0.1 / tau * (v.V - alpha + beta * v.W)
    check(FitzHughNagumo, v, {"V": dV, "W": dW})


def test_near_its_oscillation(quantities) -> None:
    """The rest state is stable, just before the Hopf bifurcation, with a frequency of the order of 10 Hz."""
    parameters = {p.name: p.default for p in FitzHughNagumo.parameters} | {"c_V": 0.0}
    # V - V**3/3 + W = 0 and V - 1.05 + 0.2 W = 0.
    [V] = [r.real for r in np.roots([1 / 15, 0, 0.8, -1.05]) if abs(r.imag) < 1e-9]
    rest = SimpleNamespace(V=np.array([V]), W=np.array([V**3 / 3 - V]), **parameters)
    found = quantities(FitzHughNagumo, rest)
    np.testing.assert_allclose([found["dV"], found["dW"]], 0, atol=1e-12)
    h = 1e-6
    columns = []
    for name in "VW":
        moved = SimpleNamespace(**{**vars(rest), name: getattr(rest, name) + h})
        columns.append([(quantities(FitzHughNagumo, moved)[f"d{n}"][0] - found[f"d{n}"][0]) / h for n in "VW"])
    eigenvalue = np.linalg.eigvals(np.array(columns).T)[0]
    assert -0.1 < eigenvalue.real < 0
    assert 8 < abs(eigenvalue.imag) / (2 * np.pi) * 1000 < 17
