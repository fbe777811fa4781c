"""Writes the step of one node of an ensemble kernel: lanes are simulations, nodes and steps are loops around it.

Arrays are flat; their layouts (L lanes, n nodes, K steps a block, T rows of the delay ring, a power of two):
    S  [n, state (then compensation), L]    R  delays: [channel, n, T + K, L]; none: [2, channel, n, L]
    C  coupling sums: [channel, n, K or `ahead`, L] or [channel, rows, L]   W, D, B, RP  connections, see `kernels.pack`
    P0 [parameter, L]   P1 [parameter, n]   P2 [parameter, n, L]    KI [n]    SD [2, L] seeds   Z noise   G given noise
    U waveforms of a stretch of steps, UB where each begins
    Q [n, held, L] what the stages of a step leave to the later ones
    NI0, ... NW0, ... places of each node (pointers, then places) and its weights there
    A0, A1, ... accumulators [n, slot, L]   O0, O1, ... output [row, quantity, n, L]   M [recorder, 2] periods
With delays, the state after step s (from 0) is sent to ring row s mod T, and rows T ... T + K - 1 repeat the first K,
so that K consecutive steps are read without wrapping (where sums are taken ahead: as many as a chunk, if that is more).
"""

from __future__ import annotations

from dataclasses import dataclass

from l2l.simulator import balloon
from l2l.simulator.codegen.expression import Node, make, symbol
from l2l.simulator.codegen.printer import Printer
from l2l.simulator.codegen.recorders import Recorder, RecorderLines
from l2l.simulator.codegen.recorders import indented as indented
from l2l.simulator.codegen.system import Step, clip

NOISE_GROUP = 4  # one Philox block serves four nodes


@dataclass(frozen=True)
class Layout:
    """How one kernel is laid out.

    delayed: with a delay ring. block: steps computed at once (K). tiled: the sources are taken in tiles.
    ahead: steps, a power of two, whose sums over delays at least as long are taken at once; 0: none are.
    chunk: so many of these steps have their sums in registers at a time.
    abreast: with delays: nodes that are advanced side by side, 1 or 2; one's arithmetic fills the other's waits.
    odd: the number of nodes is; the last one is then advanced alone.
    rows: nodes whose sums are kept in registers at once (no delays).
    levels: for each parameter symbol the array that holds it, 0, 1 or 2 for P0, P1, P2.
    noise: "none", "drawn" or "given". waves: (symbol, differs between simulations, between nodes) of each waveform.
    sparse: no delays: connections are listed, not stored as a matrix.
    """

    lanes: int
    delayed: bool
    block: int
    tiled: bool
    rows: int
    levels: tuple[tuple[str, int], ...]
    noise: str
    compensated: bool
    precision: str
    recorders: tuple[Recorder, ...]
    waves: tuple[tuple[str, bool, bool], ...] = ()
    sparse: bool = False
    ahead: int = 0
    chunk: int = 0
    abreast: int = 1
    odd: bool = False

    @property
    def mirrored(self) -> int:
        """Rows at the beginning of the delay ring that stand again behind its end."""
        return max(self.block, self.chunk)


def slots_of_parameters(layout: Layout) -> dict[str, tuple[int, int]]:
    """For each parameter symbol its array (0, 1, 2) and its index there."""
    count = [0, 0, 0]
    slots = {}
    for name, array in layout.levels:
        slots[name] = (array, count[array])
        count[array] += 1
    return slots


class Emitter(RecorderLines):
    """Prints the step of a node. What surrounds it differs: `lanes.LaneEmitter`, and the CUDA kernel's."""

    printer_class = Printer

    def __init__(self, step: Step, layout: Layout) -> None:
        self.step = step
        self.layout = layout
        self.L = layout.lanes
        self.K = layout.block
        self.depth = layout.ahead or layout.block  # steps whose sums are kept
        self.slots = slots_of_parameters(layout)
        self.noisy = step.noisy()
        self.width = len(step.states) * (2 if layout.compensated else 1)
        leaves: dict[str, tuple[str, int]] = {"dt": ("h", 0), "k": ("ki", 1)}
        for index, state in enumerate(step.states):
            leaves[f"x.{state.name}"] = (f"x{index}", 2)
            leaves[f"z.{state.name}"] = (f"z{index}", 2)
            leaves |= {f"e.{state.name}": (f"e{index}", 2), f"r.{state.name}": (f"turned{index}", 2)}
            leaves[f"m.{state.name}"] = (f"mid{index}", 2)
        for index in range(len(step.channels)):
            leaves[f"sum.{index}"] = (f"c{index}", 2)
        for index, (name, (array, _)) in enumerate(self.slots.items()):
            leaves[name] = (f"p{index}", 0 if array == 0 else 1)
        leaves |= {name: (f"held{index}", 2) for index, name in enumerate(step.held())}
        leaves |= {name: (f"v{index}", 2) for index, (name, _, _) in enumerate(layout.waves)}
        for m in range(len(layout.recorders)):
            for name in (*balloon.STATES, "z"):
                leaves[f"b{m}.{name}"] = (f"b{m}{name}", 2)
        self.printer = self.printer_class(leaves)
        # Sums of a function of both nodes have a printer of their own: they stand in a loop of their own.
        leaves = {name: (text, min(1, level) * 2) for name, (text, level) in leaves.items()}
        self.pair_printer = self.printer_class(leaves | {"x_j": ("sent", 2), "x_i": ("mine", 2)})
        self.linear = [c for c in range(len(step.channels)) if c not in step.pairs]
        self.pairs = {c: self.pair_printer.print([pair], f"g{c}") for c, pair in step.pairs.items()}
        self.printer.constants |= self.pair_printer.constants
        # Source that fetches noise, for four nodes together: before a node, or before the rows of a block of nodes.
        self.before_node: list[str] = []
        self.before_rows: list[str] = []

    def node_stage(self, kk: str, ring: bool) -> list[str]:
        """Advances node i by one block of steps, its state in registers."""
        before, body, after = self.node_parts(kk, ring)
        fetch = [] if self.step.stages else self.before_node
        if kk == "0":
            return [*fetch, *before, *body, *after]
        return [*fetch, *before, "for kk in range(kn):", *indented(body), *after]

    def node_parts(self, kk: str, ring: bool) -> tuple[list[str], list[str], list[str]]:
        """What advances node i: what is loaded before its steps, the step, what is stored after them."""
        L, ns = self.L, len(self.step.states)
        turned = self.turned()
        increments = [self.increment(name, node) for name, node in self.step.increments.items()]
        lines, texts = self.printer.print([*increments, *self.step.midpoints.values()], "t")
        self.printer.forget_step()
        update = [f"d{i} = {text}" for i, text in enumerate(texts[:ns])]
        update += [
            f"{self.printer.leaves[f'm.{name}'][0]} = {text}"
            for name, text in zip(self.step.midpoints, texts[ns:], strict=True)
        ]
        for i, state in enumerate(self.step.states):
            update += self.update(i, clip(symbol(f"x.{state.name}"), state))
        update += self.turned()
        sent, channels = self.printer.print(self.step.channels, "s")
        send = self.send(channels, ring)
        record = [line for m in range(len(self.layout.recorders)) for line in self.record(m)]
        body = [
            *([] if self.step.stages else self.noise(kk)),
            *self.stimuli(kk),
            *self.coupling_of_step(ring),
            *self.held_before(len(self.step.stages)),
            *lines,
            *update,
            *sent,
            *send,
            *record,
        ]

        before = self.states_of_node()
        after = [f"store(S, (i*{self.width} + {i})*{L}, x{i})" for i in range(ns)]
        if self.layout.compensated:
            before += [f"e{i} = load(S, (i*{self.width} + {ns + i})*{L})" for i in range(ns)]
            after += [f"store(S, (i*{self.width} + {ns + i})*{L}, e{i})" for i in range(ns)]
        before += [*turned, *self.constants_of_node()]
        for m, recorder in enumerate(self.layout.recorders):
            before.append(f"l{m} = scalar_load(M, {2 * m}) - q{m}")
            before.append(f"row{m} = r{m}")
            names = self.accumulators(m)
            before += [f"{name} = load(A{m}, (i*{recorder.slots} + {s})*{L})" for s, name in enumerate(names)]
            after += [f"store(A{m}, (i*{recorder.slots} + {s})*{L}, {name})" for s, name in enumerate(names)]
        return before, body, after

    def early_stage(self, number: int, kk: str, ring: bool) -> list[str]:
        """A stage of node i before the last: keeps what the later ones need, sends what the next point is."""
        stage = self.step.stages[number]
        L, ns = self.L, len(self.step.states)
        errors = [
            f"e{i} = load(S, (i*{self.width} + {ns + i})*{L})"
            for i, state in enumerate(self.step.states)
            if state.name in self.step.reduced
        ]
        turned = [*errors, *self.turned()]
        lines, texts = self.printer.print([*stage.held.values(), *stage.channels], "t")
        self.printer.forget_step()
        held, channels = texts[: len(stage.held)], texts[len(stage.held) :]
        body = [
            *(self.noise(kk) if number == 0 else []),
            *self.stimuli(kk),
            *self.coupling_of_step(ring),
            *self.held_before(number),
            *lines,
            *(f"store(Q, {self.held_place(name)}, {text})" for name, text in zip(stage.held, held, strict=True)),
            *self.send(channels, ring, self.step.first_channel(stage)),
        ]
        fetch = self.before_node if number == 0 else []
        before = [*fetch, *self.states_of_node(), *turned, *self.constants_of_node()]
        return [*before, *body] if kk == "0" else [*before, "for kk in range(kn):", *indented(body)]

    def held_place(self, name: str) -> str:
        held = self.step.held()
        return f"(i*{len(held)} + {held.index(name)})*{self.L}"

    def held_before(self, number: int) -> list[str]:
        """What the stages before this one have left."""
        names = [name for stage in self.step.stages[:number] for name in stage.held]
        return [f"{self.printer.leaves[name][0]} = load(Q, {self.held_place(name)})" for name in names]

    def turned(self) -> list[str]:
        """The phases of node i within one turn, of the states as they stand."""
        index = {state.name: i for i, state in enumerate(self.step.states)}
        lines, texts = self.printer.print(self.step.reduced.values(), "w")
        self.printer.forget_step()
        return [*lines, *(f"turned{index[n]} = {text}" for n, text in zip(self.step.reduced, texts, strict=True))]

    def states_of_node(self) -> list[str]:
        return [f"x{i} = load(S, (i*{self.width} + {i})*{self.L})" for i in range(len(self.step.states))]

    def constants_of_node(self) -> list[str]:
        """Parameters of node i and what follows from them alone."""
        return [*self.parameters_of_node(), "ki = broadcast(scalar_load(KI, i))", *self.printer.hoisted[1]]

    def parameters_of_node(self) -> list[str]:
        lines = []
        for index, (array, slot) in enumerate(self.slots.values()):
            if array == 1:
                lines.append(f"p{index} = broadcast(scalar_load(P1, {slot}*n + i))")
            elif array == 2:
                lines.append(f"p{index} = load(P2, ({slot}*n + i)*{self.L})")
        return lines

    def send(self, channels: list[str], ring: bool, first: int = 0) -> list[str]:
        """Puts what node i sends, on the channels from `first` on, where the others read it."""
        L = self.L
        place = "{c}*plane + i*ring + at + kk*{L}" if ring else "new + ({c}*n + i)*{L}"
        return [f"store(R, {place.format(c=c, L=L)}, {text})" for c, text in enumerate(channels, first)]

    def increment(self, name: str, node: Node) -> Node:
        """What is added to a state, less what rounding has added before (Kahan); a product is fused with it."""
        return make("sub", node, symbol(f"e.{name}")) if self.layout.compensated else node

    def update(self, i: int, clipped: Node) -> list[str]:
        """x += d, clipped; compensated summation carries what rounding adds to the next step."""
        if self.layout.compensated:
            lines = [f"v = x{i} + d{i}", f"e{i} = (v - x{i}) - d{i}", f"x{i} = v"]
        else:
            lines = [f"x{i} = x{i} + d{i}"]
        clip_lines, [text] = self.printer.print([clipped], "v")
        return [*lines, *clip_lines, *([f"x{i} = {text}"] if text != f"x{i}" else [])]

    def noise(self, kk: str) -> list[str]:
        if self.layout.noise == "none" or not self.noisy:
            return []
        states = [s.name for s in self.step.states]
        indices = [states.index(name) for name in self.noisy]
        if self.layout.noise == "given":
            return [f"z{i} = broadcast(scalar_load(G, ((tb + {kk})*{len(states)} + {i})*n + i))" for i in indices]
        # The four nodes that share a Philox block come one after the other: the first fetches for all.
        fill = []
        for q, index in enumerate(indices):
            fill.append(
                f"g0, g1, g2, g3 = normals(np.uint32(t0 + tb + {kk}), np.uint32(i >> 2 | {index << 24}), seed0, seed1)"
            )
            fill += [f"store(Z, {self.noise_place(q, kk, str(g))}, g{g})" for g in range(NOISE_GROUP)]
        seeds = self.seeds()
        use = [f"z{index} = load(Z, {self.noise_place(q, kk, '(i & 3)')})" for q, index in enumerate(indices)]
        if kk == "kk":
            block = [*seeds, "for kk in range(kn):", *indented(fill)]
            self.before_node = ["if (i & 3) == 0:", *indented(block)]
        elif self.layout.rows == NOISE_GROUP:  # ahead of the sums: faster than between the nodes
            self.before_rows = [f"i = ib*{NOISE_GROUP}", *seeds, *fill]
        else:
            self.before_node = ["if (i & 3) == 0:", *indented([*seeds, *fill])]
        return use

    def seeds(self) -> list[str]:
        """What is fetched of the seeds ahead of each draw."""
        return ["seed0 = load(SD, 0)", f"seed1 = load(SD, {self.L})"]

    def stimuli(self, kk: str) -> list[str]:
        """The waveforms of this step, from a table that holds the steps from `done` on."""
        lines = []
        for index, (_, swept, regional) in enumerate(self.layout.waves):
            at = f"(tb - done + {kk})" if kk == "kk" else "(tb - done)"
            at = f"({at}*n + i)" if regional else at
            base = f"scalar_load(UB, {index})"
            if swept:
                lines.append(f"v{index} = load(U, {base} + {at}*{self.L})")
            else:
                lines.append(f"v{index} = broadcast(scalar_load(U, {base} + {at}))")
        return lines

    def noise_place(self, q: int, kk: str, g: str) -> str:
        """Where the normals of the q-th noisy state for step kk of the g-th of four nodes stand."""
        return f"(({q}*{self.K} + {kk})*{NOISE_GROUP} + {g})*{self.L}"

    def coupling_of_step(self, ring: bool) -> list[str]:
        L, rows = self.L, self.layout.rows
        if ring:
            step = f"((tb & {self.layout.ahead - 1}) + kk)" if self.layout.ahead else "kk"
            return [f"c{c} = load(C, (({c}*n + i)*{self.depth} + {step})*{L})" for c in range(len(self.step.channels))]
        return [f"c{c} = load(C, ({c * rows} + i - ib*{rows})*{L})" for c in range(len(self.step.channels))]
