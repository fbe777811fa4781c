"""Blood-oxygen-level-dependent signals of a given activity, in float64."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from l2l.errors import ObservableError
from l2l.simulator import balloon as constants_of
from l2l.simulator.balloon import Balloon


def bold(
    activity: ArrayLike,
    dt: float,
    tr: float,
    *,
    skip: float = 0.0,
    constants: str | Balloon = "friston2003",
) -> NDArray[np.float64]:
    """The Balloon-Windkessel response to neural activity, one volume each `tr`.

    activity: (..., time, node), one row each `dt`; each row drives the step that ends with it.
    dt, tr: ms; tr is a multiple of dt. The first volume is at t = tr. skip: volumes until then (ms) are left out.
    Returns (..., volume, node).
    Order within a step: the signal first, then the flow by the new signal, then volume and deoxyhaemoglobin by the old
    flow, as cuBNM computes it. Raises ObservableError.
    Source: Friston, Mechelli, Turner, Price (2000), NeuroImage 12:466; see `l2l.simulator.balloon` for the constants.
    """
    z = np.asarray(activity, dtype=np.float64)
    if z.ndim < 2:
        raise ObservableError(f"activity must have shape (..., time, node), but has {z.shape}")
    if not (dt > 0 and tr >= dt and math.isclose(round(tr / dt) * dt, tr, rel_tol=1e-6)):
        raise ObservableError(f"tr must be a multiple of dt > 0, but got tr = {tr!r} ms, dt = {dt!r} ms")
    every = round(tr / dt)
    volumes = z.shape[-2] // every
    skipped = int(skip / tr + 1e-9)
    if volumes <= skipped:
        raise ObservableError(
            f"the activity must last for at least one volume after {skip!r} ms, but lasts {z.shape[-2] * dt:g} ms "
            f"with tr = {tr!r} ms"
        )
    c = constants_of.get(constants)
    h = dt / 1000.0
    x = np.zeros((*z.shape[:-2], z.shape[-1]))
    f, v, q = np.ones_like(x), np.ones_like(x), np.ones_like(x)
    out = np.empty((*z.shape[:-2], volumes - skipped, z.shape[-1]))
    for step in range(volumes * every):
        x = x + h * (z[..., step, :] - c.kappa * x - c.gamma * (f - 1))
        flow, f = f, f + h * x
        v = v + h / c.tau * (flow - v ** (1 / c.alpha))
        extracted = (1 - (1 - c.rho) ** (1 / flow)) / c.rho
        q = q + h / c.tau * (flow * extracted - v ** (1 / c.alpha) * q / v)
        volume = (step + 1) // every - 1
        if (step + 1) % every == 0 and volume >= skipped:
            out[..., volume - skipped, :] = c.V0 * (c.k1 * (1 - q) + c.k2 * (1 - q / v) + c.k3 * (1 - v))
    return out
