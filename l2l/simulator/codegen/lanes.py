"""Writes the source of the CPU kernel: the step of a node inside loops over steps and nodes, sums before it."""

from __future__ import annotations

import ast
import re

from l2l.simulator.codegen.emit import Emitter, Layout, indented
from l2l.simulator.codegen.system import Step

ARGUMENTS = ("S", "R", "C", "W", "D", "B", "RP", "P0", "P1", "P2", "KI", "SD", "Z", "G", "M", "U", "UB", "Q")
SCALARS = ("t0", "done", "steps", "n", "T", "tiles", "dt")


def emit(step: Step, layout: Layout) -> str:
    """The source of a module that defines `kernel`."""
    return LaneEmitter(step, layout).module()


class LaneEmitter(Emitter):
    """Prints the kernel for CPU lanes."""

    def pair_sums(self, c: int, mine: str, connections: str, sent: list[str], place: str) -> list[str]:
        """The weighted sum, for node i, of a function of what the sender sent and of what the receiver is."""
        lines, [text] = self.pairs[c]
        return [
            *self.parameters_of_node(),
            f"mine = load(R, {mine})",
            "total = broadcast(zero)",
            f"for p in range({connections}):",
            "    w = scalar_load(W, p)",
            "    if w != 0:",  # the function need not be finite where nothing is connected, as 1/(x_j - x_i) of a node
            *indented(indented([*sent, *lines, f"total = fma(w, {text}, total)"])),
            f"store(C, {place}, total)",
        ]

    def module(self) -> str:
        recorders = range(len(self.layout.recorders))
        each = [f"{array}{m}" for array in ("A", "O", "NI", "NW") for m in recorders]
        arguments = [*ARGUMENTS, *each, *SCALARS]
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

    def seeds(self) -> list[str]:
        return []  # fetched once: what the first round makes of them is then computed once, too

    def prologue(self) -> list[str]:
        lines = ["h = broadcast(dt)", *(super().seeds() if self.layout.noise == "drawn" else [])]
        for index, (array, slot) in enumerate(self.slots.values()):
            if array == 0:
                lines.append(f"p{index} = load(P0, {slot * self.L})")
        return [*lines, *self.printer.hoisted[0], *self.pair_printer.hoisted[0]]

    def delayed(self) -> list[str]:
        L, K, ahead = self.L, self.K, self.layout.ahead
        stages = [self.early_stage(m, "kk", ring=True) for m in range(len(self.step.stages))]
        stages.append(self.node_stage("kk", ring=True))
        passes = [
            f"at = (tb & {ahead - 1})*{L}",
            "if at == 0:",
            *indented(self.sums_ahead()),
            *self.sums_of_short_delays(),
        ] if ahead else []  # fmt: skip
        for m, node in enumerate(stages):
            # The stages after the first take what was sent one step later: the zero delays among them the new point.
            shift = "tB" if m == 0 else f"(tB + {L})"
            passes += [
                *([] if ahead else self.delayed_coupling(shift, self.step.heard(m))),
                *(["at = tB & mask", *self.counters()] if m == 0 else []),
                *(self.abreast(node) if self.layout.abreast == 2 else ["for i in range(n):", *indented(node)]),
                f"if at < {self.layout.mirrored * L}:",
                *indented(self.mirror()),
            ]
        return [
            f"ring = (T + {self.layout.mirrored})*{L}",
            f"mask = T*{L} - 1",
            "plane = n*ring",
            *self.prologue(),
            f"for tb in range(done, done + steps, {K}):",
            *indented(
                [
                    f"kn = min({K}, done + steps - tb)",
                    f"tB = tb*{L}",
                    *passes,
                ]
            ),
        ]

    def abreast(self, alone: list[str]) -> list[str]:
        """Advances nodes by twos, statements of node i alternating with those of node i + 1; a last one `alone`."""
        before, body, after = self.node_parts("kk", ring=True)
        tree = ast.parse("\n".join([*before, *body, *after]))
        own = {name.id for name in ast.walk(tree) if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)}
        names = re.compile(rf"\b({'|'.join(sorted(own | {'i'}))})\b")

        def both(lines: list[str]) -> list[str]:
            starts = [k for k, line in enumerate(lines) if not line.startswith(" ")]
            merged = []
            for first, end in zip(starts, [*starts[1:], len(lines)], strict=True):
                statement = lines[first:end]  # with the block that it opens
                merged += [*statement, *(names.sub(r"\1_next", line) for line in statement)]
            return merged

        pair = ["i_next = i + 1", *both(before), "for kk in range(kn):", *indented(both(body)), *both(after)]
        last = ["for i in range(n - 1, n):", *indented(alone)] if self.layout.odd else []
        return ["for i in range(0, n - 1, 2):", *indented([*self.before_node, *pair]), *last]

    def delayed_coupling(self, now: str, heard: list[int]) -> list[str]:
        L, K = self.L, self.K
        direct = []
        for c in self.pairs:
            if c not in heard:
                continue
            direct += self.pair_sums(
                c,
                f"{c}*plane + i*ring + (({now} - {L}) & mask)",
                "scalar_load(RP, i), scalar_load(RP, i + 1)",
                [f"sent = load(R, scalar_load(B, p) + (({now} - scalar_load(D, p)) & mask) + {c}*plane)"],
                f"({c}*n + i)*{L}",
            )
        if direct:
            direct = ["for i in range(n):", *indented(direct)]
        linear = [c for c in self.linear if c in heard]
        if not linear:
            return direct
        loop = self.sums_of_block(linear, now, "0", K, "jt*n + i", begun=self.layout.tiled)
        return [
            *direct,
            *self.cleared_sums(),
            "for jt in range(tiles):",
            "    for i in range(n):",
            *indented(indented(loop)),
        ]

    def sums_ahead(self) -> list[str]:
        """The sums over long delays of all steps from this one to the next that `ahead` divides."""
        L, ahead, chunk = self.L, self.layout.ahead, self.layout.chunk
        loop = self.sums_of_block(self.linear, f"(tB + a*{L})", f"a*{L}", chunk, "jt*n + i", begun=self.layout.tiled)
        return [
            *self.cleared_sums(),
            f"until = min({ahead}, done + steps - tb)",
            "for jt in range(tiles):",
            "    for i in range(n):",
            f"        for a in range(0, until, {chunk}):",
            *indented(indented(indented(loop))),
        ]

    def cleared_sums(self) -> list[str]:
        """Zeros, where one tile of sources adds to what another has begun."""
        if not self.layout.tiled:
            return []
        return [f"for q in range({len(self.linear) * self.depth}*n):", f"    store(C, q*{self.L}, broadcast(zero))"]

    def sums_of_short_delays(self) -> list[str]:
        """Adds, at each block, what was sent too recently to be summed ahead."""
        group = "tiles*n + i"
        loop = self.sums_of_block(self.linear, "tB", "at", self.K, group, begun=True)
        return [
            "for i in range(n):",
            f"    if scalar_load(RP, {group}) != scalar_load(RP, {group} + 1):",
            *indented(indented(loop)),
        ]

    def sums_of_block(
        self, channels: list[int], now: str, first: str, count: int, group: str, *, begun: bool
    ) -> list[str]:
        """Adds up the connections of one group for node i, `count` steps from ring place `now` on in registers.

        first: where in node i's sums these steps begin. begun: they hold a part already.
        """
        L = self.L
        size = self.depth * L
        pairs = [(c, k) for c in channels for k in range(count)]
        place = {(c, k): f"sums{c} + {k * L}" for c, k in pairs}
        return [
            *(f"sums{c} = {f'({c}*n + i)' if c else 'i'}*{size} + {first}" for c in channels),
            *(f"a{c}_{k} = {f'load(C, {place[c, k]})' if begun else 'broadcast(zero)'}" for c, k in pairs),
            f"for p in range(scalar_load(RP, {group}), scalar_load(RP, {group} + 1)):",
            *indented(
                [
                    f"o0 = scalar_load(B, p) + (({now} - scalar_load(D, p)) & mask)",
                    "w = scalar_load(W, p)",
                    *(f"o{c} = o0 + {c}*plane" for c in channels if c),
                    *(f"a{c}_{k} = fma(w, load(R, o{c} + {k * L}), a{c}_{k})" for c, k in pairs),
                ]
            ),
            *(f"store(C, {place[c, k]}, a{c}_{k})" for c, k in pairs),
        ]

    def mirror(self) -> list[str]:
        """Repeats the block of steps just sent, which stands among the first of the ring, behind its end."""
        L, K = self.L, self.K
        channels = len(self.step.channels)
        return [
            f"for i in range({channels}*n):",
            f"    for k in range(at, at + {K * L}, {L}):",
            f"        store(R, i*ring + T*{L} + k, load(R, i*ring + k))",
        ]

    def undelayed(self) -> list[str]:
        L, rows = self.L, self.layout.rows
        channels = self.linear
        stages = [self.early_stage(m, "0", ring=False) for m in range(len(self.step.stages))]
        stages.append(self.node_stage("0", ring=False))
        sums = []
        for c in self.pairs:
            mine = f"now + ({c}*n + i)*{L}"
            sent = [f"sent = load(R, now + ({c}*n + p - i*n)*{L})"]
            sums += ["i = ib", *self.pair_sums(c, mine, "i*n, i*n + n", sent, str(c * L))]
        if channels and self.layout.sparse:
            sums += [
                *(f"a{c} = broadcast(zero)" for c in channels),
                "for p in range(scalar_load(RP, ib), scalar_load(RP, ib + 1)):",
                "    o = now + scalar_load(B, p)",
                "    w = scalar_load(W, p)",
                *(f"    a{c} = fma(w, load(R, o + {c}*n*{L}), a{c})" for c in channels),
                *(f"store(C, {c * L}, a{c})" for c in channels),
            ]
        elif channels:
            sums += [
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
        passes = []
        for m, node in enumerate(stages):
            passes += [
                *(["now, new = new, now"] if m else []),
                f"for ib in range((n + {rows - 1})//{rows}):",
                *indented(
                    [
                        *(self.before_rows if m == 0 else []),
                        *sums,
                        f"for i in range(ib*{rows}, min(n, ib*{rows} + {rows})):",
                        *indented(node),
                    ]
                ),
            ]
        turn = "tb" if len(stages) == 1 else f"tb*{len(stages)}"
        return [
            *self.prologue(),
            f"half = {max(1, len(self.step.channels))}*n*{L}",
            "for tb in range(done, done + steps):",
            *indented(
                [
                    f"now = ({turn} & 1)*half",
                    "new = half - now",
                    *self.counters(),
                    *passes,
                ]
            ),
        ]


_VECTOR_FUNCTION_NAMES = (
    "exp", "expm1", "exprel", "bernoulli", "log", "sqrt", "sin", "cos", "tan", "sinh", "cosh", "tanh", "abs", "floor",
    "ceil", "erfc", "pow", "minimum", "maximum",
)  # fmt: skip
