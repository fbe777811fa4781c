"""The FitzHugh-Nagumo oscillator, a special case of the generic planar one."""

from __future__ import annotations

from dataclasses import replace

from l2l.simulator.models.generic_2d_oscillator import Generic2dOscillator

# With u = V, v = W: du/dt = tau*(v + u - u**3/3), dv/dt = -(u - a + beta*v)/tau; d sets the time unit to 10 ms.
FitzHughNagumo = replace(
    Generic2dOscillator.with_defaults(
        tau=1.25, I=0.0, a=1.05, b=-1.0, c=0.0, d=0.1, e=0.0, f=1 / 3, g=1.0, alpha=1.0, beta=0.2, gamma=-1.0
    ),
    name="FitzHughNagumo",
    description="Two-variable reduction of an excitable membrane, close to its oscillation of some 10 Hz.",
    source="FitzHugh (1961), Biophys. J. 1:445; Nagumo, Arimoto, Yoshizawa (1962), Proc. IRE 50:2061. Values of "
    "Ghosh, Rho, McIntosh, Kötter, Jirsa (2008), PLoS Comput. Biol. 4:e1000196.",
)
