"""Writes the source of one ensemble kernel: lanes are simulations, nodes and steps are loops.

Arrays are flat; their layouts (L lanes, n nodes, K steps a block, T rows of the delay ring, a power of two):
    S  [n, state (then compensation), L]    R  delays: [channel, n, T + K, L]; none: [2, channel, n, L]
    C  coupling sums: [channel, n, K, L] or [channel, rows, L]      W, D, B, RP  connections, see `kernels.pack`
    P0 [parameter, L]   P1 [parameter, n]   P2 [parameter, n, L]    KI [n]    SD [2, L] seeds   Z noise   G given noise
    A0, A1, ... accumulators [n, slot, L]   O0, O1, ... output [row, quantity, n, L]   M [recorder, 2] periods
With delays, the state after step s (from 0) is sent to ring row s mod T, and rows T ... T + K - 1 repeat the first K,
so that K consecutive steps are read without wrapping.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from l2l.simulator import balloon
from l2l.simulator.balloon import Balloon
from l2l.simulator.codegen.expression import Node, const, symbol
from l2l.simulator.codegen.parser import parse
from l2l.simulator.codegen.printer import Printer
from l2l.simulator.codegen.system import Step, clip

NOISE_GROUP = 4  # one Philox block serves four nodes


@dataclass(frozen=True)
class Recorder:
    """What a monitor does in the kernel.

    kind: "sample", "average" or "bold". quantities: how many of `Step.observed` it records.
    mean: bold only: driven by the mean and not by the last value. compensated: sums carry their rounding errors.
    """

    kind: str
    quantities: int
    mean: bool = True
    compensated: bool = False
    constants: Balloon | None = None
    h: float = 0.0

    @property
    def sums(self) -> int:
        """How many running sums it keeps."""
        return self.quantities if self.kind == "average" or (self.kind == "bold" and self.mean) else 0

    @property
    def slots(self) -> int:
        """Vectors a node in its accumulator."""
        return self.sums * (2 if self.compensated else 1) + (4 if self.kind == "bold" else 0)


@dataclass(frozen=True)
class Layout:
    """How one kernel is laid out.

    delayed: with a delay ring. block: steps computed at once (K). tiled: the sources are taken in tiles.
    rows: nodes whose sums are kept in registers at once (no delays).
    levels: for each parameter symbol the array that holds it, 0, 1 or 2 for P0, P1, P2.
    noise: "none", "drawn" or "given".
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


ARGUMENTS = ("S", "R", "C", "W", "D", "B", "RP", "P0", "P1", "P2", "KI", "SD", "Z", "G", "M")
SCALARS = ("t0", "done", "steps", "n", "T", "tiles", "dt")


def slots_of_parameters(layout: Layout) -> dict[str, tuple[int, int]]:
    """For each parameter symbol its array (0, 1, 2) and its index there."""
    count = [0, 0, 0]
    slots = {}
    for name, array in layout.levels:
        slots[name] = (array, count[array])
        count[array] += 1
    return slots


def emit(step: Step, layout: Layout) -> str:
    """The source of a module that defines `kernel`."""
    return Emitter(step, layout).module()


class Emitter:
    """Prints the kernel for CPU lanes; the CUDA kernel overrides what surrounds the step of a node."""

    printer_class = Printer

    def __init__(self, step: Step, layout: Layout) -> None:
        self.step = step
        self.layout = layout
        self.L = layout.lanes
        self.K = layout.block
        self.slots = slots_of_parameters(layout)
        self.noisy = step.noisy()
        self.width = len(step.states) * (2 if layout.compensated else 1)
        leaves: dict[str, tuple[str, int]] = {"dt": ("h", 0), "k": ("ki", 1)}
        for index, state in enumerate(step.states):
            leaves[f"x.{state.name}"] = (f"x{index}", 2)
            leaves[f"z.{state.name}"] = (f"z{index}", 2)
        for index in range(len(step.channels)):
            leaves[f"sum.{index}"] = (f"c{index}", 2)
        for index, (name, (array, _)) in enumerate(self.slots.items()):
            leaves[name] = (f"p{index}", 0 if array == 0 else 1)
        for m in range(len(layout.recorders)):
            for name in (*balloon.STATES, "z"):
                leaves[f"b{m}.{name}"] = (f"b{m}{name}", 2)
        self.printer = self.printer_class(leaves)
        # Source that fetches noise, for four nodes together: before a node, or before the rows of a block of nodes.
        self.before_node: list[str] = []
        self.before_rows: list[str] = []

    # -- the module -------------------------------------------------------------------------------------------------

    def module(self) -> str:
        recorders = range(len(self.layout.recorders))
        arguments = [*ARGUMENTS, *(f"A{m}" for m in recorders), *(f"O{m}" for m in recorders), *SCALARS]
        body = self.delayed() if self.layout.delayed else self.undelayed()
        constants = [
            f"{name} = real({value!r})" for name, value in sorted(self.printer.constants.items(), key=lambda kv: kv[0])
        ]
        functions = sorted(_VECTOR_FUNCTION_NAMES)
        return "\n".join(
            [
                "import numpy as np",
                "from numba import njit, types",
                "from l2l.simulator.codegen.philox import make_normals",
                "from l2l.simulator.codegen.vector import fma, fms, fnma, make_broadcast, make_load, mask_and",
                "from l2l.simulator.codegen.vector import mask_not, mask_or, scalar_load, store, where",
                "from l2l.simulator.codegen.vectormath import VECTOR_FUNCTIONS",
                f"real = np.{self.layout.precision}",
                f"load = make_load({self.L})",
                f"broadcast = make_broadcast(types.{self.layout.precision}, {self.L})",
                f"normals = make_normals(types.{self.layout.precision}, {self.L})",
                *(f"{name} = VECTOR_FUNCTIONS[{name!r}]" for name in functions),
                "zero = real(0.0)",
                *constants,
                "@njit(nogil=True, cache=True, error_model='numpy')",
                f"def kernel({', '.join(arguments)}):",
                *indented(body),
                "",
            ]
        )

    def prologue(self) -> list[str]:
        lines = ["h = broadcast(dt)"]
        for index, (array, slot) in enumerate(self.slots.values()):
            if array == 0:
                lines.append(f"p{index} = load(P0, {slot * self.L})")
        return [*lines, *self.printer.hoisted[0]]

    def delayed(self) -> list[str]:
        L, K = self.L, self.K
        node = self.node_stage("kk", ring=True)
        return [
            f"ring = (T + {K})*{L}",
            f"mask = T*{L} - 1",
            "plane = n*ring",
            *self.prologue(),
            f"for tb in range(done, done + steps, {K}):",
            *indented(
                [
                    f"kn = min({K}, done + steps - tb)",
                    f"tB = tb*{L}",
                    *self.delayed_coupling(),
                    "at = tB & mask",
                    *self.counters(),
                    "for i in range(n):",
                    *indented(node),
                    "if at == 0:",
                    *indented(self.mirror()),
                ]
            ),
        ]

    def delayed_coupling(self) -> list[str]:
        L, K = self.L, self.K
        pairs = [(c, k) for c in range(len(self.step.channels)) for k in range(K)]
        if not pairs:
            return []
        tiled = self.layout.tiled
        at = "(({c}*n + i)*{K} + {k})*{L}"
        place = {(c, k): at.format(c=c, k=k, K=K, L=L) for c, k in pairs}
        loop = [
            *(f"a{c}_{k} = {f'load(C, {place[c, k]})' if tiled else 'broadcast(zero)'}" for c, k in pairs),
            "for p in range(scalar_load(RP, jt*n + i), scalar_load(RP, jt*n + i + 1)):",
            *indented(
                [
                    "o = scalar_load(B, p) + ((tB - scalar_load(D, p)) & mask)",
                    "w = scalar_load(W, p)",
                    *(f"a{c}_{k} = fma(w, load(R, o + {c}*plane + {k * L}), a{c}_{k})" for c, k in pairs),
                ]
            ),
            *(f"store(C, {place[c, k]}, a{c}_{k})" for c, k in pairs),
        ]
        clear = [f"for q in range({len(pairs)}*n):", f"    store(C, q*{L}, broadcast(zero))"] if tiled else []
        return [*clear, "for jt in range(tiles):", "    for i in range(n):", *indented(indented(loop))]

    def mirror(self) -> list[str]:
        L, K = self.L, self.K
        channels = len(self.step.channels)
        return [
            f"for i in range({channels}*n):",
            f"    for k in range(0, {K * L}, {L}):",
            f"        store(R, i*ring + T*{L} + k, load(R, i*ring + k))",
        ]

    def undelayed(self) -> list[str]:
        L, rows = self.L, self.layout.rows
        channels = range(len(self.step.channels))
        node = self.node_stage("0", ring=False)
        sums = []
        if self.step.channels:
            sums = [
                *(f"a{c}_{r} = broadcast(zero)" for c in channels for r in range(rows)),
                f"p = ib*n*{rows}",
                "for j in range(n):",
                *indented(
                    [
                        *(f"s{c} = load(R, now + ({c}*n + j)*{L})" for c in channels),
                        *(f"w{r} = scalar_load(W, p + {r})" for r in range(rows)),
                        *(f"a{c}_{r} = fma(w{r}, s{c}, a{c}_{r})" for r in range(rows) for c in channels),
                        f"p += {rows}",
                    ]
                ),
                *(f"store(C, {(c * rows + r) * L}, a{c}_{r})" for c in channels for r in range(rows)),
            ]
        return [
            *self.prologue(),
            f"half = {max(1, len(self.step.channels))}*n*{L}",
            "for tb in range(done, done + steps):",
            *indented(
                [
                    "now = (tb & 1)*half",
                    "new = half - now",
                    *self.counters(),
                    f"for ib in range((n + {rows - 1})//{rows}):",
                    *indented(
                        [
                            *self.before_rows,
                            *sums,
                            f"for i in range(ib*{rows}, min(n, ib*{rows} + {rows})):",
                            *indented(node),
                        ]
                    ),
                ]
            ),
        ]

    # -- one node ---------------------------------------------------------------------------------------------------

    def node_stage(self, kk: str, ring: bool) -> list[str]:
        """Advances node i by one block of steps, its state in registers."""
        L, ns = self.L, len(self.step.states)
        increments = list(self.step.increments.values())
        lines, texts = self.printer.print(increments, "t")
        self.printer.forget_step()
        update = [f"d{i} = {text}" for i, text in enumerate(texts)]
        for i, state in enumerate(self.step.states):
            update += self.update(i, clip(symbol(f"x.{state.name}"), state))
        sent, channels = self.printer.print(self.step.channels, "s")
        where_to = (
            [f"{c}*plane + i*ring + at + kk*{L}" for c in range(len(channels))]
            if ring
            else [f"new + ({c}*n + i)*{L}" for c in range(len(channels))]
        )
        send = [f"store(R, {place}, {text})" for place, text in zip(where_to, channels, strict=True)]
        record = [line for m in range(len(self.layout.recorders)) for line in self.record(m)]
        body = [*self.noise(kk), *self.coupling_of_step(ring), *lines, *update, *sent, *send, *record]

        before = [f"x{i} = load(S, (i*{self.width} + {i})*{L})" for i in range(ns)]
        after = [f"store(S, (i*{self.width} + {i})*{L}, x{i})" for i in range(ns)]
        if self.layout.compensated:
            before += [f"e{i} = load(S, (i*{self.width} + {ns + i})*{L})" for i in range(ns)]
            after += [f"store(S, (i*{self.width} + {ns + i})*{L}, e{i})" for i in range(ns)]
        for index, (array, slot) in enumerate(self.slots.values()):
            if array == 1:
                before.append(f"p{index} = broadcast(scalar_load(P1, {slot}*n + i))")
            elif array == 2:
                before.append(f"p{index} = load(P2, ({slot}*n + i)*{L})")
        before.append("ki = broadcast(scalar_load(KI, i))")
        before += self.printer.hoisted[1]
        for m, recorder in enumerate(self.layout.recorders):
            before.append(f"l{m} = scalar_load(M, {2 * m}) - q{m}")
            before.append(f"row{m} = r{m}")
            names = self.accumulators(m)
            before += [f"{name} = load(A{m}, (i*{recorder.slots} + {s})*{L})" for s, name in enumerate(names)]
            after += [f"store(A{m}, (i*{recorder.slots} + {s})*{L}, {name})" for s, name in enumerate(names)]
        before = [*self.before_node, *before]
        if kk == "0":
            return [*before, *body, *after]
        return [*before, "for kk in range(kn):", *indented(body), *after]

    def update(self, i: int, clipped: Node) -> list[str]:
        """x += d, clipped; compensated summation (Kahan) carries what rounding lost to the next step."""
        if self.layout.compensated:
            lines = [f"y = d{i} - e{i}", f"v = x{i} + y", f"e{i} = (v - x{i}) - y", f"x{i} = v"]
        else:
            lines = [f"x{i} = x{i} + d{i}"]
        clip_lines, [text] = self.printer.print([clipped], "v")
        return [*lines, *clip_lines, *([f"x{i} = {text}"] if text != f"x{i}" else [])]

    def noise(self, kk: str) -> list[str]:
        if self.layout.noise == "none" or not self.noisy:
            return []
        L, states = self.L, [s.name for s in self.step.states]
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
        seeds = ["seed0 = load(SD, 0)", f"seed1 = load(SD, {L})"]
        use = [f"z{index} = load(Z, {self.noise_place(q, kk, '(i & 3)')})" for q, index in enumerate(indices)]
        if kk == "kk":
            block = [*seeds, "for kk in range(kn):", *indented(fill)]
            self.before_node = ["if (i & 3) == 0:", *indented(block)]
        elif self.layout.rows == NOISE_GROUP:  # ahead of the sums: faster than between the nodes
            self.before_rows = [f"i = ib*{NOISE_GROUP}", *seeds, *fill]
        else:
            self.before_node = ["if (i & 3) == 0:", *indented([*seeds, *fill])]
        return use

    def noise_place(self, q: int, kk: str, g: str) -> str:
        """Where the normals of the q-th noisy state for step kk of the g-th of four nodes stand."""
        return f"(({q}*{self.K} + {kk})*{NOISE_GROUP} + {g})*{self.L}"

    def product(self, a: str, b: str) -> str:
        """a*b, rounded."""
        return f"{a}*{b}"

    def coupling_of_step(self, ring: bool) -> list[str]:
        L, K, rows = self.L, self.K, self.layout.rows
        if ring:
            return [f"c{c} = load(C, (({c}*n + i)*{K} + kk)*{L})" for c in range(len(self.step.channels))]
        return [f"c{c} = load(C, ({c * rows} + i - ib*{rows})*{L})" for c in range(len(self.step.channels))]

    # -- recorders --------------------------------------------------------------------------------------------------

    def counters(self) -> list[str]:
        """Where in its period each recorder stands at the start of a block."""
        lines = []
        for m, recorder in enumerate(self.layout.recorders):
            lines += [f"r{m} = tb // scalar_load(M, {2 * m})", f"q{m} = tb - r{m}*scalar_load(M, {2 * m})"]
            if recorder.kind == "bold":
                lines.append(f"volume{m} = scalar_load(M, {2 * m + 1})")
        return lines

    def accumulators(self, m: int) -> list[str]:
        recorder = self.layout.recorders[m]
        names = [f"s{m}_{v}" for v in range(recorder.sums)]
        if recorder.compensated:
            names += [f"f{m}_{v}" for v in range(recorder.sums)]
        return names

    def record(self, m: int) -> list[str]:
        recorder = self.layout.recorders[m]
        observed = self.step.observed[m]
        every: list[str] = []
        if recorder.sums:
            every, texts = self.printer.print(observed, "m")
            for v, text in enumerate(texts):
                every += self.accumulate(m, v, text)
            due = self.due(m, [self.product(f"s{m}_{v}", f"inverse{m}") for v in range(recorder.sums)])
            due = [f"inverse{m} = broadcast(real(1.0)/real(scalar_load(M, {2 * m})))", *due]
            due += [f"{name} = broadcast(zero)" for name in self.accumulators(m)]
        else:
            with _Scope(self.printer):
                due, texts = self.printer.print(observed, "m")
                due += self.due(m, texts)
        return [
            *every,
            f"l{m} -= 1",
            f"if l{m} == 0:",
            *indented([*due, f"l{m} = scalar_load(M, {2 * m})", f"row{m} += 1"]),
        ]

    def accumulate(self, m: int, v: int, text: str) -> list[str]:
        if not self.layout.recorders[m].compensated:
            return [f"s{m}_{v} = s{m}_{v} + {text}"]
        return [
            f"y = {text} - f{m}_{v}",
            f"v = s{m}_{v} + y",
            f"f{m}_{v} = (v - s{m}_{v}) - y",
            f"s{m}_{v} = v",
        ]

    def due(self, m: int, values: list[str]) -> list[str]:
        """What happens at the end of a period."""
        recorder, L = self.layout.recorders[m], self.L
        if recorder.kind != "bold":
            count = recorder.quantities
            return [f"store(O{m}, ((row{m}*{count} + {v})*n + i)*{L}, {text})" for v, text in enumerate(values)]
        assert recorder.constants is not None
        with _Scope(self.printer):
            new, signal = balloon_graphs(recorder.constants, recorder.h, f"b{m}.")
            lines, texts = self.printer.print(new, "n")
            first = recorder.slots - len(balloon.STATES)
            place = {name: f"(i*{recorder.slots} + {first + i})*{L}" for i, name in enumerate(balloon.STATES)}
            lines = [
                *(f"b{m}{name} = load(A{m}, {at})" for name, at in place.items()),
                f"b{m}z = {values[0]}",
                *lines,
                *(f"u{i} = {text}" for i, text in enumerate(texts)),
                *(f"b{m}{name} = u{i}" for i, name in enumerate(balloon.STATES)),
                *(f"store(A{m}, {at}, b{m}{name})" for name, at in place.items()),
            ]
        with _Scope(self.printer):
            more, [text] = self.printer.print([signal], "n")
        skip = f"scalar_load(M, {2 * len(self.layout.recorders) + m})"
        return [
            *lines,
            f"if (row{m} + 1) % volume{m} == 0:",
            *indented(
                [
                    *more,
                    f"out{m} = (row{m} + 1)//volume{m} - 1 - {skip}",
                    f"if out{m} >= 0:",
                    f"    store(O{m}, (out{m}*n + i)*{L}, {text})",
                ]
            ),
        ]


class _Scope:
    """Names given to step-level values inside a block end with it."""

    def __init__(self, printer: Printer) -> None:
        self.printer = printer

    def __enter__(self) -> None:
        self.before = self.printer.snapshot()

    def __exit__(self, *_: object) -> None:
        self.printer.restore(self.before)


def balloon_graphs(constants: Balloon, h: float, prefix: str) -> tuple[list[Node], Node]:
    """Graphs of the four new states and of the signal (over the states), symbols prefixed."""
    names: dict[str, Node] = {name: symbol(prefix + name) for name in (*balloon.STATES, "z")}
    values: Mapping[str, float] = {
        "kappa": constants.kappa, "gamma": constants.gamma, "tau": constants.tau, "alpha": constants.alpha,
        "rho": constants.rho, "V0": constants.V0, "k1": constants.k1, "k2": constants.k2, "k3": constants.k3,
        "log_rest": math.log(1 - constants.rho), "h": h,
    }  # fmt: skip
    names |= {name: const(value) for name, value in values.items()}
    signal = parse(balloon.SIGNAL, names, "BOLD signal")
    for name, text in balloon.STEP:
        names[name] = parse(text, names, f"Balloon-Windkessel {name}")
    return [names[f"{name}_new"] for name in balloon.STATES], signal


def indented(lines: Iterable[str]) -> list[str]:
    return ["    " + line for line in lines]


_VECTOR_FUNCTION_NAMES = (
    "exp", "expm1", "exprel", "bernoulli", "log", "sqrt", "sin", "cos", "tan", "sinh", "cosh", "tanh", "abs", "floor",
    "ceil", "erfc", "pow", "minimum", "maximum",
)  # fmt: skip
