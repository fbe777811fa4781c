"""What inhibition control needs of a model: the names of its feedback inhibition, and its equations at rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l2l.errors import SimulationError
from l2l.simulator.codegen.calculus import differentiate
from l2l.simulator.codegen.expression import Node, evaluate
from l2l.simulator.codegen.system import System, compose
from l2l.simulator.coupling import Coupling, Given, as_terms
from l2l.simulator.model import Model
from l2l.simulator.prepare import values_of_parameters
from l2l.simulator.values import broadcast_values, size_of_ensemble

Array = NDArray[np.float64]

# The rest of an isolated node of Deco et al. (2014) with J_i = 1, as Demirtaş et al. (2019) and cuBNM write it out.
EXCITATORY_CURRENT = 0.3773805650  # nA
EXCITATORY_GATING = 0.1647572075


@dataclass(frozen=True)
class Names:
    """What a model calls the parts of its feedback inhibition.

    weight: the parameter. excitatory, inhibitory: gating variables. current: of the excitatory population.
    arriving: the part of that current that comes from the network, an expression.
    """

    weight: str
    excitatory: str
    inhibitory: str
    current: str
    arriving: str


CONTROLLED: dict[str, Names] = {
    "ReducedWongWangFIC": Names("wIE", "S_E", "S_I", "I_E", "J_N*c"),
    "ReducedWongWangExcInh": Names("J_i", "S_e", "S_i", "I_e", "network"),
}


def names_of(model: Model) -> Names:
    """What `model` calls its feedback inhibition; raises SimulationError naming the models that have it."""
    if model.name not in CONTROLLED:
        raise SimulationError(
            f"{model.name} has no feedback inhibition to control; models that have it: {', '.join(CONTROLLED)}"
        )
    return CONTROLLED[model.name]


class Rest:
    """The equations of every node of every simulation, (simulation, node), evaluated from the model's own graphs."""

    def __init__(
        self,
        model: Model,
        names: Names,
        weights: Array,
        parameters: Mapping[str, Any],
        coupling: str | Coupling | Mapping[str, Given] | None,
        simulations: int | None,
    ) -> None:
        given = {name: value for name, value in parameters.items() if name != names.weight}
        received = as_terms(coupling, model)
        self.names, self.weights = names, weights
        functions = {i: [(prefix, c.function) for prefix, c in terms] for i, terms in received.items()}
        self.system: System = compose(model, functions)
        values = values_of_parameters(model, received, given)
        nodes = len(weights)
        told = [("simulations", simulations)] if simulations is not None else []
        count = size_of_ensemble(values.values(), nodes, told)
        table = {name: broadcast_values(value, count, nodes) for name, value in values.items()}
        self.table: dict[str, Any] = table | {"k": weights.sum(axis=1)[None, :]}
        self.shape = (count, nodes)

    def value(self, graph: Node, excitatory: Any, inhibitory: Any, weight: Any, arrives: Mapping[str, Any]) -> Array:
        """(simulation, node) value of a graph over states, parameters and what arrives."""
        names = self.names
        point = {f"x.{names.excitatory}": excitatory, f"x.{names.inhibitory}": inhibitory, f"p.{names.weight}": weight}
        with np.errstate(all="ignore"):
            [result] = evaluate([graph], {**self.table, **arrives, **point})
        return np.broadcast_to(np.asarray(result, dtype=np.float64), self.shape)

    def excitatory_gating(self, current: float) -> Array:
        """The excitatory gating that rests at a given excitatory current: its derivative is linear in it."""
        silent = {f"c.{name}": 0.0 for name in self.system.inputs}
        slope = self.system.derivatives[self.names.excitatory]
        ends = []
        for gating in (0.0, 1.0):
            # Any inhibitory gating serves (1, say), with the weight that makes the current what it should be.
            weight = self.current(gating, 1.0, silent, 0.0) - current
            ends.append(self.value(slope, gating, 1.0, weight, silent))
        gating_found = ends[0] / (ends[0] - ends[1])
        # The published digits, where they are meant: cuBNM computes with them.
        meant = (current == EXCITATORY_CURRENT) & (np.abs(gating_found - EXCITATORY_GATING) < 1e-9)
        return np.where(meant, EXCITATORY_GATING, gating_found)

    def current(self, excitatory: Any, inhibitory: Any, arrives: Mapping[str, Any], weight: Any) -> Array:
        return self.value(self.system.names[self.names.current], excitatory, inhibitory, weight, arrives)

    def arriving(self, gating: Array) -> dict[str, Any]:
        """What each node receives when all rest: delays do not matter then."""
        system = self.system
        if system.pairs:
            raise SimulationError(
                "inhibition control needs a coupling whose senders and receivers separate, but a function of pairs of "
                "nodes was given; use coupling.Scaling or coupling.Linear"
            )
        values = {**self.table, f"x.{self.names.excitatory}": gating}
        sums = {}
        for channel, sent in enumerate(evaluate(system.channels, values)):
            sums[f"sum.{channel}"] = np.broadcast_to(sent, self.shape) @ self.weights.T
        graphs = system.inputs.values()
        received = evaluate(graphs, {**values, **sums})
        return {f"c.{name}": np.asarray(value) for name, value in zip(system.inputs, received, strict=True)}

    def inhibitory_gating(self, excitatory: Array, arrives: Mapping[str, Any]) -> tuple[Array, Array]:
        """The inhibitory gating at rest, and how far it is from it, relative to itself.

        Its derivative falls from above 0 as it grows, and is convex: Newton's method from 0 climbs to the root and
        never passes it.
        """
        name = self.names.inhibitory
        slope = self.system.derivatives[name]
        change = differentiate(slope, f"x.{name}")
        gating: Array = np.zeros(self.shape)
        step = gating
        for _ in range(100):
            rate = self.value(change, excitatory, gating, 0.0, arrives)
            step = self.value(slope, excitatory, gating, 0.0, arrives) / rate
            gating = gating - step
            if not (np.abs(step) > 1e-15 * np.abs(gating)).any():
                break
        with np.errstate(divide="ignore", invalid="ignore"):
            residual = np.abs(self.value(slope, excitatory, gating, 0.0, arrives) / (rate * gating))
        return gating, np.where(np.isfinite(residual), residual, np.inf)
