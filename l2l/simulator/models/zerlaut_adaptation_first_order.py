"""Mean field of adaptive exponential integrate-and-fire neurons, rates only."""

from __future__ import annotations

from l2l.simulator.model import CouplingInput, Model
from l2l.simulator.models.adex_mean_field import PARAMETERS, RATES, SLOW, SLOW_DERIVATIVES, transfer_function

ZerlautAdaptationFirstOrder = Model(
    name="ZerlautAdaptationFirstOrder",
    description="Mean rates of excitatory and inhibitory AdEx neurons with conductance synapses and adaptation.",
    states=(*RATES, *SLOW),
    parameters=PARAMETERS,
    inputs=(CouplingInput("c", "E"),),
    derived=(
        # As in The Virtual Brain, network and fluctuation are cut at 0 before the constant drive is added.
        ("network", "maximum(c + weight_noise*ou_drift, 0)"),
        *transfer_function("e", "network + external_input_ex_ex", "external_input_ex_in"),
        *transfer_function("i", "network + external_input_in_ex", "external_input_in_in"),
    ),
    derivatives={
        # Equation (4) of di Volo et al. without covariances.
        "E": "(F_e - E)/T",
        "I": "(F_i - I)/T",
        **SLOW_DERIVATIVES,
    },
    bold="E",
    source="di Volo, Romagnoni, Capone, Destexhe (2019), Neural Comput. 31:653; Zerlaut, Chemla, Chavane, Destexhe "
    "(2018), J. Comput. Neurosci. 44:45. Parameters as in The Virtual Brain; P_e and P_i are P_e0 ... P_i9 here.",
)
