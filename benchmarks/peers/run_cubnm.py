"""cuBNM on the CPU: C++, float64, Euler, always with Balloon-Windkessel at 1 ms; noise is drawn before the clock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from common import case, measure
from cubnm import sim

GROUP = {"ReducedWongWang": "rWWExSimGroup", "Kuramoto": "KuramotoSimGroup"}
SIMULATIONS = 2


def main() -> None:
    told = case()
    if told["model"] not in GROUP or told["integrator"] != "euler":
        return

    def make() -> Callable[[], tuple[int, Any]]:
        duration = 1.0
        group = getattr(sim, GROUP[told["model"]])(
            duration=duration, TR=0.1, sc=told["weights"].T, sc_dist=told["delays"] if told["delayed"] else None,
            dt=str(told["dt"]), bw_dt="1.0", do_fc=False, do_fcd=False, gof_terms=[], bold_remove_s=0,
            force_cpu=True, sim_seed=1, noise_segment_length=1,
        )  # fmt: skip
        group.N = SIMULATIONS
        group.param_lists["G"] = np.linspace(0.01, 0.05, SIMULATIONS)
        group._set_default_params()
        group.param_lists["sigma"] = np.full((SIMULATIONS, told["nodes"]), told["sigma"])
        if told["delayed"]:
            group.param_lists["v"] = np.ones(SIMULATIONS)

        def run() -> tuple[int, Any]:
            group.run()
            return round(duration * 1e3 / told["dt"]) * told["nodes"] * SIMULATIONS, group.sim_bold

        return run

    measure(f"cuBNM, {SIMULATIONS} simulations", make, told["seconds"])


if __name__ == "__main__":
    main()
