"""The normal form of a supercritical Hopf bifurcation."""

from __future__ import annotations

from l2l.simulator.model import CouplingInput, Model, Parameter, StateVariable

SupHopf = Model(
    name="SupHopf",
    description="Stuart-Landau oscillator: damped for a < 0, on a circle of radius sqrt(a) for a > 0.",
    states=(
        StateVariable("x", -5.0, 5.0, "1", "real part"),
        StateVariable("y", -5.0, 5.0, "1", "imaginary part"),
    ),
    parameters=(
        Parameter("a", -0.5, -10.0, 10.0, "1/ms", "distance from the bifurcation"),
        Parameter("omega", 1.0, 0.05, 630.0, "rad/ms", "angular frequency"),
    ),
    inputs=(CouplingInput("c_x", "x"), CouplingInput("c_y", "y")),
    derived=(("growth", "a - x**2 - y**2"),),
    derivatives={
        "x": "growth*x - omega*y + c_x",
        "y": "growth*y + omega*x + c_y",
    },
    bold="x",
    source="Kuznetsov (1998), Elements of Applied Bifurcation Theory, section 3.4; Deco, Kringelbach, Jirsa, Ritter "
    "(2017), Sci. Rep. 7:3095. Parameters as in The Virtual Brain.",
)
