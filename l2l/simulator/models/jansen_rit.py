"""A cortical column of pyramidal cells, excitatory and inhibitory interneurons."""

from __future__ import annotations

from l2l.simulator.model import CouplingInput, Model, Parameter, StateVariable

JansenRit = Model(
    name="JansenRit",
    description="Mean postsynaptic potentials in a cortical column; y1 - y2 is that of pyramidal cells, near EEG.",
    states=(
        StateVariable("y0", -1.0, 1.0, "mV", "potential caused by the pyramidal cells, divided by a_k*J"),
        StateVariable("y1", -500.0, 500.0, "mV", "excitatory potential of the pyramidal cells"),
        StateVariable("y2", -50.0, 50.0, "mV", "inhibitory potential of the pyramidal cells"),
        StateVariable("y3", -6.0, 6.0, "mV/ms", "rate of change of y0"),
        StateVariable("y4", -20.0, 20.0, "mV/ms", "rate of change of y1"),
        StateVariable("y5", -500.0, 500.0, "mV/ms", "rate of change of y2"),
    ),
    parameters=(
        Parameter("A", 3.25, 2.6, 9.75, "mV", "largest excitatory postsynaptic potential"),
        Parameter("B", 22.0, 17.6, 110.0, "mV", "largest inhibitory postsynaptic potential"),
        Parameter("a", 0.1, 0.05, 0.15, "1/ms", "excitatory rate constant", minimum=0.0, exclusive=True),
        Parameter("b", 0.05, 0.025, 0.075, "1/ms", "inhibitory rate constant", minimum=0.0, exclusive=True),
        Parameter("v0", 5.52, 3.12, 6.0, "mV", "potential of half the largest firing rate"),
        Parameter("nu_max", 0.0025, 0.00125, 0.00375, "1/ms", "half the largest firing rate", minimum=0.0),
        Parameter("r", 0.56, 0.28, 0.84, "1/mV", "steepness of the potential-to-rate sigmoid"),
        Parameter("J", 135.0, 65.0, 1350.0, "1", "mean number of synapses"),
        Parameter("a_1", 1.0, 0.5, 1.5, "1", "share of J from pyramidal cells to excitatory interneurons"),
        Parameter("a_2", 0.8, 0.4, 1.2, "1", "share of J from excitatory interneurons to pyramidal cells"),
        Parameter("a_3", 0.25, 0.125, 0.375, "1", "share of J from pyramidal cells to inhibitory interneurons"),
        Parameter("a_4", 0.25, 0.125, 0.375, "1", "share of J from inhibitory interneurons to pyramidal cells"),
        Parameter("mu", 0.22, 0.0, 0.22, "1/ms", "mean external firing rate"),
    ),
    # Sent through coupling.SigmoidalJansenRit, it arrives as a firing rate.
    inputs=(CouplingInput("c", "y1 - y2"),),
    derived=(
        # Sigm(v) = 2*nu_max/(1 + exp(r*(v0 - v))): equation (5), with e0 = nu_max.
        ("S_pyramidal", "2*nu_max/(1 + exp(r*(v0 - (y1 - y2))))"),
        ("S_excitatory", "2*nu_max/(1 + exp(r*(v0 - a_1*J*y0)))"),
        ("S_inhibitory", "2*nu_max/(1 + exp(r*(v0 - a_3*J*y0)))"),
    ),
    derivatives={
        # Equation (6).
        "y0": "y3",
        "y1": "y4",
        "y2": "y5",
        "y3": "A*a*S_pyramidal - 2*a*y3 - a**2*y0",
        "y4": "A*a*(mu + a_2*J*S_excitatory + c) - 2*a*y4 - a**2*y1",
        "y5": "B*b*a_4*J*S_inhibitory - 2*b*y5 - b**2*y2",
    },
    exposed={"EEG": "y1 - y2"},
    bold="S_pyramidal",
    coupling="SigmoidalJansenRit",
    source="Jansen, Rit (1995), Biol. Cybern. 73:357, eqs. 5, 6. Parameters as in The Virtual Brain.",
)
