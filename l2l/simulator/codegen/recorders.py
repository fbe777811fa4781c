"""What the monitors do in the kernel: sums, samples, haemodynamics. Printed after the step of a node."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from l2l.simulator import balloon
from l2l.simulator.balloon import Balloon
from l2l.simulator.codegen.expression import Node, const, symbol
from l2l.simulator.codegen.parser import parse
from l2l.simulator.codegen.printer import Printer
from l2l.simulator.codegen.system import Step

if TYPE_CHECKING:
    from l2l.simulator.codegen.emit import Layout


@dataclass(frozen=True)
class Recorder:
    """What a monitor does in the kernel.

    kind: "sample", "average", "bold" or "convolved". quantities: how many of `Step.observed` it records.
    places: number of groups or sensors that it adds weighted nodes up for; 0: it keeps the nodes.
    reach: convolved only: for how many periods the mean of one counts.
    mean: bold and convolved: driven by the mean and not by the last value.
    compensated: sums carry their rounding errors.
    """

    kind: str
    quantities: int
    mean: bool = True
    compensated: bool = False
    constants: Balloon | None = None
    h: float = 0.0
    places: int = 0
    reach: int = 0

    @property
    def sums(self) -> int:
        """How many running sums it keeps."""
        return self.quantities if self.kind == "average" or (self.kind != "sample" and self.mean) else 0

    @property
    def slots(self) -> int:
        """Vectors a node in its accumulator."""
        return self.sums * (2 if self.compensated else 1) + (4 if self.kind == "bold" else 0)


class RecorderLines:
    """Prints the recorders of one node; a part of the kernel's emitter."""

    step: Step
    layout: Layout
    printer: Printer
    L: int

    def product(self, a: str, b: str) -> str:
        """a*b, rounded."""
        return f"{a}*{b}"

    def counters(self) -> list[str]:
        """Where in its period each recorder stands at the start of a block."""
        lines = []
        for m, recorder in enumerate(self.layout.recorders):
            lines += [f"r{m} = tb // scalar_load(M, {2 * m})", f"q{m} = tb - r{m}*scalar_load(M, {2 * m})"]
            if recorder.kind in ("bold", "convolved"):
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
            with Scope(self.printer):
                due, texts = self.printer.print(observed, "m")
                due += self.due(m, texts)
        return [
            *every,
            f"l{m} -= 1",
            f"if l{m} == 0:",
            *indented([*due, f"l{m} = scalar_load(M, {2 * m})", f"row{m} += 1"]),
        ]

    def projected(self, m: int, values: list[str]) -> list[str]:
        """Adds the node, weighted, to the places it belongs to; nodes come in order, so the sum does not depend on how
        they are laid out."""
        recorder, L = self.layout.recorders[m], self.L
        place = f"scalar_load(NI{m}, n + 1 + at_{m})"
        lines = []
        for v in range(recorder.quantities):
            row = f"((row{m}*{recorder.quantities} + {v})*{recorder.places} + {place})*{L}"
            lines += [
                f"to_{m} = {row}",
                f"store(O{m}, to_{m}, fma(scalar_load(NW{m}, at_{m}), y{m}_{v}, load(O{m}, to_{m})))",
            ]
        return [
            *(f"y{m}_{v} = {text}" for v, text in enumerate(values)),
            f"for at_{m} in range(scalar_load(NI{m}, i), scalar_load(NI{m}, i + 1)):",
            *indented(lines),
        ]

    def convolved(self, m: int, value: str) -> list[str]:
        """Adds a period's value to the volumes that it reaches; NW holds what it counts in each."""
        recorders, L = len(self.layout.recorders), self.L
        return [
            f"y{m}_0 = {value}",
            f"out{m} = row{m}//volume{m}",
            f"lag{m} = (out{m} + 1)*volume{m} - 1 - row{m}",
            f"out{m} -= scalar_load(M, {2 * recorders + m})",
            f"while lag{m} < {self.layout.recorders[m].reach} and out{m} < scalar_load(M, {3 * recorders + m}):",
            f"    if out{m} >= 0:",
            f"        to_{m} = (out{m}*n + i)*{L}",
            f"        store(O{m}, to_{m}, fma(scalar_load(NW{m}, lag{m}), y{m}_0, load(O{m}, to_{m})))",
            f"    lag{m} += volume{m}",
            f"    out{m} += 1",
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
        if recorder.kind == "convolved":
            return self.convolved(m, values[0])
        if recorder.kind != "bold":
            count = recorder.quantities
            if recorder.places:
                return self.projected(m, values)
            return [f"store(O{m}, ((row{m}*{count} + {v})*n + i)*{L}, {text})" for v, text in enumerate(values)]
        assert recorder.constants is not None
        with Scope(self.printer):
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
        with Scope(self.printer):
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


class Scope:
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
