"""The Virtual Brain: its simulator (NumPy), and the Numba backends that have the model; a simulation at a time."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from common import case, measure

warnings.simplefilter("ignore")

from tvb.simulator.backend.nb import NbBackend  # noqa: E402
from tvb.simulator.backend.nb_mpr import NbMPRBackend  # noqa: E402
from tvb.simulator.lab import connectivity, coupling, integrators, models, monitors, noise, simulator  # noqa: E402

COUPLING = {"Kuramoto": coupling.Kuramoto, "Epileptor": coupling.Difference}


def configured(told: dict[str, Any], nsig: list[float]) -> Any:
    nodes, dt = told["nodes"], told["dt"]
    network = connectivity.Connectivity(
        weights=told["weights"], tract_lengths=told["delays"], speed=np.r_[1.0],
        region_labels=np.array([str(i) for i in range(nodes)]), centres=np.zeros((nodes, 3)),
    )  # fmt: skip
    scheme = {"heun": integrators.HeunStochastic, "euler": integrators.EulerStochastic}[told["integrator"]]
    linked = COUPLING.get(told["model"], coupling.Linear)
    parameters = {name: np.r_[value] for name, value in told["parameters"].items()}
    return simulator.Simulator(
        model=getattr(models, told["model"])(**parameters), connectivity=network, conduction_speed=1.0,
        coupling=linked(a=np.r_[0.03]), monitors=(monitors.Raw(),),
        integrator=scheme(dt=dt, noise=noise.Additive(nsig=np.array(nsig), noise_seed=1)),
    ).configure()  # fmt: skip


def main() -> None:
    told = case()
    nodes, seconds = told["nodes"], told["seconds"]
    nsig = told["sigma"] ** 2 / 2

    def numpy_simulator() -> Callable[[], tuple[int, Any]]:
        sim, steps = configured(told, [nsig]), 1000

        def run() -> tuple[int, Any]:
            ((_, values),) = sim.run(simulation_length=steps * told["dt"])
            return steps * nodes, values[-1]

        return run

    def numba_backend() -> Callable[[], tuple[int, Any]]:
        sim, steps = configured(told, [nsig]), 20_000
        template = '<%include file="nb-sim.py.mako"/>'
        kernel = NbBackend().build_py_func(template, {"sim": sim, "np": np, "debug_nojit": False}, name="run_sim")
        return lambda: (steps * nodes, kernel(sim, nstep=steps)[..., -1])

    def numba_montbrio() -> Callable[[], tuple[int, Any]]:
        sim, steps = configured(told, [nsig, nsig]), 20_000
        backend, compiled = NbMPRBackend(), []
        build = backend.build_py_func

        def once(*arguments: Any, **options: Any) -> Any:
            """The backend compiles anew in every call; that is not its speed."""
            if not compiled:
                compiled.append(build(*arguments, **options))
            return compiled[0]

        backend.build_py_func = once

        def run() -> tuple[int, Any]:
            # Coupling once a step, as everywhere else.
            ((_, values),) = backend.run_sim(sim, nstep=steps, compatibility_mode=True)
            return steps * nodes, values[-1]

        return run

    measure("TVB, NumPy", numpy_simulator, seconds)
    # The templates can render no other model of those measured here: the others lack `coupling_terms`.
    if told["model"] == "MontbrioPazoRoxin":
        measure("TVB, NbBackend", numba_backend, seconds)
        measure("TVB, NbMPRBackend", numba_montbrio, seconds)


if __name__ == "__main__":
    main()
