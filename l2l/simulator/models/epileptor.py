"""The Epileptor: seizures as bursts that a slow permittivity variable starts and ends."""

from __future__ import annotations

from l2l.simulator.model import CouplingInput, Model, Parameter, StateVariable

Epileptor = Model(
    name="Epileptor",
    description="Fast discharges (x1, y1), spike-and-wave events (x2, y2), their low-pass link g, permittivity z.",
    states=(
        StateVariable("x1", -2.0, 1.0, "1", "fast discharges, first variable"),
        StateVariable("y1", -20.0, 2.0, "1", "fast discharges, second variable"),
        StateVariable("z", 2.0, 5.0, "1", "permittivity"),
        StateVariable("x2", -2.0, 0.0, "1", "spike-and-wave events, first variable"),
        StateVariable("y2", 0.0, 2.0, "1", "spike-and-wave events, second variable"),
        StateVariable("g", -1.0, 1.0, "1", "low-pass filtered x1"),
    ),
    parameters=(
        Parameter("a", 1.0, unit="1", description="cubic term of x1"),
        Parameter("b", 3.0, unit="1", description="quadratic term of x1"),
        Parameter("c", 1.0, unit="1", description="constant term of y1"),
        Parameter("d", 5.0, unit="1", description="quadratic term of y1"),
        Parameter("r", 0.00035, 0.0, 0.001, "1/ms", "speed of the permittivity"),
        Parameter("x0", -1.6, -3.0, -1.0, "1", "epileptogenicity; seizures by themselves above about -2.05"),
        Parameter("Iext", 3.1, 1.5, 5.0, "1", "external current to x1"),
        Parameter("slope", 0.0, -16.0, 6.0, "1", "linear term of x1 during a discharge"),
        Parameter("Iext2", 0.45, 0.0, 1.0, "1", "external current to x2"),
        Parameter("tau", 10.0, unit="ms", description="time constant of y2", minimum=0.0, exclusive=True),
        Parameter("aa", 6.0, unit="1", description="linear action of x2 on y2"),
        Parameter("bb", 2.0, unit="1", description="action of g on x2"),
        Parameter("Kvf", 0.0, 0.0, 4.0, "1", "very fast coupling: from x1 to x1"),
        Parameter("Kf", 0.0, 0.0, 4.0, "1", "fast coupling: from x2 to x2"),
        Parameter("Ks", 0.0, -4.0, 4.0, "1", "slow, permittivity coupling: from x1 to z"),
        Parameter("tt", 1.0, 0.001, 10.0, "1", "speed of the whole", minimum=0.0, exclusive=True),
        Parameter("modification", 0.0, 0.0, 1.0, "1", "1: x1 acts on z by a sigmoid; 0: linearly"),
    ),
    inputs=(CouplingInput("c_1", "x1"), CouplingInput("c_2", "x2")),
    derived=(
        ("f_1", "where(x1 < 0, a*x1**2 - b*x1, x2 - slope - 0.6*(z - 4)**2)*x1"),
        ("f_2", "where(x2 < -0.25, 0, aa*(x2 + 0.25))"),
        ("h_linear", "4*(x1 - x0) + where(z < 0, -0.1*z**7, 0)"),
        # Proix et al. (2014): the permittivity of interictal and ictal states moves at different speeds.
        ("h", "where(modification, x0 + 3/(1 + exp(-(x1 + 0.5)/0.1)), h_linear)"),
    ),
    derivatives={
        # Equations (1) to (6), with the coupling of Proix et al. (2014) and fast couplings beside it.
        "x1": "tt*(y1 - f_1 - z + Iext + Kvf*c_1)",
        "y1": "tt*(c - d*x1**2 - y1)",
        "z": "tt*r*(h - z + Ks*c_1)",
        "x2": "tt*(-y2 + x2 - x2**3 + Iext2 + bb*g - 0.3*(z - 3.5) + Kf*c_2)",
        "y2": "tt*(-y2 + f_2)/tau",
        "g": "-0.01*tt*(g - 0.1*x1)",
    },
    exposed={"LFP": "x2 - x1"},
    bold="x2 - x1",
    coupling="Difference",
    source="Jirsa, Stacey, Quilichini, Ivanov, Bernard (2014), Brain 137:2210; Proix, Bartolomei, Chauvel, Bernard, "
    "Jirsa (2014), J. Neurosci. 34:15009. Parameters as in The Virtual Brain, without its s (no effect there).",
)
