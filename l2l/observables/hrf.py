"""BOLD of given activity by convolution with a haemodynamic response, as The Virtual Brain's Bold monitor does it.

Not the Balloon-Windkessel model (`l2l.observables.bold`): the response is linear in the activity. While a simulation
runs, `l2l.simulator.monitors.ConvolvedBold` does the same without keeping the activity.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from l2l.errors import SimulationError
from l2l.simulator import haemodynamics
from l2l.simulator.haemodynamics import RESPONSES as RESPONSES
from l2l.simulator.haemodynamics import Response

INTERIM = 4.0  # ms: what activity is averaged over first


def convolved_bold(
    averages: ArrayLike, tr: float, response: str | Response = "FirstOrderVolterra"
) -> NDArray[np.float64]:
    """BOLD of activity that was averaged over each 4 ms (`monitors.TemporalAverage(period=4.0)`).

    averages: (..., time, node), from the very start, before which the activity counts as 0.
    tr: ms, a multiple of 4. response: a name of `RESPONSES`, or one's own.
    Returns (..., volume, node); the volumes are at tr, 2 tr, ... The newest average meets the oldest value of the
    response, as in The Virtual Brain.
    Raises SimulationError for an unknown response or a tr that is no multiple of 4 ms.
    """
    chosen = haemodynamics.get(response)
    every = round(tr / INTERIM)
    if every < 1 or abs(every * INTERIM - tr) > 1e-9 * tr:
        raise SimulationError(f"tr must be a multiple of {INTERIM:g} ms, but got {tr!r} ms")
    activity = np.asarray(averages, dtype=np.float64)
    weights = chosen.weights(INTERIM)
    volumes = []
    for end in np.arange(every, activity.shape[-2] + 1, every):
        seen = activity[..., max(0, end - len(weights)) : end, :][..., ::-1, :]
        volumes.append(np.einsum("...tn,t->...n", seen, weights[: seen.shape[-2]]))
    if not volumes:
        return np.empty((*activity.shape[:-2], 0, activity.shape[-1]))
    return np.asarray(np.stack(volumes, axis=-2) + chosen.offset)
