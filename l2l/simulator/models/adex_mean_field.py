"""What the two orders of the AdEx mean field share: parameters, the transfer function and its exact derivatives.

Rates are in kHz, potentials in mV, conductances in nS, times in ms, currents in pA; the ten coefficients of the
effective threshold are in V, as published. p stands for the receiving population, "e" or "i".
"""

from __future__ import annotations

import math

from l2l.simulator.model import Parameter, StateVariable

Definitions = list[tuple[str, str]]

RATES = (
    StateVariable("E", 1e-3, 0.25, "kHz", "firing rate of the excitatory population", lower=0.0),
    StateVariable("I", 1e-3, 0.25, "kHz", "firing rate of the inhibitory population", lower=0.0),
)
SLOW = (
    StateVariable("W_e", 0.0, 200.0, "pA", "adaptation of the excitatory population"),
    StateVariable("W_i", 0.0, 0.0, "pA", "adaptation of the inhibitory population"),
    StateVariable("ou_drift", 0.0, 0.0, "1", "common input fluctuation: additive noise on it alone makes it a process"),
)

# Coefficients of 1, V, S, T, V**2, S**2, T**2, V*S, V*T and S*T.
_P_E = (-0.04983106, 0.005063550882777035, -0.023470121807314552, 0.0022951513725067503, -0.0004105302652029825,
        0.010547051343547399, -0.03659252821136933, 0.007437487505797858, 0.001265064721846073,
        -0.04072161294490446)  # fmt: skip
_P_I = (-0.05149122024209484, 0.004003689190271077, -0.008352013668528155, 0.0002414237992765705,
        -0.0005070645080016026, 0.0014345394104282397, -0.014686689498949967, 0.004502706285435741,
        0.0028472190352532454, -0.015357804594594548)  # fmt: skip


def _positive(name: str, default: float, low: float, high: float, unit: str, description: str) -> Parameter:
    return Parameter(name, default, low, high, unit, description, minimum=0.0, exclusive=True)


def _share(name: str, default: float, low: float, high: float, description: str) -> Parameter:
    return Parameter(name, default, low, high, "1", description, minimum=0.0, maximum=1.0, exclusive=True)


PARAMETERS = (
    _positive("g_L", 10.0, 0.1, 100.0, "nS", "leak conductance"),
    Parameter("E_L_e", -65.0, -90.0, -60.0, "mV", "leak reversal potential of excitatory cells"),
    Parameter("E_L_i", -65.0, -90.0, -60.0, "mV", "leak reversal potential of inhibitory cells"),
    _positive("C_m", 200.0, 10.0, 500.0, "pF", "membrane capacitance"),
    Parameter("b_e", 60.0, 0.0, 150.0, "pA", "excitatory adaptation increment by a spike"),
    Parameter("a_e", 4.0, 0.0, 20.0, "nS", "excitatory adaptation conductance"),
    Parameter("b_i", 0.0, 0.0, 100.0, "pA", "inhibitory adaptation increment by a spike"),
    Parameter("a_i", 0.0, 0.0, 20.0, "nS", "inhibitory adaptation conductance"),
    _positive("tau_w_e", 500.0, 1.0, 1000.0, "ms", "time constant of excitatory adaptation"),
    _positive("tau_w_i", 1.0, 1.0, 1000.0, "ms", "time constant of inhibitory adaptation"),
    Parameter("E_e", 0.0, -20.0, 20.0, "mV", "excitatory reversal potential"),
    Parameter("E_i", -80.0, -100.0, -60.0, "mV", "inhibitory reversal potential"),
    _positive("Q_e", 1.5, 0.0, 5.0, "nS", "excitatory quantal conductance"),
    _positive("Q_i", 5.0, 0.0, 10.0, "nS", "inhibitory quantal conductance"),
    _positive("tau_e", 5.0, 1.0, 10.0, "ms", "decay time of excitatory synapses"),
    _positive("tau_i", 5.0, 0.5, 10.0, "ms", "decay time of inhibitory synapses"),
    _positive("N_tot", 10000.0, 1000.0, 50000.0, "1", "number of cells"),
    _share("p_connect_e", 0.05, 0.001, 0.2, "connection probability of excitatory cells"),
    _share("p_connect_i", 0.05, 0.001, 0.2, "connection probability of inhibitory cells"),
    _share("g", 0.2, 0.01, 0.4, "fraction of inhibitory cells"),
    Parameter("K_ext_e", 400.0, 0.0, 10000.0, "1", "number of external excitatory synapses", minimum=0.0),
    Parameter("K_ext_i", 0.0, 0.0, 10000.0, "1", "number of external inhibitory synapses", minimum=0.0),
    _positive("T", 20.0, 1.0, 20.0, "ms", "time scale on which the network is Markovian"),
    *(Parameter(f"P_e{n}", value, unit="V", description="excitatory threshold") for n, value in enumerate(_P_E)),
    *(Parameter(f"P_i{n}", value, unit="V", description="inhibitory threshold") for n, value in enumerate(_P_I)),
    Parameter("external_input_ex_ex", 0.0, 0.0, 0.1, "kHz", "excitatory drive of excitatory cells"),
    Parameter("external_input_ex_in", 0.0, 0.0, 0.1, "kHz", "inhibitory drive of excitatory cells"),
    Parameter("external_input_in_ex", 0.0, 0.0, 0.1, "kHz", "excitatory drive of inhibitory cells"),
    Parameter("external_input_in_in", 0.0, 0.0, 0.1, "kHz", "inhibitory drive of inhibitory cells"),
    _positive("tau_OU", 5.0, 0.1, 10.0, "ms", "time constant of ou_drift"),
    Parameter("weight_noise", 10.5, 0.0, 50.0, "kHz", "weight of ou_drift in the input"),
)

SLOW_DERIVATIVES = {
    "W_e": "-W_e/tau_w_e + b_e*E + a_e*(mu_V_e - E_L_e)/tau_w_e",
    "W_i": "-W_i/tau_w_i + b_i*I + a_i*(mu_V_i - E_L_i)/tau_w_i",
    "ou_drift": "-ou_drift/tau_OU",
}


def transfer_function(p: str, excitation: str, inhibition: str) -> Definitions:
    """Definitions that end in F_p, the rate of a cell of population p.

    excitation, inhibition: rates of the external synapses, kHz.
    Source: di Volo et al. (2019), eqs. 5 to 11; 1e-6 kHz is spontaneous release.
    """
    return [
        (f"f_e_{p}", f"(E + 1e-6)*((1 - g)*p_connect_e*N_tot) + ({excitation})*K_ext_e"),
        (f"f_i_{p}", f"(I + 1e-6)*(g*p_connect_i*N_tot) + ({inhibition})*K_ext_i"),
        # Equations (5), (6): conductance and membrane time constant, through the resistance R = 1/mu_G.
        (f"R_{p}", f"1/(g_L + Q_e*tau_e*f_e_{p} + Q_i*tau_i*f_i_{p})"),
        (f"T_m_{p}", f"C_m*R_{p}"),
        # Equation (7).
        (f"mu_V_{p}", f"(Q_e*tau_e*E_e*f_e_{p} + Q_i*tau_i*E_i*f_i_{p} + g_L*E_L_{p} - W_{p})*R_{p}"),
        # A = U*tau with U = Q/mu_G*(E - mu_V): the charge of one event, which is also d(mu_V)/df.
        (f"A_e_{p}", f"Q_e*tau_e*R_{p}*(E_e - mu_V_{p})"),
        (f"A_i_{p}", f"Q_i*tau_i*R_{p}*(E_i - mu_V_{p})"),
        (f"B_e_{p}", f"f_e_{p}*A_e_{p}**2"),
        (f"B_i_{p}", f"f_i_{p}*A_i_{p}**2"),
        (f"D_e_{p}", f"1/(tau_e + T_m_{p})"),
        (f"D_i_{p}", f"1/(tau_i + T_m_{p})"),
        # Equations (8), (9): sigma_V**2 = M/2, T_V = (B_e + B_i)/M, with few divisions.
        (f"M_{p}", f"B_e_{p}*D_e_{p} + B_i_{p}*D_i_{p}"),
        (f"sigma_V_{p}", f"sqrt(0.5*M_{p})"),
        (f"by_sigma_{p}", f"1/sigma_V_{p}"),
        (f"by_M_{p}", f"0.5*by_sigma_{p}**2"),
        (f"T_V_{p}", f"(B_e_{p} + B_i_{p})*by_M_{p}"),
        (f"by_T_V_{p}", f"1/T_V_{p}"),
        # Equation (11), normalised as in Zerlaut et al. (2018); the threshold is in mV.
        (f"v_{p}", f"(mu_V_{p} + 60)/10"),
        (f"s_{p}", f"(sigma_V_{p} - 4)/6"),
        (f"t_{p}", f"T_V_{p}*(g_L/C_m) - 0.5"),
        (
            f"threshold_{p}",
            f"1e3*(P_{p}0 + P_{p}1*v_{p} + P_{p}2*s_{p} + P_{p}3*t_{p} + P_{p}4*v_{p}**2 + P_{p}5*s_{p}**2"
            f" + P_{p}6*t_{p}**2 + P_{p}7*v_{p}*s_{p} + P_{p}8*v_{p}*t_{p} + P_{p}9*s_{p}*t_{p})",
        ),
        # Equation (10).
        (f"z_{p}", f"sqrt(0.5)*(threshold_{p} - mu_V_{p})*by_sigma_{p}"),
        (f"F_{p}", f"0.5*erfc(z_{p})*by_T_V_{p}"),
    ]


def transfer_derivatives(p: str) -> Definitions:
    """Definitions of the first and second derivatives of F_p with respect to E and I, by the chain rule.

    They end in F_p_E, F_p_I (1), F_p_EE, F_p_EI and F_p_II (1/kHz). X_p_y is the derivative of X_p with respect to f_y.
    """
    lines: Definitions = []

    def define(name: str, text: str) -> None:
        lines.append((name, text.replace("@", p)))

    first, second = ("e", "i"), (("e", "e"), ("e", "i"), ("i", "i"))
    for x in first:
        define(f"r_{x}_{p}", f"Q_{x}*tau_{x}*R_@")
        define(f"delta_{x}_{p}", f"D_{x}_@**2*T_m_@")
    # mu_V; its first derivatives are A_e and A_i.
    define(f"mu_V_{p}_ee", "-2*r_e_@*A_e_@")
    define(f"mu_V_{p}_ei", "-(r_e_@*A_i_@ + r_i_@*A_e_@)")
    define(f"mu_V_{p}_ii", "-2*r_i_@*A_i_@")
    define(f"mu_V_{p}_eee", "-3*r_e_@*mu_V_@_ee")
    define(f"mu_V_{p}_eei", "2*r_e_@*(r_i_@*A_e_@ - mu_V_@_ei)")
    define(f"mu_V_{p}_eii", "2*r_i_@*(r_e_@*A_i_@ - mu_V_@_ei)")
    define(f"mu_V_{p}_iii", "-3*r_i_@*mu_V_@_ii")
    # B_x = f_x*A_x**2.
    for x in first:
        for y in first:
            own = f"A_{x}_@**2 + " if x == y else ""
            define(f"B_{x}_{p}_{y}", f"{own}2*f_{x}_@*A_{x}_@*{_mu(x, y)}")
        for y, z in second:
            own = "".join(f" + A_{x}_@*{_mu(x, w)}" for v, w in ((y, z), (z, y)) if v == x)
            define(f"B_{x}_{p}_{y}{z}", f"2*(f_{x}_@*({_mu(x, y)}*{_mu(x, z)} + A_{x}_@*{_mu(x, y, z)}){own})")
    # M = B_e*D_e + B_i*D_i with D_x,y = delta_x*r_y and delta_x,y = -2*tau_x*D_x*delta_x*r_y.
    define(f"M_{p}_D", "B_e_@*delta_e_@ + B_i_@*delta_i_@")
    define(f"M_{p}_DD", "-2*(tau_e*D_e_@*B_e_@*delta_e_@ + tau_i*D_i_@*B_i_@*delta_i_@)")
    for y in first:
        define(f"M_{p}_B{y}", f"B_e_@_{y}*delta_e_@ + B_i_@_{y}*delta_i_@")
        define(f"M_{p}_{y}", f"B_e_@_{y}*D_e_@ + B_i_@_{y}*D_i_@ + M_@_D*r_{y}_@")
        define(f"sigma_V_{p}_{y}", f"0.25*M_@_{y}*by_sigma_@")
        define(f"T_V_{p}_{y}", f"(B_e_@_{y} + B_i_@_{y} - T_V_@*M_@_{y})*by_M_@")
    for y, z in second:
        yz = y + z
        define(
            f"M_{p}_{yz}",
            f"B_e_@_{yz}*D_e_@ + B_i_@_{yz}*D_i_@ + M_@_B{y}*r_{z}_@ + M_@_B{z}*r_{y}_@ + M_@_DD*r_{y}_@*r_{z}_@",
        )
        define(f"sigma_V_{p}_{yz}", f"(0.25*M_@_{yz} - sigma_V_@_{y}*sigma_V_@_{z})*by_sigma_@")
        define(
            f"T_V_{p}_{yz}",
            f"(B_e_@_{yz} + B_i_@_{yz} - T_V_@_{y}*M_@_{z} - T_V_@_{z}*M_@_{y} - T_V_@*M_@_{yz})*by_M_@",
        )
    # d = sqrt(1/2)*(threshold - mu_V) = z*sigma_V: its gradient and Hessian with respect to mu_V, sigma_V and T_V.
    unit = {"v": "1/10", "s": "1/6", "t": "g_L/C_m"}
    slopes = {
        "v": "P_@1 + 2*P_@4*v_@ + P_@7*s_@ + P_@8*t_@",
        "s": "P_@2 + P_@7*v_@ + 2*P_@5*s_@ + P_@9*t_@",
        "t": "P_@3 + P_@8*v_@ + P_@9*s_@ + 2*P_@6*t_@",
    }
    bends = {"vv": "2*P_@4", "ss": "2*P_@5", "tt": "2*P_@6", "vs": "P_@7", "vt": "P_@8", "st": "P_@9"}
    for a, text in slopes.items():
        less = " - sqrt(0.5)" if a == "v" else ""
        define(f"d_{p}_{a}", f"(sqrt(0.5)*1e3*({unit[a]}))*({text}){less}")
    for pair, text in bends.items():
        define(f"d_{p}_{pair}", f"sqrt(0.5)*1e3*({unit[pair[0]]})*({unit[pair[1]]})*{text}")
    inner = {"v": "A_{}_@", "s": "sigma_V_@_{}", "t": "T_V_@_{}"}
    for y in first:
        at = {a: name.format(y) for a, name in inner.items()}
        define(f"z_{p}_{y}", f"(d_@_v*{at['v']} + (d_@_s - z_@)*{at['s']} + d_@_t*{at['t']})*by_sigma_@")
        define(f"d_{p}_v_{y}", f"d_@_vv*{at['v']} + d_@_vs*{at['s']} + d_@_vt*{at['t']}")
        define(f"d_{p}_s_{y}", f"d_@_vs*{at['v']} + d_@_ss*{at['s']} + d_@_st*{at['t']}")
        define(f"d_{p}_t_{y}", f"d_@_vt*{at['v']} + d_@_st*{at['s']} + d_@_tt*{at['t']}")
    define(f"gauss_{p}", f"{-1 / math.sqrt(math.pi)!r}*exp(-z_@**2)")
    for y in first:
        define(f"F_{p}_{y}", f"(gauss_@*z_@_{y} - F_@*T_V_@_{y})*by_T_V_@")
    for y, z in second:
        yz = y + z
        bend = " + ".join(f"d_@_{a}_{y}*{name.format(z)}" for a, name in inner.items())
        define(
            f"z_{p}_{yz}",
            f"(d_@_v*mu_V_@_{yz} + (d_@_s - z_@)*sigma_V_@_{yz} + d_@_t*T_V_@_{yz} + {bend}"
            f" - z_@_{y}*sigma_V_@_{z} - z_@_{z}*sigma_V_@_{y})*by_sigma_@",
        )
        define(
            f"F_{p}_{yz}",
            f"(gauss_@*(z_@_{yz} - 2*z_@*z_@_{y}*z_@_{z}) - F_@_{y}*T_V_@_{z} - F_@_{z}*T_V_@_{y}"
            f" - F_@*T_V_@_{yz})*by_T_V_@",
        )
    # A rate of 1 kHz is so many synaptic events a ms.
    events = {"E": "((1 - g)*p_connect_e*N_tot)", "I": "(g*p_connect_i*N_tot)"}
    for x in ("E", "I"):
        define(f"F_{p}_{x}", f"{events[x]}*F_@_{x.lower()}")
    for x, y in (("E", "E"), ("E", "I"), ("I", "I")):
        define(f"F_{p}_{x}{y}", f"({events[x]}*{events[y]})*F_@_{(x + y).lower()}")
    return lines


def _mu(*rates: str) -> str:
    """A derivative of mu_V, which does not depend on the order."""
    return f"mu_V_@_{''.join(sorted(rates))}"
