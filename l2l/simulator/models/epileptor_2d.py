"""The Epileptor on its slow time scale."""

from __future__ import annotations

from l2l.simulator.model import CouplingInput, Model, Parameter, StateVariable

Epileptor2D = Model(
    name="Epileptor2D",
    description="The Epileptor after averaging: onset and offset of seizures without the discharges in between.",
    states=(
        StateVariable("x1", -2.0, 1.0, "1", "level of the fast discharges"),
        StateVariable("z", 2.0, 5.0, "1", "permittivity"),
    ),
    parameters=(
        Parameter("a", 1.0, unit="1", description="cubic term of x1"),
        Parameter("b", 3.0, unit="1", description="quadratic term of x1"),
        Parameter("c", 1.0, unit="1", description="constant term of the eliminated y1"),
        Parameter("d", 5.0, unit="1", description="quadratic term of the eliminated y1"),
        Parameter("r", 0.00035, 0.0, 0.001, "1/ms", "speed of the permittivity"),
        Parameter("x0", -1.6, -3.0, -1.0, "1", "epileptogenicity; seizures by themselves above about -2.05"),
        Parameter("Iext", 3.1, 1.5, 5.0, "1", "external current to x1"),
        Parameter("slope", 0.0, -16.0, 6.0, "1", "linear term of x1 during a discharge"),
        Parameter("Kvf", 0.0, 0.0, 4.0, "1", "very fast coupling: from x1 to x1"),
        Parameter("Ks", 0.0, -4.0, 4.0, "1", "slow, permittivity coupling: from x1 to z"),
        Parameter("tt", 1.0, 0.001, 1.0, "1", "speed of the whole", minimum=0.0, exclusive=True),
        Parameter("modification", 0.0, 0.0, 1.0, "1", "1: x1 acts on z by a sigmoid; 0: linearly"),
    ),
    inputs=(CouplingInput("c_1", "x1"),),
    derived=(
        # y1 has settled at c - d*x1**2; x2 is taken as 0.
        ("f_1", "where(x1 < 0, a*x1**2 + (d - b)*x1, -slope - 0.6*(z - 4)**2 + d*x1)*x1"),
        ("h_linear", "4*(x1 - x0) + where(z < 0, -0.1*z**7, 0)"),
        ("h", "where(modification, x0 + 3/(1 + exp(-(x1 + 0.5)/0.1)), h_linear)"),
    ),
    derivatives={
        "x1": "tt*(c - f_1 - z + Iext + Kvf*c_1)",
        "z": "tt*r*(h - z + Ks*c_1)",
    },
    bold="x1",
    coupling="Difference",
    source="Proix, Bartolomei, Chauvel, Bernard, Jirsa (2014), J. Neurosci. 34:15009; Proix, Bartolomei, Guye, Jirsa "
    "(2017), Brain 140:641. Parameters as in The Virtual Brain.",
)
