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
    A0_, ... [tile, n, slot, L]    O0_, ... [tile, row, quantity, n, L]    lost [tile, L] step of divergence, or -1
Private to a thread, in shared memory where there is room: C coupling sums [channel, row, K], Z noise [state, K, 4].
T holds the longest delay and K more rows, so that a group may write its K steps while another still reads the past.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from l2l.simulator.codegen.cuda_functions import FUNCTIONS, library
from l2l.simulator.codegen.emit import NOISE_GROUP, Emitter, Layout, indented
from l2l.simulator.codegen.expression import Node, symbol, walk
from l2l.simulator.codegen.printer import Printer
from l2l.simulator.codegen.system import Step, clip


@dataclass(frozen=True)
class CudaLayout(Layout):
    """Layout of a CUDA kernel; `lanes` is the number of simulations of a block.

    sparse: zero weights are skipped. shared: what lies in shared memory, of R (no delays), C, Z, S (no delays).
    registers: most registers a thread may take. simulated: for Numba's CUDA simulator.
    """

    sparse: bool = False
    shared: tuple[str, ...] = ()
    registers: int = 128
    simulated: bool = False


ARGUMENTS = ("S_", "R_", "W", "D", "P0_", "P1", "P2_", "KI", "SD_", "G", "M", "U", "V_", "UB")
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


def sizes(step: Step, layout: CudaLayout, nodes: int, groups: int) -> dict[str, int]:
    """Elements a block needs of each array that may lie in shared memory."""
    L, K, channels = layout.lanes, layout.block, len(step.channels)
    drawn = len(step.noisy()) if layout.noise == "drawn" else 0
    width = len(step.states) * (2 if layout.compensated else 1)
    return {
        "R": 0 if layout.delayed else 2 * channels * nodes * L,
        "C": groups * channels * layout.rows * K * L,
        "Z": groups * drawn * K * NOISE_GROUP * L,
        "S": 0 if layout.delayed else nodes * width * L,
    }


class CudaPrinter(Printer):
    """Products that no fused multiply-add takes up are written so that the compiler cannot fuse them."""

    def _text(self, node: Node, inline: Mapping[Node, str], fused: set[Node]) -> str:
        text = super()._text(node, inline, fused)
        if node.op == "mul":
            a, b = (self._named.get(arg) or inline[arg] for arg in node.args)
            return f"mul({a}, {b})"
        return text


class CudaEmitter(Emitter):
    """Prints the same node as its parent, for one thread: `load` and `store` take one element of this lane."""

    printer_class = CudaPrinter
    layout: CudaLayout

    def __init__(self, step: Step, layout: CudaLayout) -> None:
        super().__init__(step, layout)
        self.channels = range(len(step.channels))

    def module(self) -> str:
        layout = self.layout
        recorders = range(len(layout.recorders))
        arguments = [*ARGUMENTS, *(f"A{m}_" for m in recorders), *(f"O{m}_" for m in recorders), *SCALARS]
        body = self.delayed() if layout.delayed else self.undelayed()
        used = {node.op for root in self._all_nodes() for node in walk([root])} & set(FUNCTIONS)
        if any(r.kind == "bold" for r in layout.recorders):
            used |= {"exp", "expm1", "log"}
        decorator = "@cuda.jit" if layout.simulated else f"@cuda.jit(cache=True, max_registers={layout.registers})"
        return "\n".join(
            [
                *library(layout.precision, layout.simulated, used, layout.noise == "drawn"),
                "zero = real(0.0)",
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
        for m, (recorder, rows) in enumerate(zip(layout.recorders, self.rows_of_output(), strict=True)):
            lines.append(f"A{m} = A{m}_[tile*n*{recorder.slots * L} + lane:]")
            lines.append(f"O{m} = O{m}_[tile*n*{rows}*{recorder.quantities * L} + lane:]")
        lines.append("h = broadcast(dt)")
        for index, (array, slot) in enumerate(self.slots.values()):
            if array == 0:
                lines.append(f"p{index} = load(P0, {slot * L})")
        if not layout.delayed:
            lines += self.copies("S", "load(S_, tile*n*{w} + lane + {i})", width)
        return [*lines, *self.printer.hoisted[0]]

    def rows_of_output(self) -> list[str]:
        """Number of rows of each recording: they stand behind the periods and the skipped volumes."""
        recorders = len(self.layout.recorders)
        return [f"scalar_load(M, {3 * recorders + m})" for m in range(recorders)]

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

    def unit(self, name: str) -> int:
        """Distance of consecutive elements of a private array."""
        return self.L if name in self.layout.shared else 1

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
            look += [f"y = load(S, (i*{width} + {q})*{L})", "lasting = lasting and (y - y) == zero"]
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
        for m in range(len(self.layout.recorders)):
            period = f"scalar_load(M, {2 * m})"
            lines += [f"q{m} += {self.K}", f"while q{m} >= {period}:", f"    q{m} -= {period}", f"    r{m} += 1"]
        return lines

    def stimuli(self, kk: str) -> list[str]:
        # What differs between simulations lies in an array with tiles.
        return [line.replace("= load(U,", "= load(V,") for line in super().stimuli(kk)]

    def noise_place(self, q: int, kk: str, g: str) -> str:
        return f"(({q}*{self.K} + {kk})*{NOISE_GROUP} + {g})*{self.unit('Z')}"

    def coupling_of_step(self, ring: bool) -> list[str]:
        del ring
        return [f"c{c} = load(C, {self.sum_place(c, '(i - first)', 'kk')})" for c in self.channels]

    def sum_place(self, c: int, row: str, k: str) -> str:
        if self.K == 1:
            k = "0"
        return f"(({c}*{self.layout.rows} + {row})*{self.K} + {k})*{self.unit('C')}"

    def nodes(self, coupling: list[str], node: list[str], after: list[str]) -> list[str]:
        rows = self.layout.rows
        return [
            f"for first in range(group*{rows}, n, groups*{rows}):",
            *indented(
                [
                    *([f"ib = first//{rows}", *self.before_rows] if self.before_rows else []),
                    *coupling,
                    f"for i in range(first, min(n, first + {rows})):",
                    *indented([*node, *after]),
                ]
            ),
            *(["cuda.syncthreads()"] if self.channels else []),
            *self.counters_after(),
        ]

    # -- with delays ------------------------------------------------------------------------------------------------

    def delayed(self) -> list[str]:
        L, K = self.L, self.K
        node = self.node_stage("kk", ring=True)
        mirror = [
            f"store(R, {c}*plane + i*ring + T*{L} + {k * L}, load(R, {c}*plane + i*ring + {k * L}))"
            for c in self.channels
            for k in range(K)
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
                    *self.nodes(self.delayed_sums(), node, ["if at == 0:", *indented(mirror)]),
                    f"at = wrapped(i32(at + {K * L} - rows), rows)",
                ]
            ),
            *self.epilogue(),
        ]

    def delayed_sums(self) -> list[str]:
        L, K, rows = self.L, self.K, self.layout.rows
        places = [(c, r, k) for c in self.channels for r in range(rows) for k in range(K)]
        inner = []
        for r in range(rows):
            work = [
                f"o = u32(source + u32(wrapped(i32(at - D[p + u32({r})]), rows)))",
                *(
                    f"a{c}_{r}_{k} = fma(w, R{c}[o + u32({k * L})], a{c}_{r}_{k})"
                    for c in self.channels
                    for k in range(K)
                ),
            ]
            inner += [f"w = W[p + u32({r})]", *(["if w != zero:", *indented(work)] if self.layout.sparse else work)]
        return [
            *(f"a{c}_{r}_{k} = zero" for c, r, k in places),
            "p = u32(first*n)",
            "source = u32(0)",
            "for j in range(n):",
            *indented([*inner, f"p = u32(p + u32({rows}))", "source = u32(source + step_of_source)"]),
            *(f"store(C, {self.sum_place(c, str(r), str(k))}, a{c}_{r}_{k})" for c, r, k in places),
        ]

    # -- without ----------------------------------------------------------------------------------------------------

    def undelayed(self) -> list[str]:
        L = self.L
        node = self.node_stage("0", ring=False)
        fetch = []
        if "R" in self.layout.shared:
            # Half 0 or 1 is the current one, by whether the number of steps done is even.
            both = 2 * len(self.channels)
            fetch = self.own_nodes(
                [f"for c in range({both}):", f"    R[(c*n + i)*{L}] = R_[(tile*{both} + c)*channel + i*{L} + lane]"]
            )
        return [
            *self.prologue(),
            *fetch,
            *(["cuda.syncthreads()"] if fetch else []),
            f"half = {len(self.channels)}*channel",
            *self.counters_before(),
            "for tb in range(done, done + steps):",
            *indented(
                [
                    "now = (tb & 1)*half",
                    "new = half - now",
                    *self.nodes(self.sums() if self.channels else [], node, []),
                ]
            ),
            *self.epilogue(),
        ]

    def sums(self) -> list[str]:
        L, rows = self.L, self.layout.rows
        paired = self.layout.precision == "float32"
        weights = []
        for r in range(0, rows, 2):
            if paired:
                weights += [f"w = W[p + u32({r // 2})]", f"w{r} = first_of(w)", f"w{r + 1} = second_of(w)"]
            else:
                weights += [f"w{r} = W[p + u32({r})]", f"w{r + 1} = W[p + u32({r + 1})]"]
        return [
            *(f"a{c}_{r} = zero" for c in self.channels for r in range(rows)),
            f"p = u32({'first//2' if paired else 'first'}*n)",
            "o = u32(now)",
            "across = u32(channel)",
            "for j in range(n):",
            *indented(
                [
                    *(f"s{c} = R[o + u32({c})*across]" for c in self.channels),
                    *weights,
                    *(f"a{c}_{r} = fma(w{r}, s{c}, a{c}_{r})" for r in range(rows) for c in self.channels),
                    f"p = u32(p + u32({rows // 2 if paired else rows}))",
                    f"o = u32(o + u32({L}))",
                ]
            ),
            *(f"store(C, {self.sum_place(c, str(r), '0')}, a{c}_{r})" for c in self.channels for r in range(rows)),
        ]
