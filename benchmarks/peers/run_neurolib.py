"""neurolib: Numba, a simulation at a time, Euler; its noise is an Ornstein-Uhlenbeck process on each variable."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from common import case, measure
from neurolib.models.ww import WWModel


def main() -> None:
    told = case()
    # The reduced Wong-Wang model with two populations is the one that both have.
    if told["model"] != "ReducedWongWangExcInh" or told["integrator"] != "euler":
        return

    def make() -> Callable[[], tuple[int, Any]]:
        steps = 5000
        model = WWModel(Cmat=told["weights"], Dmat=told["delays"], seed=1)
        model.params["dt"], model.params["duration"] = told["dt"], steps * told["dt"]
        model.params["signalV"] = 1.0 if told["delayed"] else 0.0
        model.params["K_gl"], model.params["sigma_ou"] = 0.03, told["sigma"]

        def run() -> tuple[int, Any]:
            model.run()
            return steps * told["nodes"], model.se[:, -1]

        return run

    measure("neurolib", make, told["seconds"])


if __name__ == "__main__":
    main()
