"""The Balloon-Windkessel model of the haemodynamic response, as data.

The states are deviations from rest (f - 1, v - 1, q - 1), so that float32 keeps their small changes. Rates per second.

Of the same numbers, 0.65 and 0.41, the papers on dynamic causal modelling make rates (1/s), and the whole-brain models
since Deco et al. (2013) make times (s): the sets below say which they take.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from l2l.errors import SimulationError, nearest


@dataclass(frozen=True)
class Balloon:
    """Constants of the Balloon-Windkessel model.

    kappa: rate of signal decay, 1/s. gamma: rate of flow-dependent elimination, 1/s. tau: transit time, s.
    alpha: Grubb's exponent. rho: resting oxygen extraction. V0: resting blood volume, percent.
    k1, k2, k3: weights of the three parts of the signal; `signal_weights` makes them of what the scanner does.
    Raises SimulationError unless all are finite, rates, times and alpha are > 0, and 0 < rho < 1.
    """

    kappa: float
    gamma: float
    tau: float
    alpha: float
    rho: float
    V0: float
    k1: float
    k2: float
    k3: float
    source: str = ""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name != "source" and not math.isfinite(value):
                raise SimulationError(f"{field.name} of a Balloon must be finite, but got {value!r}")
        for name in ("kappa", "gamma", "tau", "alpha"):
            if getattr(self, name) <= 0:
                raise SimulationError(f"{name} > 0 must hold, but got {getattr(self, name)!r}")
        if not 0 < self.rho < 1:
            raise SimulationError(f"0 < rho < 1 must hold, but got {self.rho!r}")


def signal_weights(E0: float, TE: float, nu0: float, r0: float, epsilon: float) -> tuple[float, float, float]:
    """k1, k2, k3 of the BOLD signal: 4.3 nu0 E0 TE, epsilon r0 E0 TE, 1 - epsilon.

    E0: resting oxygen extraction. TE: echo time, s. nu0: frequency offset at the surface of magnetised vessels, 1/s.
    r0: slope of the intravascular relaxation rate against oxygen saturation, 1/s. epsilon: ratio of the intra- to the
    extravascular signal.
    Source: Stephan, Weiskopf, Drysdale, Robinson, Friston (2007), NeuroImage 38:387.
    """
    return 4.3 * nu0 * E0 * TE, epsilon * r0 * E0 * TE, 1 - epsilon


FRISTON2003 = Balloon(
    1 / 0.65, 1 / 0.41, 0.98, 0.32, 0.34, 2.0, 7 * 0.34, 2.0, 2 * 0.34 - 0.2,
    "Friston, Harrison, Penny (2003), NeuroImage 19:1273; time constants 0.65 s and 0.41 s as cuBNM uses them",
)  # fmt: skip
STEPHAN2007 = Balloon(
    0.65, 0.41, 0.98, 0.32, 0.4, 4.0, *signal_weights(E0=0.4, TE=0.04, nu0=40.3, r0=25.0, epsilon=1.0),
    "Stephan, Weiskopf, Drysdale, Robinson, Friston (2007), NeuroImage 38:387, 1.5 tesla, epsilon at its prior mean; "
    "E0 and V0 as its authors' SPM has them, rates as in Friston et al. (2003)",
)  # fmt: skip
HEINZLE2016_3T = Balloon(
    1 / 0.65, 1 / 0.41, 0.98, 0.32, 0.34, 2.0, 3.72, 0.527, 0.53,
    "Heinzle, Koopmans, den Ouden, Raman, Stephan (2016), NeuroImage 125:556, 3 tesla: k1, k2, k3; "
    "the rest as friston2003",
)  # fmt: skip
CONSTANTS = {"friston2003": FRISTON2003, "stephan2007": STEPHAN2007, "heinzle2016-3T": HEINZLE2016_3T}

STATES = ("x", "f", "v", "q")  # vasodilatory signal; flow, volume, deoxyhaemoglobin as deviations from 1

# One step of h seconds under the neural input z, in this order: each line may use the results of those before it.
# The signal comes first and drives the flow by its new value; volume and deoxyhaemoglobin see the old flow.
STEP = (
    ("x_new", "x + h*(z - kappa*x - gamma*f)"),
    ("f_new", "f + h*x_new"),
    ("outflow", "expm1(log(1 + v)/alpha)"),
    ("v_new", "v + h/tau*(f - outflow)"),
    ("flow", "1 + f"),
    ("extraction", "1 - exp(log_rest/flow)"),
    ("loss", "exp(log(1 + v_new)*(1/alpha - 1))*(1 + q)"),
    ("q_new", "q + h/tau*(flow*extraction/rho - loss)"),
)
# log_rest = log(1 - rho)
SIGNAL = "V0*(k2*(v - q)/(1 + v) - k1*q - k3*v)"


def get(constants: str | Balloon) -> Balloon:
    """The set of constants of that name; raises SimulationError with the nearest one."""
    if isinstance(constants, Balloon):
        return constants
    if not isinstance(constants, str):
        raise SimulationError(f"constants must be a name or a Balloon, but got {constants!r}")
    if constants not in CONSTANTS:
        raise SimulationError(f"unknown Balloon-Windkessel constants {constants!r}; {nearest(constants, CONSTANTS)}")
    return CONSTANTS[constants]
