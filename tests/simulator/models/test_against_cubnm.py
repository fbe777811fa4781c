"""States of cuBNM 0.1.0 (float64), reproduced (conventions: the README beside the files)."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from l2l.simulator import coupling, models, monitors, simulate

RWW = ("ReducedWongWangFIC", {"w_p": "w_p", "J_N": "J_N", "wIE": "wIE"}, {"S_E": "state_S_E", "S_I": "state_S_I"})
RWW_EX = ("ReducedWongWang", {"w": "w", "I_o": "I0"}, {"S": "state_S"})
KURAMOTO = ("Kuramoto", {"omega": "omega"}, {"theta": "state_theta"})
CASES = {
    "rWW_det_fine": RWW,
    "rWW_det_delay_fine": RWW,
    "rWWEx_det_fine": RWW_EX,
    "rWWEx_det_delay_fine": RWW_EX,
    "Kuramoto_det_fine": KURAMOTO,
}


def _run(data: Any, name: str, parameters: dict[str, str], duration: float, backend: str, precision: str) -> Any:
    """(simulation, time, state, node); one run for each simulation, since each has delays of its own."""
    dt = float(data["dt_ms"])
    rows = []
    for i, strength in enumerate(data["param_G"]):
        lengths = None
        if bool(data["delay"]):
            steps = np.rint((data["sc_dist"] / (data["param_v"][i] * dt)).astype(np.float32)).clip(1)
            np.fill_diagonal(steps, 1)
            # cuBNM counts from the end of the step, so that its delay of one step is none.
            lengths = (steps - 1) * dt
        start: dict[str, Any] = dict.fromkeys(models.get(name).state_names, 0.001)
        if name == "Kuramoto":
            start = {"theta": data["param_init_theta"][i][None, :]}
        result = simulate(
            name,
            SimpleNamespace(weights=data["sc"].T, tract_lengths=lengths),
            duration=duration,
            dt=dt,
            parameters={own: data[f"param_{theirs}"][i][None, :] for own, theirs in parameters.items()},
            coupling=coupling.Kuramoto(strength) if name == "Kuramoto" else coupling.Scaling(strength),
            integrator="euler",
            speed=None if lengths is None else 1.0,
            initial=start,
            monitors=[monitors.Raw(period=float(data["states_sampling_s"]) * 1000)],
            backend=backend,
            precision=precision,
        )
        rows.append(result.array("raw")[0])
    return np.array(rows)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(("backend", "precision"), [("reference", "float64"), ("cpu", "float64"), ("cpu", "float32")])
def test_states(cubnm: Callable[[str], Any], name: str, backend: str, precision: str) -> None:
    data = cubnm(name)
    model, parameters, states = CASES[name]
    # The slow reference need not go through the whole second.
    duration = 100.0 if backend == "reference" else float(data["duration_s"]) * 1000
    found = _run(data, model, parameters, duration, backend, precision)
    # An independent implementation in float64 agrees to 1e-11; float32 is asked for 1e-5.
    tolerance = 1e-10 if precision == "float64" else 1e-5
    for index, key in enumerate(states.values()):
        expected, values = data[key][:, : found.shape[1]], found[:, :, index]
        if model == "Kuramoto":
            if precision == "float32":
                # The phase grows to 400 rad, whose last place is 3e-5: two of them.
                tolerance = 2 * float(np.spacing(np.float32(values.max())))
            expected, values = np.exp(1j * expected), np.exp(1j * values)  # cuBNM wraps the phase
        np.testing.assert_allclose(values, expected, rtol=0, atol=tolerance * np.abs(expected).max())
