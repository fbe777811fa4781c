"""The exact mean field of quadratic integrate-and-fire neurons."""

from __future__ import annotations

import math

from l2l.simulator.model import CouplingInput, Model, Parameter, StateVariable

MontbrioPazoRoxin = Model(
    name="MontbrioPazoRoxin",
    description="Firing rate and mean membrane potential of an infinite population of heterogeneous QIF neurons.",
    states=(
        StateVariable("r", 0.0, 2.0, "1/ms", "firing rate", lower=0.0),
        StateVariable("V", -2.0, 1.5, "mV", "mean membrane potential"),
    ),
    parameters=(
        Parameter("tau", 1.0, 0.001, 15.0, "ms", "characteristic time", minimum=0.0, exclusive=True),
        Parameter("I", 0.0, -10.0, 10.0, "1", "external current"),
        Parameter("Delta", 1.0, 0.0, 10.0, "1", "half-width of the excitability distribution", minimum=0.0),
        Parameter("J", 15.0, -25.0, 25.0, "mV", "mean synaptic weight"),
        Parameter("eta", -5.0, -10.0, 10.0, "1", "centre of the excitability distribution"),
        Parameter("Gamma", 0.0, 0.0, 10.0, "1", "half-width of the synaptic weight distribution", minimum=0.0),
        Parameter("cr", 1.0, 0.0, 1.0, "1", "weight of coupling through r"),
        Parameter("cv", 0.0, 0.0, 1.0, "1", "weight of coupling through V"),
    ),
    inputs=(CouplingInput("c_r", "r"), CouplingInput("c_V", "V")),
    derivatives={
        # Equation (12), with the Lorentzian weight distribution of the section after it (Gamma).
        "r": f"(Delta/({math.pi!r}*tau) + 2*V*r + Gamma*r/{math.pi!r})/tau",
        "V": f"(V**2 - {math.pi**2!r}*tau**2*r**2 + eta + J*tau*r + I + cr*c_r + cv*c_V)/tau",
    },
    bold="r",
    source="Montbrió, Pazó, Roxin (2015), Phys. Rev. X 5:021028, eq. 12. Parameters as in The Virtual Brain.",
)
