"""A model, its coupling and an integrator composed into the expression graphs of one step.

Symbols of these graphs: x.NAME state; p.NAME model parameter; p.coupling.NAME coupling parameter; sum.I weighted sum of
channel I; k in-strength; z.NAME standard normal; p.noise.NAME its strength; x.noise.NAME state of coloured noise,
p.decay.NAME and p.kick.NAME its factors; v.K waveform K; q.NAME what an earlier stage of the step left; dt;
r.NAME a phase within one turn, e.NAME what rounding has added to its state; m.NAME what leads back to mid-step.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from l2l.simulator.codegen.expression import ONE, Node, const, make, substitute, symbol, symbols
from l2l.simulator.codegen.parser import parse
from l2l.simulator.codegen.phases import phases, reduce, reduced_symbol, within_a_turn
from l2l.simulator.codegen.separate import separate
from l2l.simulator.coupling import CouplingFunction
from l2l.simulator.integrators import Integrator
from l2l.simulator.model import Model, StateVariable

#: A state beyond it has run away: no model has such numbers in any unit, and float32 holds them still.
RUNAWAY = 1e12


@dataclass(frozen=True)
class System:
    """A model with its coupling.

    channels: what each node sends, over x. and p.
    inputs: what each coupling input is, over sum., k, x. and p.
    derivatives: over x., p. and c.SYMBOL (the coupling inputs).
    names: every quantity that a monitor may record, over the same.
    pairs: for some channels, what is added up in their stead: over x_j (what was sent), x_i (the receiver's own) and p.
    """

    model: Model
    channels: tuple[Node, ...]
    inputs: Mapping[str, Node]
    derivatives: Mapping[str, Node]
    noise: Mapping[str, Node]
    names: Mapping[str, Node]
    pairs: Mapping[int, Node] = field(default_factory=dict)

    @property
    def states(self) -> tuple[StateVariable, ...]:
        return self.model.states

    def quantity(self, text: str, what: str) -> Node:
        """The graph of a state, a derived or exposed quantity, or an expression of them."""
        return parse(text, self.names, what)


@dataclass(frozen=True)
class Stage:
    """A stage of the step before its last one, where coupling is taken at every stage.

    held: what is kept for the later stages of the step, by q. symbol. channels: what is sent at the next stage's point.
    between: that point lies in the middle of the step, so it is sent on the second half of the step's channels.
    """

    held: Mapping[str, Node]
    channels: tuple[Node, ...]
    between: bool = False


@dataclass(frozen=True)
class Step:
    """One step of the whole system: what a kernel computes.

    channels: those that the step reads; `sum.I` is the weighted sum of channels[I].
    increments: by state name, what is added to it. observed: for each group of monitored quantities their graphs, over
    the state after the step and the coupling of the step.
    stages: those before the last; between two the nodes exchange what they send. Empty: coupling is taken once a step.
    pairs: as in `System`. reduced: what the r. symbols are, over x. and e., by state; see `phases`.
    midpoints: what the m. symbols are, by state. If there are any, the second half of the channels is what was sent in
    the middle of the step: stages there read it where the delay points.
    """

    states: tuple[StateVariable, ...]
    channels: tuple[Node, ...]
    increments: Mapping[str, Node]
    observed: tuple[tuple[Node, ...], ...]
    stages: tuple[Stage, ...] = ()
    pairs: Mapping[int, Node] = field(default_factory=dict)
    reduced: Mapping[str, Node] = field(default_factory=dict)
    midpoints: Mapping[str, Node] = field(default_factory=dict)

    def roots(self) -> list[Node]:
        nodes = [*self.channels, *self.increments.values(), *(n for group in self.observed for n in group)]
        for stage in self.stages:
            nodes += [*stage.held.values(), *stage.channels]
        return [*nodes, *self.pairs.values(), *self.reduced.values(), *self.midpoints.values()]

    def heard(self, number: int) -> list[int]:
        """The channels whose sums a stage reads, counted from 0; the last stage is that of the increments."""
        if number < len(self.stages):
            graphs = [*self.stages[number].held.values(), *self.stages[number].channels]
        else:
            graphs = [*self.increments.values(), *(n for group in self.observed for n in group)]
            graphs += self.midpoints.values()
        read = symbols(graphs)
        return [c for c in range(len(self.channels)) if f"sum.{c}" in read]

    def first_channel(self, stage: Stage) -> int:
        """The first channel that a stage sends on."""
        return len(self.channels) // 2 if stage.between else 0

    def held(self) -> list[str]:
        """Names of the q. symbols, in the order in which they are computed."""
        return [name for stage in self.stages for name in stage.held]

    def parameters(self) -> list[str]:
        """Names of the p. symbols that the step reads, sorted."""
        return sorted(name for name in symbols(self.roots()) if name.startswith("p."))

    def waves(self) -> list[str]:
        """Names of the v. symbols that the step reads, in order."""
        used = [name for name in symbols(self.roots()) if name.startswith("v.")]
        return sorted(used, key=lambda name: int(name[2:]))

    def noisy(self) -> list[str]:
        """The states that noise enters, in the model's order."""
        used = symbols(self.roots())
        return [s.name for s in self.states if f"z.{s.name}" in used]


def compose(model: Model, coupling: CouplingFunction | Mapping[str, Sequence[tuple[str, CouplingFunction]]]) -> System:
    """Reads all texts of a model and its coupling. Raises ModelError at the first that is not well formed.

    coupling: of all inputs; or for each input the functions that add up to it, each with the prefix of its parameters.
    """
    names: dict[str, Node] = {s.name: symbol(f"x.{s.name}") for s in model.states}
    names |= {p.name: symbol(f"p.{p.name}") for p in model.parameters}
    network = _Network()
    inputs: dict[str, Node] = {}
    sendable = dict(names)
    for received in model.inputs:
        source = parse(received.source, sendable, f"source of {received.symbol} in {model.name}")
        functions = [("", coupling)] if isinstance(coupling, CouplingFunction) else coupling[received.symbol]
        terms = [network.receive(function, prefix, source) for prefix, function in functions]
        total = terms[0]
        for term in terms[1:]:
            total = make("add", total, term)
        inputs[received.symbol] = total
        names[received.symbol] = symbol(f"c.{received.symbol}")

    for name, text in model.derived:
        names[name] = parse(text, names, f"{name} in {model.name}")
    derivatives = {
        s.name: parse(model.derivatives[s.name], names, f"d{s.name}/dt in {model.name}") for s in model.states
    }
    noise = {name: parse(text, names, f"noise of {name} in {model.name}") for name, text in model.noise.items()}
    for name, text in model.exposed.items():
        names[name] = parse(text, names, f"{name} in {model.name}")
    channels = tuple(channel for channel, _ in network.sums)
    pairs = {i: pair for i, (_, pair) in enumerate(network.sums) if pair is not None}
    return System(model, channels, inputs, derivatives, noise, names, pairs)


class _Network:
    """The weighted sums that the coupling of a system needs: what is sent, and for each connection, made of it."""

    def __init__(self) -> None:
        self.sums: list[tuple[Node, Node | None]] = []

    def sum(self, channel: Node, pair: Node | None = None) -> Node:
        """The symbol of a weighted sum; the same one for the same channel."""
        if (channel, pair) not in self.sums:
            self.sums.append((channel, pair))
        return symbol(f"sum.{self.sums.index((channel, pair))}")

    def receive(self, function: CouplingFunction, prefix: str, source: Node) -> Node:
        """What a function makes of the network, where the nodes send `source`."""
        own = {p.name: symbol(f"p.coupling.{prefix}{p.name}") for p in function.parameters}
        local = {**own, "x_i": source, "k_i": symbol("k")}
        what = f"{function.name} coupling"
        if function.pre:
            pre = parse(function.pre, {**own, "x_j": symbol("x_j"), "x_i": symbol("x_i")}, f"pre of {what}")
            return parse(function.receive, {**local, "S": self.weighted(pre, source)}, f"post of {what}")
        for index, text in enumerate(function.channels):
            local[f"S{index}"] = self.sum(parse(text, {**own, "x_j": source}, f"channel of {what}"))
        return parse(function.receive, local, what)

    def weighted(self, pre: Node, source: Node) -> Node:
        """The weighted sum of `pre`, an expression over x_j and x_i."""
        products = separate(pre)
        if products is None:
            return self.sum(source, pre)
        total = const(0.0)
        for sent, factor in products:
            here = {"x_j": source, "x_i": source}
            part = symbol("k") if sent is ONE else self.sum(substitute([sent], here)[0])
            total = make("add", total, make("mul", substitute([factor], here)[0], part))
        return total


def clip(node: Node, state: StateVariable) -> Node:
    """`node` within the bounds of `state`; NaN stays NaN."""
    if math.isfinite(state.lower):
        node = make("maximum", node, const(state.lower))
    if math.isfinite(state.upper):
        node = make("minimum", node, const(state.upper))
    return node


def advance(
    system: System,
    integrator: Integrator,
    observed: Iterable[Iterable[Node]] = (),
    *,
    noisy: Iterable[str] = (),
    coloured: bool = False,
    stimuli: Mapping[str, Node] | None = None,
    constants: Mapping[str, float] | None = None,
    per_stage: bool = False,
    compensated: bool = False,
    between: bool = False,
) -> Step:
    """The graphs of one step.

    per_stage: coupling is taken anew at each stage of the integrator, not once a step.
    between: with delays, stages in the middle of the step read what was sent in the middle of a step.
    compensated: the kernel knows what rounding has added to each state; phases are then read within one turn.

    noisy: states with noise. coloured: it is a state of its own, that follows those of the model.
    stimuli: by state name what is added to its derivative.
    constants: parameters (by symbol) that are the same number everywhere and may be folded.
    """
    noisy, inflow = set(noisy), stimuli or {}
    fixed = {name: const(value) for name, value in (constants or {}).items()}
    states = system.states
    coupled = {f"c.{name}": node for name, node in system.inputs.items()}
    hidden: list[StateVariable] = []
    increments: dict[str, Node] = {}
    own: dict[str, dict[str, Node]] = {}
    for state in states:
        w = const(0.0)
        if state.name in noisy:
            z = symbol(f"z.{state.name}")
            if coloured:
                eta = StateVariable(f"noise.{state.name}", -1.0, 1.0)
                old = symbol(f"x.{eta.name}")
                z = make(
                    "add",
                    make("mul", symbol(f"p.decay.{state.name}"), old),
                    make("mul", symbol(f"p.kick.{state.name}"), z),
                )
                hidden.append(eta)
                increments[eta.name] = make("sub", z, old)
            w = make("mul", symbol(f"p.noise.{state.name}"), z)
            if state.name in system.noise:
                w = make("mul", w, substitute([system.noise[state.name]], coupled)[0])
        u = inflow.get(state.name, const(0.0))
        own[state.name] = {"x": symbol(f"x.{state.name}"), "w": w, "u": u, "dt": symbol("dt")}

    stages: list[Stage] = []
    if per_stage and system.channels and len(integrator.stages) > 1:
        stages = _stages(system, integrator, own, increments, between)
    else:
        for number in range(1, len(integrator.stages) + 1):
            slopes = substitute(system.derivatives.values(), _point(system, integrator, own, number))
            # Coupling belongs to the whole step: it is put in after the stage's point.
            for state, slope in zip(states, substitute(slopes, coupled), strict=True):
                own[state.name][f"k{number}"] = slope
    for state in states:
        increments[state.name] = parse(integrator.increment, own[state.name], f"increment of {integrator.name}")
    channels, midpoints = system.channels, dict[str, Node]()
    if stages and between:
        channels, midpoints = _middle(system, integrator, own)

    every = (*states, *hidden)
    turns: dict[str, float] = {}
    if compensated:
        free = [state.name for state in states if not math.isfinite(state.lower) and not math.isfinite(state.upper)]
        turns = phases(
            [*system.channels, *system.inputs.values(), *system.derivatives.values(), *system.noise.values()], free
        )
    observed = [list(group) for group in observed]
    for name, turn in turns.items():
        observed = [reduce(group, f"x.{name}", reduced_symbol(name), turn) for group in observed]
        coupled = dict(zip(coupled, substitute(coupled.values(), {f"x.{name}": reduced_symbol(name)}), strict=True))
    return _pruned(
        system,
        fixed,
        {f"x.{name}": reduced_symbol(name) for name in turns},
        Step(
            states=every,
            channels=channels,
            increments={state.name: increments[state.name] for state in every},
            observed=tuple(tuple(substitute(group, coupled)) for group in observed),
            stages=tuple(stages),
            reduced={n: within_a_turn(symbol(f"x.{n}"), symbol(f"e.{n}"), turn) for n, turn in turns.items()},
            midpoints=midpoints,
            pairs={**system.pairs, **{len(channels) // 2 + i: p for i, p in system.pairs.items() if midpoints}},
        ),
    )


def _point(
    system: System, integrator: Integrator, own: Mapping[str, Mapping[str, Node]], number: int
) -> dict[str, Node]:
    """The state at which a stage takes the derivative, by symbol."""
    point = {}
    for state in system.states:
        node = parse(integrator.stages[number - 1], own[state.name], f"stage {number} of {integrator.name}")
        point[f"x.{state.name}"] = node if number == 1 else clip(node, state)
    return point


def _middle(
    system: System, integrator: Integrator, own: Mapping[str, Mapping[str, Node]]
) -> tuple[tuple[Node, ...], dict[str, Node]]:
    """The channels with those of the middle of the step behind them, and what leads there from its end, by state."""
    sent = symbols(system.channels)
    back, point = {}, {}
    for state in system.states:
        here = f"x.{state.name}"
        if here in sent:
            back[state.name] = parse(integrator.midpoint, own[state.name], f"midpoint of {integrator.name}")
            point[here] = clip(make("add", symbol(here), symbol(f"m.{state.name}")), state)
    return (*system.channels, *substitute(system.channels, point)), back


def _stages(
    system: System,
    integrator: Integrator,
    own: dict[str, dict[str, Node]],
    increments: dict[str, Node],
    between: bool,
) -> list[Stage]:
    """The stages before the last, each with the coupling of its own point.

    Leaves the slope of the last in `own`, and in `own` and `increments` the symbols of what was held for it.
    """
    coupled = {f"c.{name}": node for name, node in system.inputs.items()}
    equations = substitute(system.derivatives.values(), coupled)
    count = len(system.channels)
    halfway = {f"sum.{i}": symbol(f"sum.{count + i}") for i in range(count)}
    middle = [between and time not in (0.0, 1.0) for time in integrator.times]
    names = [state.name for state in system.states]
    held: dict[str, Node] = {}

    def hold(name: str, node: Node) -> Node:
        held[name] = node
        return symbol(name)

    stages = []
    last = len(integrator.stages)
    for number in range(1, last):
        here = substitute(equations, halfway) if middle[number - 1] else equations
        slopes = dict(zip(names, substitute(here, _point(system, integrator, own, number)), strict=True))
        reached = {name: own[name] | {f"k{number}": slopes[name]} for name in names}
        ahead = _point(system, integrator, reached, number + 1)
        for name in names:
            own[name][f"k{number}"] = hold(f"q.k{number}.{name}", slopes[name])
            if number == 1 and not own[name]["w"].is_const:
                own[name]["w"] = hold(f"q.w.{name}", own[name]["w"])
        if number == 1:  # coloured noise
            for name in increments:
                increments[name] = hold(f"q.{name}", increments[name])
        stages.append(Stage(dict(held), tuple(substitute(system.channels, ahead)), between=middle[number]))
        held.clear()
    for name, slope in zip(names, substitute(equations, _point(system, integrator, own, last)), strict=True):
        own[name][f"k{last}"] = slope
    return stages


def _pruned(system: System, fixed: Mapping[str, Node], turned: Mapping[str, Node], step: Step) -> Step:
    """With `fixed` folded, without the channels that nobody reads (whose weight in the equations is 0, say).

    turned: what the equations read in place of some states; what is observed has been looked at before.
    """

    def fold(nodes: Iterable[Node]) -> tuple[Node, ...]:
        return tuple(substitute(nodes, {**fixed, **turned}))

    increments = dict(zip(step.increments, fold(step.increments.values()), strict=True))
    held = [dict(zip(stage.held, fold(stage.held.values()), strict=True)) for stage in step.stages]
    observed = [tuple(substitute(group, fixed)) for group in step.observed]
    used = symbols([*increments.values(), *(n for h in held for n in h.values()), *(n for g in observed for n in g)])
    kept = [i for i in range(len(step.channels)) if f"sum.{i}" in used]
    half = len(system.channels)
    numbers = {f"sum.{old}": symbol(f"sum.{new}") for new, old in enumerate(kept)}

    def renumber(nodes: Mapping[str, Node]) -> dict[str, Node]:
        return dict(zip(nodes, substitute(nodes.values(), numbers), strict=True))

    def channels(some: tuple[Node, ...], first: int = 0) -> tuple[Node, ...]:
        return tuple(substitute(fold(some[i - first] for i in kept if first <= i < first + len(some)), numbers))

    return Step(
        states=step.states,
        channels=channels(step.channels),
        increments=renumber(increments),
        observed=tuple(tuple(substitute(group, numbers)) for group in observed),
        stages=tuple(
            Stage(renumber(h), channels(s.channels, half if s.between else 0), s.between)
            for h, s in zip(held, step.stages, strict=True)
        ),
        pairs={new: fold([step.pairs[old]])[0] for new, old in enumerate(kept) if old in step.pairs},
        reduced=step.reduced,
        midpoints=renumber(dict(zip(step.midpoints, fold(step.midpoints.values()), strict=True))),
    )
