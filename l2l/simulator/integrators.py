"""Integration schemes as their formulas, in the symbols of one state variable.

x: state at the start of the step; k1, k2, ...: derivative at stage 1, 2, ...; dt: step; w: noise increment of the step;
u: stimulus. Stimulus and noise are those of the whole step, and coupling is unless it is taken at every stage; every
stage's point is clipped to the bounds.
"""

from __future__ import annotations

from dataclasses import dataclass

from l2l.errors import SimulationError, nearest


@dataclass(frozen=True)
class Integrator:
    """An explicit one-step scheme.

    stages: the point at which each stage takes the derivative.
    times: of the stages within the step, 0 ... 1.
    increment: what is added to x.
    order: of convergence without noise and coupling.
    stochastic: whether it may be used with noise.
    midpoint: what leads from the end of the step back to its middle, where delayed coupling may be asked for what was
        sent between two steps; to an order less than the scheme's own.
    """

    name: str
    stages: tuple[str, ...]
    times: tuple[float, ...]
    increment: str
    order: int
    stochastic: bool
    source: str = ""
    midpoint: str = ""


EULER = Integrator("euler", ("x",), (0.0,), "dt*(k1 + u) + w", order=1, stochastic=True, source="Maruyama (1955)")
HEUN = Integrator(
    "heun",
    ("x", "x + dt*(k1 + u) + w"),
    (0.0, 1.0),
    "dt*0.5*(k1 + k2) + dt*u + w",
    order=2,
    stochastic=True,
    source="Mannella (2002), Int. J. Mod. Phys. C 13:1177",
)
RK4 = Integrator(
    "rk4",
    ("x", "x + dt*0.5*k1", "x + dt*0.5*k2", "x + dt*k3"),
    (0.0, 0.5, 0.5, 1.0),
    "dt/6*(k1 + 2*k2 + 2*k3 + k4) + dt*u",
    order=4,
    stochastic=False,
    source="Kutta (1901), Z. Math. Phys. 46:435; midpoint: Zennaro (1986), Math. Comput. 46:119",
    midpoint="dt/24*(k1 - 4*k2 - 4*k3 - 5*k4) - dt*0.5*u",
)

INTEGRATORS = {scheme.name: scheme for scheme in (EULER, HEUN, RK4)}


def get(name: str | Integrator) -> Integrator:
    """The scheme of that name; raises SimulationError with the nearest one."""
    if isinstance(name, Integrator):
        return name
    if name not in INTEGRATORS:
        raise SimulationError(f"unknown integrator {name!r}; {nearest(str(name), INTEGRATORS)}")
    return INTEGRATORS[name]
