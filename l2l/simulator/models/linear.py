"""Linear relaxation towards the input."""

from __future__ import annotations

from l2l.simulator.model import CouplingInput, Model, Parameter, StateVariable

Linear = Model(
    name="Linear",
    description="Exponential relaxation driven by the network; with noise an Ornstein-Uhlenbeck process.",
    states=(StateVariable("x", -1.0, 1.0, "1", "activity"),),
    parameters=(
        Parameter("gamma", -10.0, -100.0, 0.0, "1/ms", "damping; more negative than the in-strength is positive"),
    ),
    inputs=(CouplingInput("c", "x"),),
    derivatives={"x": "gamma*x + c"},
    bold="x",
    source="Galán (2008), PLoS ONE 3:e2148. Parameter as in The Virtual Brain.",
)
