"""The reduced Wong-Wang model with an excitatory and an inhibitory population."""

from __future__ import annotations

from l2l.simulator.model import CouplingInput, Model, Parameter, StateVariable

ReducedWongWangExcInh = Model(
    name="ReducedWongWangExcInh",
    description="NMDA gating in an excitatory population and GABA gating in an inhibitory one.",
    states=(
        StateVariable("S_e", 0.0, 1.0, "1", "fraction of open NMDA channels", lower=0.0, upper=1.0),
        StateVariable("S_i", 0.0, 1.0, "1", "fraction of open GABA channels", lower=0.0, upper=1.0),
    ),
    parameters=(
        Parameter("a_e", 310.0, 0.0, 500.0, "1/nC", "slope of the excitatory input-output function"),
        Parameter("b_e", 125.0, 0.0, 200.0, "Hz", "offset of the excitatory input-output function"),
        Parameter("d_e", 0.16, 0.0, 0.2, "s", "curvature of the excitatory one", minimum=0.0, exclusive=True),
        Parameter("gamma_e", 0.641 / 1000, 0.0, 0.001, "s/ms", "kinetic parameter of NMDA gating"),
        Parameter("tau_e", 100.0, 50.0, 150.0, "ms", "decay time of NMDA gating", minimum=0.0, exclusive=True),
        Parameter("w_p", 1.4, 0.0, 2.0, "1", "local excitatory recurrence"),
        Parameter("J_N", 0.15, 0.001, 0.5, "nA", "excitatory synaptic coupling"),
        Parameter("W_e", 1.0, 0.0, 2.0, "1", "share of I_o that the excitatory population receives"),
        Parameter("a_i", 615.0, 0.0, 1000.0, "1/nC", "slope of the inhibitory input-output function"),
        Parameter("b_i", 177.0, 0.0, 200.0, "Hz", "offset of the inhibitory input-output function"),
        Parameter("d_i", 0.087, 0.0, 0.2, "s", "curvature of the inhibitory one", minimum=0.0, exclusive=True),
        Parameter("gamma_i", 1.0 / 1000, 0.0, 0.002, "s/ms", "kinetic parameter of GABA gating"),
        Parameter("tau_i", 10.0, 5.0, 100.0, "ms", "decay time of GABA gating", minimum=0.0, exclusive=True),
        Parameter("J_i", 1.0, 0.001, 2.0, "nA", "feedback inhibition"),
        Parameter("W_i", 0.7, 0.0, 1.0, "1", "share of I_o that the inhibitory population receives"),
        Parameter("I_o", 0.382, 0.0, 1.0, "nA", "effective external input"),
        Parameter("I_ext", 0.0, 0.0, 1.0, "nA", "further external input to the excitatory population"),
        Parameter("G", 2.0, 0.0, 10.0, "1", "global coupling, beside that of the coupling function"),
        Parameter("lamda", 0.0, 0.0, 1.0, "1", "share of the network input that reaches the inhibitory population"),
    ),
    inputs=(CouplingInput("c", "S_e"),),
    derived=(
        ("network", "G*J_N*c"),
        ("I_e", "w_p*J_N*S_e - J_i*S_i + W_e*I_o + network + I_ext"),
        ("I_i", "J_N*S_e - S_i + W_i*I_o + lamda*network"),
        # H(x) = u/(1 - exp(-d*u)) with u = a*x - b, written so that u = 0 is not 0/0.
        ("H_e", "bernoulli(-d_e*(a_e*I_e - b_e))/d_e"),
        ("H_i", "bernoulli(-d_i*(a_i*I_i - b_i))/d_i"),
    ),
    derivatives={
        "S_e": "-S_e/tau_e + (1 - S_e)*gamma_e*H_e",
        "S_i": "-S_i/tau_i + gamma_i*H_i",
    },
    bold="S_e",
    source="Deco, Ponce-Alvarez, Hagmann, Romani, Mantini, Corbetta (2014), J. Neurosci. 34:7886. Parameters as in The "
    "Virtual Brain.",
)
