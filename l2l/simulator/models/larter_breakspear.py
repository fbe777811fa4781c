"""A conductance-based column that oscillates chaotically."""

from __future__ import annotations

from l2l.simulator.model import CouplingInput, Model, Parameter, StateVariable

LarterBreakspear = Model(
    name="LarterBreakspear",
    description="Pyramidal potential with calcium, sodium, potassium and leak currents, and inhibitory feedback.",
    states=(
        StateVariable("V", -1.5, 1.5, "1", "mean membrane potential of the pyramidal cells"),
        StateVariable("W", -1.5, 1.5, "1", "share of open potassium channels"),
        StateVariable("Z", -1.5, 1.5, "1", "mean membrane potential of the inhibitory interneurons"),
    ),
    parameters=(
        Parameter("gCa", 1.1, 0.9, 1.5, "1", "calcium conductance"),
        Parameter("gK", 2.0, 1.95, 2.05, "1", "potassium conductance"),
        Parameter("gL", 0.5, 0.45, 0.55, "1", "leak conductance"),
        Parameter("phi", 0.7, 0.3, 0.9, "1", "temperature factor"),
        Parameter("gNa", 6.7, 0.0, 10.0, "1", "sodium conductance"),
        Parameter("TK", 0.0, 0.0, 0.0001, "1", "threshold of the potassium channels"),
        Parameter("TCa", -0.01, -0.02, -0.01, "1", "threshold of the calcium channels"),
        Parameter("TNa", 0.3, 0.25, 0.3, "1", "threshold of the sodium channels"),
        Parameter("VCa", 1.0, 0.9, 1.1, "1", "reversal potential of calcium"),
        Parameter("VK", -0.7, -0.8, 1.0, "1", "reversal potential of potassium"),
        Parameter("VL", -0.5, -0.7, -0.4, "1", "reversal potential of the leak"),
        Parameter("VNa", 0.53, 0.51, 0.55, "1", "reversal potential of sodium"),
        Parameter("d_K", 0.3, 0.1, 0.4, "1", "spread of the potassium threshold", minimum=0.0, exclusive=True),
        Parameter("tau_K", 1.0, 1.0, 10.0, "ms", "time constant of potassium", minimum=0.0, exclusive=True),
        Parameter("d_Na", 0.15, 0.1, 0.2, "1", "spread of the sodium threshold", minimum=0.0, exclusive=True),
        Parameter("d_Ca", 0.15, 0.1, 0.2, "1", "spread of the calcium threshold", minimum=0.0, exclusive=True),
        Parameter("aei", 2.0, 0.1, 2.0, "1", "synaptic strength from excitatory to inhibitory cells"),
        Parameter("aie", 2.0, 0.5, 2.0, "1", "synaptic strength from inhibitory to excitatory cells"),
        Parameter("b", 0.1, 0.0001, 1.0, "1/ms", "speed of the inhibitory population"),
        Parameter("C", 0.1, 0.0, 1.0, "1", "share of the excitatory input that comes from the network"),
        Parameter("ane", 1.0, 0.4, 1.0, "1", "strength of the external input to excitatory cells"),
        Parameter("ani", 0.4, 0.3, 0.5, "1", "strength of the external input to inhibitory cells"),
        Parameter("aee", 0.4, 0.0, 0.6, "1", "synaptic strength from excitatory to excitatory cells"),
        Parameter("Iext", 0.3, 0.165, 0.3, "1", "subcortical input"),
        Parameter("rNMDA", 0.25, 0.2, 0.3, "1", "ratio of NMDA to AMPA receptors"),
        Parameter("VT", 0.0, 0.0, 0.7, "1", "threshold of the excitatory cells"),
        Parameter("d_V", 0.65, 0.49, 0.7, "1", "spread of the excitatory threshold", minimum=0.0, exclusive=True),
        Parameter("ZT", 0.0, 0.0, 0.1, "1", "threshold of the inhibitory cells"),
        Parameter("d_Z", 0.7, 0.001, 0.75, "1", "spread of the inhibitory threshold", minimum=0.0, exclusive=True),
        Parameter("QV_max", 1.0, 0.1, 1.0, "kHz", "largest firing rate of the excitatory cells"),
        Parameter("QZ_max", 1.0, 0.1, 1.0, "kHz", "largest firing rate of the inhibitory cells"),
        Parameter("t_scale", 1.0, 0.1, 1.0, "1", "speed of the whole", minimum=0.0, exclusive=True),
    ),
    # The papers send Q_V: that is coupling.HyperbolicTangent with midpoint VT, sigma d_V and a = QV_max/2.
    inputs=(CouplingInput("c", "V"),),
    derived=(
        ("m_Ca", "0.5*(1 + tanh((V - TCa)/d_Ca))"),
        ("m_Na", "0.5*(1 + tanh((V - TNa)/d_Na))"),
        ("m_K", "0.5*(1 + tanh((V - TK)/d_K))"),
        ("Q_V", "0.5*QV_max*(1 + tanh((V - VT)/d_V))"),
        ("Q_Z", "0.5*QZ_max*(1 + tanh((Z - ZT)/d_Z))"),
        ("excitation", "aee*((1 - C)*Q_V + C*c)"),
    ),
    derivatives={
        "V": "t_scale*(-(gCa + rNMDA*excitation)*m_Ca*(V - VCa) - gK*W*(V - VK) - gL*(V - VL)"
        " - (gNa*m_Na + excitation)*(V - VNa) - aie*Z*Q_Z + ane*Iext)",
        "W": "t_scale*phi*(m_K - W)/tau_K",
        "Z": "t_scale*b*(ani*Iext + aei*V*Q_V)",
    },
    bold="Q_V",
    source="Larter, Speelman, Worth (1999), Chaos 9:795; Breakspear, Terry, Friston (2003), Network 14:703. Parameters "
    "as in The Virtual Brain.",
)
