"""l2l's CPU kernel: 64 simulations, float32, one thread; with preparation and copies, as a user calls it."""

from __future__ import annotations

from typing import Any

import numpy as np
from common import case, measure

from l2l.simulator import Connectome, coupling, monitors, noise, simulate

SIMULATIONS = 64
COUPLING = {"Kuramoto": coupling.Kuramoto, "Epileptor": coupling.Difference}


def main() -> None:
    told = case()
    network = Connectome(weights=told["weights"], tract_lengths=told["delays"])
    # A second of work or so, of whole milliseconds.
    steps = 20_000 if told["nodes"] < 90 else 10_000
    kept: Any = monitors.TemporalAverage(period=steps * told["dt"])
    if told["bold"]:
        kept = monitors.Bold(tr=100.0, step=1.0)
    linked = COUPLING.get(told["model"], coupling.Linear)

    def run(parameters: dict[str, float]) -> tuple[int, Any]:
        result = simulate(
            told["model"], network, duration=steps * told["dt"], dt=told["dt"], coupling=linked(),
            parameters={"coupling.a": np.linspace(0.01, 0.05, SIMULATIONS).reshape(-1, 1), **parameters},
            integrator=told["integrator"], noise=noise.Additive(sigma=told["sigma"]), monitors=[kept], seed=1,
            speed=1.0 if told["delayed"] else None, backend="cpu", threads=1,
        )  # fmt: skip
        return steps * told["nodes"] * SIMULATIONS, result.array(kept.name)

    name = f"l2l, {SIMULATIONS} simulations"
    measure(name, lambda: lambda: run(told["parameters"]), told["seconds"])
    if told["model"] == "MontbrioPazoRoxin":
        measure(f"{name}, its default cv = 0", lambda: lambda: run({}), told["seconds"])


if __name__ == "__main__":
    main()
