"""Mean field of adaptive exponential integrate-and-fire neurons, rates and their covariances."""

from __future__ import annotations

from l2l.simulator.model import CouplingInput, Model, Parameter, StateVariable
from l2l.simulator.models.adex_mean_field import (
    PARAMETERS,
    RATES,
    SLOW,
    SLOW_DERIVATIVES,
    transfer_derivatives,
    transfer_function,
)

# The covariances follow dC/dt = J C + C J' with J the derivatives of (F_e, F_i) - (E, I). The Virtual Brain 2.10 puts
# F_e_E and F_i_I in each other's place in C_ei, and takes first derivatives 1e-3 and second ones 1e-6 times too small.
_FLOWS = (
    ("curvature_e", "0.5*C_ee*F_e_EE + C_ei*F_e_EI + 0.5*C_ii*F_e_II"),
    ("curvature_i", "0.5*C_ee*F_i_EE + C_ei*F_i_EI + 0.5*C_ii*F_i_II"),
    ("flow_ee", "2*(C_ee*F_e_E + C_ei*F_e_I)"),
    ("flow_ei", "C_ee*F_i_E + C_ei*(F_e_E + F_i_I) + C_ii*F_e_I"),
    ("flow_ii", "2*(C_ei*F_i_E + C_ii*F_i_I)"),
)
_FLOW_EI_TVB = "C_ee*F_e_E + C_ei*(F_i_E + F_e_I) + C_ii*F_i_I"

ZerlautAdaptationSecondOrder = Model(
    name="ZerlautAdaptationSecondOrder",
    description="Rates of excitatory and inhibitory AdEx neurons, with the covariances that finite populations cause. "
    "The expansion holds near a state that the rates are drawn to; where the input jumps faster than T, or one "
    "population falls silent, the correct equations run away; The Virtual Brain's (tvb_compatible=1) do not, because "
    "its covariances hardly act on the rates.",
    states=(
        *RATES,
        StateVariable("C_ee", 0.0, 0.5e-3, "kHz**2", "variance of the excitatory rate"),
        StateVariable("C_ei", -0.5e-3, 0.5e-3, "kHz**2", "covariance of the two rates"),
        StateVariable("C_ii", 0.0, 0.5e-3, "kHz**2", "variance of the inhibitory rate"),
        *SLOW,
    ),
    parameters=(
        *PARAMETERS,
        Parameter("S_i", 1.0, 0.0, 2.0, "1", "share of the network input that reaches the inhibitory population"),
        Parameter(
            "tvb_compatible",
            0.0,
            0.0,
            1.0,
            "1",
            "1: derivatives of the transfer function scaled and placed as in The Virtual Brain 2.10; 0: correct",
        ),
    ),
    inputs=(CouplingInput("c", "E"),),
    derived=(
        *transfer_function("e", "maximum(c + external_input_ex_ex + weight_noise*ou_drift, 0)", "external_input_ex_in"),
        *transfer_function(
            "i", "maximum(S_i*c + external_input_in_ex + weight_noise*ou_drift, 0)", "external_input_in_in"
        ),
        *transfer_derivatives("e"),
        *transfer_derivatives("i"),
        *_FLOWS,
    ),
    derivatives={
        # Equation (4) of di Volo et al.
        "E": "(F_e - E + where(tvb_compatible, 1e-6*curvature_e, curvature_e))/T",
        "I": "(F_i - I + where(tvb_compatible, 1e-6*curvature_i, curvature_i))/T",
        "C_ee": "(F_e*(1/T - F_e)/(N_tot*(1 - g)) + (F_e - E)**2 - 2*C_ee"
        " + where(tvb_compatible, 1e-3*flow_ee, flow_ee))/T",
        "C_ei": "((F_e - E)*(F_i - I) - 2*C_ei" + f" + where(tvb_compatible, 1e-3*({_FLOW_EI_TVB}), flow_ei))/T",
        "C_ii": "(F_i*(1/T - F_i)/(N_tot*g) + (F_i - I)**2 - 2*C_ii + where(tvb_compatible, 1e-3*flow_ii, flow_ii))/T",
        **SLOW_DERIVATIVES,
    },
    bold="E",
    source="di Volo, Romagnoni, Capone, Destexhe (2019), Neural Comput. 31:653; El Boustani, Destexhe (2009), Neural "
    "Comput. 21:46; Zerlaut, Chemla, Chavane, Destexhe (2018), J. Comput. Neurosci. 44:45. Parameters as in The "
    "Virtual Brain; P_e and P_i are P_e0 ... P_i9 here, and tvb_compatible=1 gives its numbers.",
)
