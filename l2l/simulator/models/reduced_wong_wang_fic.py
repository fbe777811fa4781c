"""The reduced Wong-Wang model with feedback inhibition that may be tuned region by region."""

from __future__ import annotations

from l2l.simulator.model import CouplingInput, Model, Parameter, StateVariable

# Fixed in the paper and in cuBNM: slope (1/nC), offset (Hz) and curvature (s) of the input-output functions.
_H_E = "bernoulli(-0.16*(310*I_E - 125))/0.16"
_H_I = "bernoulli(-0.087*(615*I_I - 177))/0.087"

ReducedWongWangFIC = Model(
    name="ReducedWongWangFIC",
    description="Excitatory and inhibitory gating with a local inhibitory weight that holds firing near 3 Hz (FIC). "
    "The global coupling G is the strength of the coupling function.",
    states=(
        StateVariable("S_E", 0.0, 1.0, "1", "fraction of open NMDA channels", lower=0.0, upper=1.0),
        StateVariable("S_I", 0.0, 1.0, "1", "fraction of open GABA channels", lower=0.0, upper=1.0),
    ),
    parameters=(
        Parameter("w_p", 1.4, 0.0, 2.0, "1", "local excitatory recurrence", minimum=0.0),
        Parameter("J_N", 0.15, 0.001, 0.5, "nA", "excitatory synaptic coupling", minimum=0.0),
        Parameter("wIE", 1.0, 0.0, 5.0, "nA", "feedback inhibition of the excitatory population", minimum=0.0),
        Parameter("I_0", 0.382, 0.0, 1.0, "nA", "effective external input"),
        Parameter("W_E", 1.0, 0.0, 2.0, "1", "share of I_0 that the excitatory population receives"),
        Parameter("W_I", 0.7, 0.0, 2.0, "1", "share of I_0 that the inhibitory population receives"),
        Parameter("gamma", 0.641 / 1000, 0.0, 0.001, "s/ms", "kinetic parameter of NMDA gating"),
        Parameter("tau_E", 100.0, 50.0, 150.0, "ms", "decay time of NMDA gating", minimum=0.0, exclusive=True),
        Parameter("tau_I", 10.0, 5.0, 100.0, "ms", "decay time of GABA gating", minimum=0.0, exclusive=True),
    ),
    inputs=(CouplingInput("c", "S_E"),),
    derived=(
        # Equations (5) to (8); w_p and J_N of the receiving node scale what comes in.
        ("I_E", "W_E*I_0 + w_p*J_N*S_E + J_N*c - wIE*S_I"),
        ("I_I", "W_I*I_0 + J_N*S_E - S_I"),
        ("r_E", _H_E),
        ("r_I", _H_I),
    ),
    derivatives={
        # Equations (9) and (10), in ms.
        "S_E": "-S_E/tau_E + (1 - S_E)*gamma*r_E",
        "S_I": "-S_I/tau_I + 0.001*r_I",
    },
    bold="S_E",
    source="Deco, Ponce-Alvarez, Hagmann, Romani, Mantini, Corbetta (2014), J. Neurosci. 34:7886. Conventions as in "
    "cuBNM, whose noise is sigma*sqrt(dt)*z on both variables.",
)
