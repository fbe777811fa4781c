"""The reduced Wong-Wang model of resting-state dynamics, one excitatory population a node."""

from __future__ import annotations

from l2l.simulator.model import CouplingInput, Model, Parameter, StateVariable

ReducedWongWang = Model(
    name="ReducedWongWang",
    description="Mean synaptic gating of NMDA receptors in a local excitatory population.",
    states=(StateVariable("S", 0.0, 1.0, "1", "fraction of open NMDA channels", lower=0.0, upper=1.0),),
    parameters=(
        Parameter("a", 0.270, 0.0, 0.270, "1/nC", "slope of the input-output function", minimum=0.0),
        Parameter("b", 0.108, 0.0, 1.0, "kHz", "offset of the input-output function"),
        Parameter("d", 154.0, 0.0, 200.0, "ms", "curvature of the input-output function", minimum=0.0, exclusive=True),
        Parameter("gamma", 0.641, 0.0, 1.0, "1", "kinetic parameter of NMDA gating"),
        Parameter("tau_s", 100.0, 50.0, 150.0, "ms", "decay time of NMDA gating", minimum=0.0, exclusive=True),
        Parameter("w", 0.6, 0.0, 1.0, "1", "local excitatory recurrence"),
        Parameter("J_N", 0.2609, 0.2609, 0.5, "nA", "synaptic coupling"),
        Parameter("I_o", 0.33, 0.0, 1.0, "nA", "effective external input"),
    ),
    inputs=(CouplingInput("c", "S"),),
    derived=(
        ("x", "w*J_N*S + I_o + J_N*c"),
        ("u", "a*x - b"),
        # u/(1 - exp(-d*u)), written so that u = 0 is not 0/0.
        ("H", "1/(d*exprel(-d*u))"),
    ),
    derivatives={"S": "-S/tau_s + (1 - S)*H*gamma"},
    bold="S",
    source="Deco, Ponce-Alvarez, Mantini, Romani, Hagmann, Corbetta (2013), J. Neurosci. 33:11239; "
    "Wong, Wang (2006), J. Neurosci. 26:1314. Parameters as in The Virtual Brain.",
)
