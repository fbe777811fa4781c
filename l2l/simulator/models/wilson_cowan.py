"""Excitatory and inhibitory populations with sigmoid responses."""

from __future__ import annotations

from l2l.simulator.model import CouplingInput, Model, Parameter, StateVariable

WilsonCowan = Model(
    name="WilsonCowan",
    description="Proportions of active excitatory and inhibitory cells.",
    states=(
        StateVariable("E", 0.0, 1.0, "1", "activity of the excitatory population"),
        StateVariable("I", 0.0, 1.0, "1", "activity of the inhibitory population"),
    ),
    parameters=(
        Parameter("c_ee", 12.0, 11.0, 16.0, "1", "weight from excitatory to excitatory cells"),
        Parameter("c_ei", 4.0, 2.0, 15.0, "1", "weight from inhibitory to excitatory cells"),
        Parameter("c_ie", 13.0, 2.0, 22.0, "1", "weight from excitatory to inhibitory cells"),
        Parameter("c_ii", 11.0, 2.0, 15.0, "1", "weight from inhibitory to inhibitory cells"),
        Parameter("tau_e", 10.0, 0.0, 150.0, "ms", "excitatory time constant", minimum=0.0, exclusive=True),
        Parameter("tau_i", 10.0, 0.0, 150.0, "ms", "inhibitory time constant", minimum=0.0, exclusive=True),
        Parameter("a_e", 1.2, 0.0, 1.4, "1", "slope of the excitatory response"),
        Parameter("b_e", 2.8, 1.4, 6.0, "1", "input of the steepest excitatory response"),
        Parameter("c_e", 1.0, 1.0, 20.0, "1", "amplitude of the excitatory response"),
        Parameter("theta_e", 0.0, 0.0, 60.0, "1", "excitatory threshold"),
        Parameter("a_i", 1.0, 0.0, 2.0, "1", "slope of the inhibitory response"),
        Parameter("b_i", 4.0, 2.0, 6.0, "1", "input of the steepest inhibitory response"),
        Parameter("theta_i", 0.0, 0.0, 60.0, "1", "inhibitory threshold"),
        Parameter("c_i", 1.0, 1.0, 20.0, "1", "amplitude of the inhibitory response"),
        Parameter("r_e", 1.0, 0.5, 2.0, "1", "refractory share of the active excitatory cells"),
        Parameter("r_i", 1.0, 0.5, 2.0, "1", "refractory share of the active inhibitory cells"),
        Parameter("k_e", 1.0, 0.5, 2.0, "1", "largest excitatory activity"),
        Parameter("k_i", 1.0, 0.0, 2.0, "1", "largest inhibitory activity"),
        Parameter("P", 0.0, 0.0, 20.0, "1", "external input to the excitatory population"),
        Parameter("Q", 0.0, 0.0, 20.0, "1", "external input to the inhibitory population"),
        Parameter("alpha_e", 1.0, 0.0, 20.0, "1", "gain of the excitatory input"),
        Parameter("alpha_i", 1.0, 0.0, 20.0, "1", "gain of the inhibitory input"),
        Parameter(
            "shift_sigmoid", 1.0, 0.0, 1.0, "1", "1: responses are shifted to 0 without input; 0: plain logistic"
        ),
    ),
    inputs=(CouplingInput("c", "E"),),
    derived=(
        ("x_e", "alpha_e*(c_ee*E - c_ei*I + P - theta_e + c)"),
        ("x_i", "alpha_i*(c_ie*E - c_ii*I + Q - theta_i)"),
        # Equation (15): S(x) = 1/(1 + exp(-a*(x - b))) - 1/(1 + exp(a*b)).
        ("S_e", "c_e*(1/(1 + exp(-a_e*(x_e - b_e))) - where(shift_sigmoid, 1/(1 + exp(a_e*b_e)), 0))"),
        ("S_i", "c_i*(1/(1 + exp(-a_i*(x_i - b_i))) - where(shift_sigmoid, 1/(1 + exp(a_i*b_i)), 0))"),
    ),
    derivatives={
        # Equations (11) and (12).
        "E": "(-E + (k_e - r_e*E)*S_e)/tau_e",
        "I": "(-I + (k_i - r_i*I)*S_i)/tau_i",
    },
    bold="E",
    source="Wilson, Cowan (1972), Biophys. J. 12:1, eqs. 11, 12, 15. Parameters as in The Virtual Brain.",
)
