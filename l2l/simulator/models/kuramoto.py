"""Phase oscillators."""

from __future__ import annotations

import math

from l2l.simulator.model import CouplingInput, Model, Parameter, StateVariable

Kuramoto = Model(
    name="Kuramoto",
    description="Phase of a limit-cycle oscillator that the others pull forwards or back.",
    states=(StateVariable("theta", 0.0, 2 * math.pi, "rad", "phase; it grows without bound and is not wrapped"),),
    parameters=(Parameter("omega", 1.0, 0.01, 200.0, "rad/ms", "natural angular frequency"),),
    # Sent through coupling.Kuramoto, it arrives as a sum of sin(theta_j - theta_i).
    inputs=(CouplingInput("c", "theta"),),
    derivatives={"theta": "omega + c"},
    exposed={"x": "cos(theta)", "y": "sin(theta)"},
    bold="sin(theta)",
    coupling="Kuramoto",
    source="Kuramoto (1975), Lect. Notes Phys. 39:420; Cabral, Hugues, Sporns, Deco (2011), NeuroImage 57:130.",
)
