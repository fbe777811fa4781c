"""The weighted sums of a CUDA kernel: what the network sends to the nodes of one thread, and to groups and sensors."""

from __future__ import annotations

from l2l.simulator.codegen.cuda_layout import CudaLayout
from l2l.simulator.codegen.emit import Emitter
from l2l.simulator.codegen.recorders import indented


class CudaSums(Emitter):
    """Prints the sums over the network; `first` is the first of the `rows` nodes that a thread takes at a time."""

    layout: CudaLayout

    def unit(self, name: str) -> int:
        """Distance of consecutive elements of a private array."""
        return self.L if name in self.layout.shared else 1

    def sum_place(self, c: int, row: str, k: str) -> str:
        if self.K == 1:
            k = "0"
        return f"(({c}*{self.layout.rows} + {row})*{self.K} + {k})*{self.unit('C')}"

    # -- with delays ------------------------------------------------------------------------------------------------

    def delayed_sums(self, now: str, heard: list[int]) -> list[str]:
        """now: ring place of the next step; a delay of d steps is found d + 1 steps before it. heard: channels."""
        L, K, rows = self.L, self.K, self.layout.rows
        added = [c for c in self.linear if c in heard]
        places = [(c, r, k) for c in added for r in range(rows) for k in range(K)]
        inner = []
        for r in range(rows):
            work = [
                f"o = u32(source + u32(wrapped(i32({now} - D[p + u32({r})]), rows)))",
                *(f"a{c}_{r}_{k} = fma(w, R{c}[o + u32({k * L})], a{c}_{r}_{k})" for c in added for k in range(K)),
            ]
            inner += [f"w = W[p + u32({r})]", *(["if w != zero:", *indented(work)] if self.layout.sparse else work)]
        linear = [
            *(f"a{c}_{r}_{k} = zero" for c, r, k in places),
            "p = u32(first*n)",
            "source = u32(0)",
            "for j in range(n):",
            *indented([*inner, f"p = u32(p + u32({rows}))", "source = u32(source + step_of_source)"]),
            *(f"store(C, {self.sum_place(c, str(r), str(k))}, a{c}_{r}_{k})" for c, r, k in places),
        ]
        pairs = []
        for c in (c for c in self.pairs if c in heard):
            pairs += self.pair_sums(
                c,
                f"R{c}[u32(i*ring) + u32(wrapped(i32({now} - {L}), rows))]",
                [f"sent = R{c}[source + u32(wrapped(i32({now} - D[p]), rows))]"],
                ["source = u32(source + step_of_source)"],
            )
        return [*(linear if places else []), *pairs]

    # -- without ----------------------------------------------------------------------------------------------------

    def sums(self) -> list[str]:
        L, rows = self.L, self.layout.rows
        paired = self.layout.words
        weights = []
        for r in range(0, rows, 2):
            if paired:
                weights += [f"w = W[p + u32({r // 2})]", f"w{r} = first_of(w)", f"w{r + 1} = second_of(w)"]
            else:
                weights += [f"w{r} = W[p + u32({r})]", f"w{r + 1} = W[p + u32({r + 1})]"]
        linear = [
            *(f"a{c}_{r} = zero" for c in self.linear for r in range(rows)),
            f"p = u32({'first//2' if paired else 'first'}*n)",
            "o = u32(now)",
            "across = u32(channel)",
            "for j in range(n):",
            *indented(
                [
                    *(f"s{c} = R[o + u32({c})*across]" for c in self.linear),
                    *weights,
                    *(f"a{c}_{r} = fma(w{r}, s{c}, a{c}_{r})" for r in range(rows) for c in self.linear),
                    f"p = u32(p + u32({rows // 2 if paired else rows}))",
                    f"o = u32(o + u32({L}))",
                ]
            ),
            *(f"store(C, {self.sum_place(c, str(r), '0')}, a{c}_{r})" for c in self.linear for r in range(rows)),
        ]
        pairs = []
        for c in self.pairs:
            pairs += self.pair_sums(
                c,
                f"R[u32(now) + u32({c}*channel) + u32(i*{L})]",
                [f"sent = R[u32(now) + u32({c}*channel) + u32(j*{L})]"],
                [],
            )
        return [*(linear if self.linear else []), *pairs]

    # -- functions of both nodes ------------------------------------------------------------------------------------

    def pair_sums(self, c: int, mine: str, sent: list[str], next_source: list[str]) -> list[str]:
        """For each node of the thread the sum of a function of what was sent and of what the receiver is.

        An evaluation a connection is so much work that zero weights are always skipped.
        """
        rows = self.layout.rows
        lines, [text] = self.pairs[c]
        each = [*sent, *lines, f"total = fma(w, {text}, total)"]
        return [
            f"for i in range(first, min(n, first + {rows})):",
            *indented(
                [
                    *self.parameters_of_node(),
                    f"mine = {mine}",
                    "total = zero",
                    "p = u32(first*n + i - first)",
                    *(["source = u32(0)"] if next_source else []),
                    "for j in range(n):",
                    *indented(
                        ["w = W[p]", "if w != zero:", *indented(each), f"p = u32(p + u32({rows}))", *next_source]
                    ),
                    f"store(C, {self.sum_place(c, '(i - first)', '0')}, total)",
                ]
            ),
        ]

    # -- groups and sensors -----------------------------------------------------------------------------------------

    def projected(self, m: int, values: list[str]) -> list[str]:
        """Puts the node's values aside: other threads have other nodes, and the sum is taken in the nodes' order."""
        count = self.layout.recorders[m].quantities
        place = f"((row{m} - r{m})*{count} + {{v}})*n + i"
        return [f"store(Y{m}, ({place.format(v=v)})*{self.L}, {text})" for v, text in enumerate(values)]

    def projection(self, m: int) -> list[str]:
        """Adds the nodes, weighted, to groups or sensors: those places and quantities that this thread has."""
        recorder, L = self.layout.recorders[m], self.L
        places, size = recorder.places, recorder.quantities * recorder.places
        return [
            f"for e in range(group, {size}, groups):",
            f"    to = e % {places}",
            "    total = zero",
            f"    for a in range(scalar_load(NI{m}, to), scalar_load(NI{m}, to + 1)):",
            f"        o = ((due*{recorder.quantities} + e//{places})*n + scalar_load(NI{m}, {places + 1} + a))*{L}",
            f"        total = fma(scalar_load(NW{m}, a), load(Y{m}, o), total)",
            f"    store(O{m}, (r{m}*{size} + e)*{L}, total)",
            "due += 1",
        ]
