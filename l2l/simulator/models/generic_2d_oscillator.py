"""A planar oscillator with a cubic and a freely shaped quadratic nullcline."""

from __future__ import annotations

from l2l.simulator.model import CouplingInput, Model, Parameter, StateVariable

Generic2dOscillator = Model(
    name="Generic2dOscillator",
    description="A fast variable with a cubic nullcline and a slow one with a quadratic nullcline.",
    states=(
        StateVariable("V", -2.0, 4.0, "1", "fast variable, akin to a membrane potential"),
        StateVariable("W", -6.0, 6.0, "1", "recovery variable"),
    ),
    parameters=(
        Parameter("tau", 1.0, 1.0, 5.0, "1", "separation of the time scales", minimum=0.0, exclusive=True),
        Parameter("I", 0.0, -5.0, 5.0, "1", "external current"),
        Parameter("a", -2.0, -5.0, 5.0, "1", "constant term of the slow nullcline"),
        Parameter("b", -10.0, -20.0, 15.0, "1", "linear term of the slow nullcline"),
        Parameter("c", 0.0, -10.0, 10.0, "1", "quadratic term of the slow nullcline"),
        Parameter("d", 0.02, 0.0001, 1.0, "1/ms", "speed of the whole", minimum=0.0, exclusive=True),
        Parameter("e", 3.0, -5.0, 5.0, "1", "quadratic term of the fast nullcline"),
        Parameter("f", 1.0, -5.0, 5.0, "1", "cubic term of the fast nullcline"),
        Parameter("g", 0.0, -5.0, 5.0, "1", "linear term of the fast nullcline"),
        Parameter("alpha", 1.0, -5.0, 5.0, "1", "action of the slow variable on the fast one"),
        Parameter("beta", 1.0, -5.0, 5.0, "1", "action of the slow variable on itself"),
        Parameter("gamma", 1.0, -1.0, 1.0, "1", "scale of the external current and of the coupling"),
    ),
    inputs=(CouplingInput("c_V", "V"),),
    derivatives={
        "V": "d*tau*(alpha*W - f*V**3 + e*V**2 + g*V + gamma*I + gamma*c_V)",
        "W": "d/tau*(a + b*V + c*V**2 - beta*W)",
    },
    bold="V",
    source="Sanz-Leon, Knock, Spiegler, Jirsa (2015), NeuroImage 111:385. Parameters as in The Virtual Brain.",
)
