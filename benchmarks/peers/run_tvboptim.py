"""tvboptim: JAX, one simulation at a time and sixteen by jax.vmap, each with noise of its own."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from common import case, measure

warnings.simplefilter("ignore")

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
from tvboptim.experimental.network_dynamics import Network, prepare  # noqa: E402
from tvboptim.experimental.network_dynamics import coupling as couplings  # noqa: E402
from tvboptim.experimental.network_dynamics.dynamics import tvb as dynamics  # noqa: E402
from tvboptim.experimental.network_dynamics.graph import DenseDelayGraph, DenseGraph  # noqa: E402
from tvboptim.experimental.network_dynamics.noise import AdditiveNoise  # noqa: E402
from tvboptim.experimental.network_dynamics.solvers import Euler, Heun  # noqa: E402

# What each model sends.
SENT = {"MontbrioPazoRoxin": ("r", "V"), "ReducedWongWang": ("S",), "Kuramoto": ("theta",), "Epileptor": ("x1", "x2")}
KIND = {"Kuramoto": "Kuramoto", "Epileptor": "Difference"}


def prepared(told: dict[str, Any], steps: int, strategy: str) -> tuple[Callable[[Any], Any], Any]:
    model, dt = told["model"], told["dt"]
    kind = KIND.get(model, "Linear") + "Coupling"
    sent = SENT[model]
    local = {} if kind == "LinearCoupling" else {"local_states": sent}
    # Its classes send one state; MontbrioPazoRoxin and Epileptor receive two.
    base = getattr(couplings, f"Delayed{kind}" if told["delayed"] else kind)
    scheme = type(kind, (base,), {"N_OUTPUT_STATES": len(sent)})
    if told["delayed"]:
        linked = scheme(incoming_states=sent, G=0.03, buffer_strategy=strategy, **local)
        graph = DenseDelayGraph(jnp.asarray(told["weights"]), jnp.asarray(told["delays"]))
    else:
        linked = scheme(incoming_states=sent, G=0.03, **local)
        graph = DenseGraph(jnp.asarray(told["weights"]))
    network = Network(
        getattr(dynamics, model)(**told["parameters"]), {"delayed" if told["delayed"] else "instant": linked}, graph,
        noise=AdditiveNoise(sigma=told["sigma"], key=jax.random.key(0)),
    )  # fmt: skip
    solver = {"heun": Heun, "euler": Euler}[told["integrator"]]()
    return prepare(network, solver, t0=0.0, t1=steps * dt, dt=dt)


def main() -> None:
    told = case()
    if told["bold"] or told["model"] not in SENT:
        return

    def making(simulations: int, steps: int, strategy: str) -> Callable[[], Callable[[], tuple[int, Any]]]:
        def make() -> Callable[[], tuple[int, Any]]:
            model, config = prepared(told, steps, strategy)
            where = "delayed" if told["delayed"] else "instant"

            def one(strength: Any, key: Any) -> Any:
                own = jax.tree.map(lambda leaf: leaf, config)  # a copy
                own.coupling[where].G = strength
                own.noise.key = key
                # The mean of the run, so that nothing larger has to be kept.
                return model(own).ys.mean(axis=0)

            ensemble = jax.jit(jax.vmap(one) if simulations > 1 else one)
            strengths = jnp.linspace(0.01, 0.05, simulations)
            keys = jax.random.split(jax.random.key(1), simulations)
            arguments = (strengths, keys) if simulations > 1 else (strengths[0], keys[0])
            return lambda: (steps * told["nodes"] * simulations, ensemble(*arguments).block_until_ready())

        return make

    for strategy in ("circular", "preallocated") if told["delayed"] else ("",):
        for simulations, steps in ((1, 5000), (16, 2000)):
            name = ", ".join(part for part in ("tvboptim", f"{simulations} at once", strategy) if part)
            measure(name, making(simulations, steps, strategy), told["seconds"])


if __name__ == "__main__":
    main()
