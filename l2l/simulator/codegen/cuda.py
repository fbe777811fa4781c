"""Writes the source of one CUDA ensemble kernel around the same step of a node as the CPU kernel.

A block is a tile of `lanes` simulations (threadIdx.x) times groups of nodes (threadIdx.y). Each thread takes `rows`
nodes at a time: their coupling sums for `block` steps are kept in registers, then put where they can be indexed, then
each node advances `block` steps; one barrier a block of steps. Every access is contiguous over simulations, weights
and delays are the same for all lanes.

Arrays are flat, the tile first; L lanes, n nodes, K steps a block, T rows of the delay ring (a multiple of K):
    S_  [tile, n, state (then compensation), L]    P0_ [tile, parameter, L]    P1 [parameter, n]
    P2_ [tile, parameter, n, L]    SD_ [tile, 2, L] seeds    G given noise    M periods, as in `emit`
    U waveforms that all simulations share, V_ [tile, ...] those that they do not, UB where each begins in its array
    R_  delays: [tile, channel, n, T + K, L]; none: [tile, 2, channel, n, L]
    W, D  [block of nodes, source, row] weights (float32 without delays: two in a word), delays + 1 in ring elements
    Q_  [tile, n, held (with delays, then what is sent), L]    lost [tile, L] step of divergence, or -1
    A0_, ... [tile, n, slot, L]    O0_, ... [tile, row, quantity, n or place, L]
    Y0_, ... [tile, row of the block of steps, quantity, n, L] values of the nodes that groups or sensors add up
    NI0, ... NW0, ... nodes of each group or sensor (pointers, then nodes) and their weights
Private to a thread, in shared memory where there is room: C coupling sums [channel, row, K], Z noise [state, K, 4].
T holds the longest delay and K more rows, so that a group may write its K steps while another still reads the past.
Where coupling is taken at every stage, K is 1 and each stage is a pass over the nodes. With delays the passes after the
first replace what others may still read: what they send is put aside until all have read.
"""

from __future__ import annotations

from collections.abc import Mapping

from l2l.simulator.codegen.cuda_functions import FUNCTIONS, library
from l2l.simulator.codegen.cuda_layout import CudaLayout, kept_between_stages
from l2l.simulator.codegen.cuda_sums import CudaSums
from l2l.simulator.codegen.emit import NOISE_GROUP, indented
from l2l.simulator.codegen.expression import Node, symbol, walk
from l2l.simulator.codegen.printer import Printer
from l2l.simulator.codegen.system import RUNAWAY, Step, clip

ARGUMENTS = ("S_", "R_", "W", "D", "P0_", "P1", "P2_", "KI", "SD_", "G", "M", "U", "V_", "UB", "Q_")
ARGUMENTS_OF_RECORDERS = (("A", "_"), ("O", "_"), ("Y", "_"), ("NI", ""), ("NW", ""))
SCALARS = ("lost", "t0", "done", "steps", "n", "T", "dt")


def emit_cuda(step: Step, layout: CudaLayout) -> str:
    """The source of a module that defines `kernel`."""
    return CudaEmitter(step, layout).module()


def emit_history(step: Step, layout: CudaLayout) -> str:
    """The source of a module whose `kernel` makes the delay ring R_ of the history H_ of `known` steps.

    Row T - 1 - m holds x(-m); before the oldest known time it is constant.
    """
    L, K, channels = layout.lanes, layout.block, len(step.channels)
    return "\n".join(
        [
            "import numpy as np",
            "from numba import cuda",
            "@cuda.jit" if layout.simulated else "@cuda.jit(cache=True)",
            "def kernel(R_, H_, n, T, known):",
            "    lane, tile = cuda.threadIdx.x, np.int64(cuda.blockIdx.x)",
            f"    for i in range(cuda.threadIdx.y, {channels}*n, cuda.blockDim.y):",
            f"        for row in range(T + {K}):",
            "            back = T - 1 - row if row < T else 2*T - 1 - row",
            f"            ring = ((tile*{channels}*n + i)*(T + {K}) + row)*{L} + lane",
            f"            R_[ring] = H_[((tile*{channels}*n + i)*known + max(known - 1 - back, 0))*{L} + lane]",
            "",
        ]
    )


class CudaPrinter(Printer):
    """Products that no fused multiply-add takes up are written so that the compiler cannot fuse them."""

    def _text(self, node: Node, inline: Mapping[Node, str], fused: set[Node]) -> str:
        text = super()._text(node, inline, fused)
        if node.op == "mul":
            a, b = (self._named.get(arg) or inline[arg] for arg in node.args)
            return f"mul({a}, {b})"
        return text


class CudaEmitter(CudaSums):
    """Prints the same node as its parent, for one thread: `load` and `store` take one element of this lane."""

    printer_class = CudaPrinter

    def __init__(self, step: Step, layout: CudaLayout) -> None:
        super().__init__(step, layout)
        self.channels = range(len(step.channels))
        self.projecting = [m for m, recorder in enumerate(layout.recorders) if recorder.places]
        self.sends_later = False

    def module(self) -> str:
        layout = self.layout
        recorders = range(len(layout.recorders))
        each = [
            f"{array}{m}{'' if array[0] == 'N' else '_'}" for array in ("A", "O", "Y", "NI", "NW") for m in recorders
        ]
        arguments = [*ARGUMENTS, *each, *SCALARS]
        body = self.delayed() if layout.delayed else self.undelayed()
        used = {node.op for root in self._all_nodes() for node in walk([root])} & set(FUNCTIONS)
        if any(r.kind == "bold" for r in layout.recorders):
            used |= {"exp", "expm1", "log"}
        decorator = "@cuda.jit" if layout.simulated else f"@cuda.jit(cache=True, max_registers={layout.registers})"
        return "\n".join(
            [
                *library(layout.precision, layout.simulated, used, layout.noise == "drawn"),
                "zero = real(0.0)",
                f"runaway = real({RUNAWAY!r})",
                *(f"{name} = real({value!r})" for name, value in sorted(self.printer.constants.items())),
                decorator,
                f"def kernel({', '.join(arguments)}):",
                *indented(body),
                "",
            ]
        )

    def _all_nodes(self) -> list[Node]:
        # Bounds of the states are printed as well.
        return [*self.step.roots(), *(clip(symbol("x"), s) for s in self.step.states)]

    def product(self, a: str, b: str) -> str:
        return f"mul({a}, {b})"

    # -- what surrounds the steps -----------------------------------------------------------------------------------

    def prologue(self) -> list[str]:
        L, layout, width = self.L, self.layout, self.width
        count = [sum(array == a for array, _ in self.slots.values()) for a in range(3)]
        lines = [
            "lane, group = cuda.threadIdx.x, cuda.threadIdx.y",
            "groups, tile = cuda.blockDim.y, i64(cuda.blockIdx.x)",
            f"me = tile*{L} + lane",
            f"channel = n*(T + {self.K})*{L}" if layout.delayed else f"channel = n*{L}",
            *self.storage(),
            f"P0 = P0_[tile*{count[0] * L} + lane:]",
            f"P2 = P2_[tile*{count[2] * L}*n + lane:]",
            f"SD = SD_[tile*{2 * L} + lane:]",
            *([f"V = V_[tile*scalar_load(UB, {len(layout.waves)}) + lane:]"] if layout.waves else []),
        ]
        if self.step.stages:
            lines.append(f"Q = Q_[tile*n*{kept_between_stages(self.step, layout) * L} + lane:]")
        recorders = len(layout.recorders)
        for m, recorder in enumerate(layout.recorders):
            # Behind the periods and the skipped volumes of M stand the numbers of rows, in all and of a block of steps.
            rows, due = f"scalar_load(M, {3 * recorders + m})", f"scalar_load(M, {4 * recorders + m})"
            lines.append(f"A{m} = A{m}_[tile*n*{recorder.slots * L} + lane:]")
            lines.append(f"O{m} = O{m}_[tile*{recorder.places or 'n'}*{rows}*{recorder.quantities * L} + lane:]")
            if recorder.places:
                lines.append(f"Y{m} = Y{m}_[tile*n*{due}*{recorder.quantities * L} + lane:]")
        lines.append("h = broadcast(dt)")
        if not layout.delayed:
            lines += self.copies("S", "load(S_, tile*n*{w} + lane + {i})", width)
        return [*lines, *([] if layout.fresh else self.constants_of_lane()), *self.pair_printer.hoisted[0]]

    def constants_of_lane(self) -> list[str]:
        """Parameters of a simulation that hold for all its nodes, and what follows from them alone."""
        slots = enumerate(self.slots.values())
        return [
            *(f"p{index} = load(P0, {slot * self.L})" for index, (array, slot) in slots if array == 0),
            *self.printer.hoisted[0],
        ]

    def constants_of_node(self) -> list[str]:
        lines = super().constants_of_node()
        return [*self.constants_of_lane(), *lines] if self.layout.fresh else lines

    def storage(self) -> list[str]:
        """Views of global, shared and local memory, each starting at this lane."""
        L, K, layout = self.L, self.K, self.layout
        ring = f"tile*{len(self.channels) * (1 if layout.delayed else 2)}*channel + lane"
        views = {"R": f"R_[{ring}:]", "S": f"S_[tile*n*{self.width * L} + lane:]"}
        private = {
            "C": len(self.channels) * layout.rows * K,
            "Z": (len(self.noisy) if layout.noise == "drawn" else 0) * K * NOISE_GROUP,
        }
        shared = {
            "R": f"{2 * len(self.channels)}*n*{L}",
            "S": f"n*{self.width * L}",
            **{name: f"groups*{size * L}" for name, size in private.items()},
        }
        lines = ["X = cuda.shared.array(0, kind)", "free = i64(0)"] if layout.shared else []
        for name in layout.shared:
            start = f"free + group*{private[name] * L} + lane" if name in private else "free + lane"
            lines += [f"{name} = X[{start}:]", f"free += {shared[name]}"]
        lines += [f"{name} = {view}" for name, view in views.items() if name not in layout.shared]
        for name, size in private.items():
            if size and name not in layout.shared:
                lines.append(f"{name} = cuda.local.array({size}, kind)")
        return lines

    def copies(self, name: str, value: str, width: int) -> list[str]:
        """Fetches the nodes of this group into shared memory, if `name` lies there."""
        if name not in self.layout.shared:
            return []
        L = self.L
        text = value.format(w=width * L, i="e")
        return self.own_nodes([f"for e in range(i*{width * L}, (i + 1)*{width * L}, {L}):", f"    {name}[e] = {text}"])

    def own_nodes(self, lines: list[str]) -> list[str]:
        """`lines` for each node i of this group."""
        rows = self.layout.rows
        return [
            f"for first in range(group*{rows}, n, groups*{rows}):",
            f"    for i in range(first, min(n, first + {rows})):",
            *indented(indented(lines)),
        ]

    def epilogue(self) -> list[str]:
        """Looks at the states, and takes to global memory what was in shared memory."""
        L, width, layout = self.L, self.width, self.layout
        look = []
        for q in range(len(self.step.states)):
            look += [f"y = load(S, (i*{width} + {q})*{L})", "lasting = lasting and abs(y) <= runaway"]
        if "S" in layout.shared:
            look += [
                f"for e in range(i*{width * L}, (i + 1)*{width * L}, {L}):",
                f"    S_[tile*n*{width * L} + lane + e] = S[e]",
            ]
        if "R" in layout.shared:
            both = 2 * len(self.channels)
            look += [f"for c in range({both}):", f"    R_[(tile*{both} + c)*channel + i*{L} + lane] = R[(c*n + i)*{L}]"]
        return [
            "lasting = True",
            *self.own_nodes(look),
            "if not lasting and lost[me] < 0:",
            "    lost[me] = t0 + done + steps",  # whichever group writes, it writes the same
        ]

    def counters(self) -> list[str]:
        """Set once before the steps, and moved on after each block of steps: a division a step would cost too much."""
        return []

    def counters_before(self) -> list[str]:
        return ["tb = done", *super().counters()]

    def counters_after(self) -> list[str]:
        lines = []
        for m, recorder in enumerate(self.layout.recorders):
            period = f"scalar_load(M, {2 * m})"
            each = [*(self.projection(m) if recorder.places else []), f"q{m} -= {period}", f"r{m} += 1"]
            lines += [
                *(["due = 0"] if recorder.places else []),
                f"q{m} += {'kn' if self.layout.delayed else '1'}",
                f"while q{m} >= {period}:",
                *indented(each),
                # What was put aside may be written over when all have added it up.
                *(["if due > 0:", "    cuda.syncthreads()"] if recorder.places else []),
            ]
        return lines

    def held_place(self, name: str) -> str:
        return self.kept_place(self.step.held().index(name))

    def kept_place(self, index: int) -> str:
        return f"(i*{kept_between_stages(self.step, self.layout)} + {index})*{self.L}"

    def send(self, channels: list[str], ring: bool, first: int = 0) -> list[str]:
        if not self.sends_later:
            return super().send(channels, ring, first)
        return [f"store(Q, {self.sent_place(c)}, {text})" for c, text in enumerate(channels, first)]

    def sent_place(self, channel: int) -> str:
        return self.kept_place(len(self.step.held()) + channel)

    def flush(self, stage: int) -> list[str]:
        """Puts into the ring what a stage has sent, as soon as all have read what stood there."""
        step = self.step
        channels = list(self.channels)
        if stage < len(step.stages):
            first = step.first_channel(step.stages[stage])
            channels = channels[first : first + len(step.stages[stage].channels)]
        sent = [f"store(R, {c}*plane + i*ring + at, load(Q, {self.sent_place(c)}))" for c in channels]
        return [*self.own_nodes(sent), "cuda.syncthreads()"]

    def stimuli(self, kk: str) -> list[str]:
        # What differs between simulations lies in an array with tiles.
        return [line.replace("= load(U,", "= load(V,") for line in super().stimuli(kk)]

    def noise_place(self, q: int, kk: str, g: str) -> str:
        return f"(({q}*{self.K} + {kk})*{NOISE_GROUP} + {g})*{self.unit('Z')}"

    def coupling_of_step(self, ring: bool) -> list[str]:
        del ring
        return [f"c{c} = load(C, {self.sum_place(c, '(i - first)', 'kk')})" for c in self.channels]

    def nodes(self, coupling: list[str], node: list[str], after: list[str], stage: int) -> list[str]:
        """One pass over the nodes: a stage of the step, their sums first."""
        rows, last = self.layout.rows, stage == len(self.step.stages)
        return [
            f"for first in range(group*{rows}, n, groups*{rows}):",
            *indented(
                [
                    *([f"ib = first//{rows}", *self.before_rows] if self.before_rows and stage == 0 else []),
                    *coupling,
                    f"for i in range(first, min(n, first + {rows})):",
                    *indented([*node, *after]),
                ]
            ),
            *(["cuda.syncthreads()"] if self.channels or (last and self.projecting) else []),
        ]

    # -- with delays ------------------------------------------------------------------------------------------------

    def delayed(self) -> list[str]:
        L, K = self.L, self.K
        stages = len(self.step.stages)
        nodes = []
        for m in range(stages + 1):
            self.sends_later = m > 0
            nodes.append(self.early_stage(m, "kk", ring=True) if m < stages else self.node_stage("kk", ring=True))
        mirror = [
            "if at == 0:",
            *(
                f"    store(R, {c}*plane + i*ring + T*{L} + {k * L}, load(R, {c}*plane + i*ring + {k * L}))"
                for c in self.channels
                for k in range(K)
            ),
        ]
        passes = self.nodes(self.delayed_sums("at", self.step.heard(0)), nodes[0], [] if stages else mirror, 0)
        for m in range(1, stages + 1):
            # The stages after the first take what was sent one step later: the zero delays among them the new point.
            passes += [
                *([f"ahead = wrapped(i32(at + {L} - rows), rows)"] if m == 1 else []),
                *self.nodes(self.delayed_sums("ahead", self.step.heard(m)), nodes[m], [], m),
                *self.flush(m),
            ]
        return [
            *self.prologue(),
            f"ring = (T + {K})*{L}",
            "plane = n*ring",
            "step_of_source = u32(ring)",
            f"rows = i32(T*{L})",
            f"at = i32((done % T)*{L})",
            *(f"R{c} = R[{c}*plane:]" for c in self.channels),
            *self.counters_before(),
            f"for tb in range(done, done + steps, {K}):",
            *indented(
                [
                    f"kn = min({K}, done + steps - tb)",
                    *passes,
                    *self.counters_after(),
                    f"at = wrapped(i32(at + {K * L} - rows), rows)",
                ]
            ),
            *self.epilogue(),
        ]

    # -- without ----------------------------------------------------------------------------------------------------

    def undelayed(self) -> list[str]:
        L = self.L
        stages = len(self.step.stages)
        nodes = [self.early_stage(m, "0", ring=False) for m in range(stages)]
        nodes.append(self.node_stage("0", ring=False))
        fetch = []
        if "R" in self.layout.shared:
            # Half 0 or 1 is the current one, by whether the number of exchanges is even.
            both = 2 * len(self.channels)
            fetch = self.own_nodes(
                [f"for c in range({both}):", f"    R[(c*n + i)*{L}] = R_[(tile*{both} + c)*channel + i*{L} + lane]"]
            )
        passes = []
        for m, node in enumerate(nodes):
            passes += [
                *(["now, new = new, now"] if m else []),
                *self.nodes(self.sums() if self.channels else [], node, [], m),
            ]
        turn = f"tb*{stages + 1}" if stages else "tb"
        return [
            *self.prologue(),
            *fetch,
            *(["cuda.syncthreads()"] if fetch else []),
            f"half = {len(self.channels)}*channel",
            *self.counters_before(),
            "for tb in range(done, done + steps):",
            *indented(
                [
                    f"now = ({turn} & 1)*half",
                    "new = half - now",
                    *passes,
                    *self.counters_after(),
                ]
            ),
            *self.epilogue(),
        ]
