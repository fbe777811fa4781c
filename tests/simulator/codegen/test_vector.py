"""The vector values of the CPU kernel: expressions in lanes mean what they mean in float64 NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from l2l.simulator import Connectome, CouplingInput, Model, Parameter, StateVariable, monitors, simulate

EXPRESSIONS = [
    "where(x > a, -1, 0.5)",  # two numbers: only the mask knows the lanes
    "where(x > a, 1, 1)",
    "where(x > a, x, 0)",
    "where(x > a and x < 2*a or not y > 0, x*y, y - x)",
    "x - y if x >= y else 3",
    "where(a > 0.5, where(x < y, 1, 2), where(x < y, 3, 4))",
    "where(a > 0.5, 2, 3)*x",
    "minimum(maximum(x, a), 0.7) - abs(y - 0.5)**3",
    "-x**2 + y**-1 + 2**x",
]


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_expressions_in_lanes_follow_the_reference(expression: str, precision: str) -> None:
    model = Model(
        name="Expression",
        states=(StateVariable("x", 0, 1), StateVariable("y", 0.1, 1)),
        parameters=(Parameter("a", 0.5),),
        inputs=(CouplingInput("c", "x"),),
        derivatives={"x": "0*c", "y": "0"},
        exposed={"z": expression},
    )
    values = {
        backend: simulate(
            model,
            Connectome(np.ones((7, 7)) - np.eye(7)),
            parameters={"a": np.linspace(0, 1, 19)[:, None]},
            duration=0.1,
            dt=0.1,
            monitors=[monitors.Raw(variables=("x", "y", "z"))],
            backend=backend,
            precision=precision,
            seed=3,
        ).array("raw")[:, 0]
        for backend in ("cpu", "reference")
    }
    # The states are drawn in the precision of the run; near a threshold float32 may fall on the other side of it.
    settled = np.isclose(values["cpu"][:, :2], values["reference"][:, :2], rtol=1e-6).all(axis=1)
    np.testing.assert_allclose(
        values["cpu"][:, 2][settled], values["reference"][:, 2][settled], rtol=1e-5 if precision == "float32" else 1e-14
    )
    assert settled.all()
