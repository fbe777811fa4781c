"""Prints expression graphs as kernel source: common subexpressions once, constants of an outer loop before that loop.

Levels: 0 holds for the whole call, 1 for one node, 2 for one step of one node. What changes at a lower level only is
computed there. Printed names are numbered, so no name of a model can clash with one of the kernel.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from l2l.simulator.codegen.expression import ONE, Node, make

STEP_LEVEL = 2
_INFIX = {"add": "+", "sub": "-", "mul": "*", "div": "/", "lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==",
          "ne": "!="}  # fmt: skip
_NAMED = {"and": "mask_and", "or": "mask_or", "not": "mask_not", "where": "where"}


class Printer:
    """Collects lines of source for the levels below the step; returns those of the step.

    leaves: for each symbol the name it has in the source, and its level.
    """

    def __init__(self, leaves: Mapping[str, tuple[str, int]]) -> None:
        self.leaves = leaves
        self.hoisted: tuple[list[str], list[str]] = ([], [])
        self.constants: dict[str, float] = {}
        self._count = 0
        self._named: dict[Node, str] = {}
        self._levels: dict[Node, int] = {}
        self._prepared: dict[Node, Node] = {}

    def level(self, node: Node) -> int:
        known = self._levels.get(node)
        if known is None:
            if node.is_const:
                known = 0
            elif node.is_symbol:
                known = self.leaves[node.name][1]
            else:
                known = max(self.level(a) for a in node.args)
            self._levels[node] = known
        return known

    def prepare(self, node: Node) -> Node:
        """Products and quotients regrouped, so that all factors which a loop does not change are multiplied before it.

        The grouping depends on which symbols change from step to step and on nothing else, so that every variant of a
        kernel rounds alike.
        """
        done = self._prepared.get(node)
        if done is None:
            args = tuple(self.prepare(a) for a in node.args)
            done = node if args == node.args else make(node.op, *args)
            if done.op in {"mul", "div", "neg"} and self.level(done) == STEP_LEVEL:
                fixed, changing = self._factors(done)
                if fixed is not None:
                    done = make("mul", fixed, changing)
            self._prepared[node] = done
        return done

    def _factors(self, node: Node) -> tuple[Node | None, Node]:
        """(product of the factors below the step level, product of the others)."""
        if node.op == "neg":
            fixed, changing = self._factors(node.args[0])
            return (None, node) if fixed is None else (make("neg", fixed), changing)
        if node.op == "div" and self.level(node.args[1]) < STEP_LEVEL:
            fixed, changing = self._factors(node.args[0])
            return make("div", ONE if fixed is None else fixed, node.args[1]), changing
        if node.op == "mul":
            a, b = node.args
            if self.level(a) < STEP_LEVEL:
                fixed, changing = self._factors(b)
                return (a if fixed is None else make("mul", a, fixed)), changing
            if self.level(b) < STEP_LEVEL:
                fixed, changing = self._factors(a)
                return (b if fixed is None else make("mul", fixed, b)), changing
            (fa, ca), (fb, cb) = self._factors(a), self._factors(b)
            if fa is not None or fb is not None:
                fixed = fb if fa is None else (fa if fb is None else make("mul", fa, fb))
                return fixed, make("mul", ca, cb)
        return None, node

    def constant(self, value: float) -> str:
        name = "K" + float(np.float64(value)).hex().replace("-", "m").replace("+", "").replace(".", "_")
        self.constants[name] = value
        return name

    def print(self, roots: Iterable[Node], prefix: str) -> tuple[list[str], list[str]]:
        """(lines, texts): the lines of the step and, for each root, the expression that names its value."""
        prepared = [self.prepare(root) for root in roots]
        order, uses = self._uses(prepared)
        outer = dict.fromkeys(prepared, STEP_LEVEL)
        for node in order:
            for arg in node.args:
                outer[arg] = max(outer.get(arg, 0), self.level(node))
        fused = self._fused(order, uses)
        lines: list[str] = []
        inline: dict[Node, str] = {}
        for node in order:
            if node in self._named or node in fused:
                continue
            text = self._text(node, inline, fused)
            level = self.level(node)
            leaf = node.is_const or node.is_symbol
            if not leaf and (uses[node] > 1 or level < outer[node] or len(text) > 160):
                target = lines if level == STEP_LEVEL else self.hoisted[level]
                self._count += 1
                name = f"{prefix}_{self._count}"
                target.append(f"{name} = {text}")
                self._named[node] = name
            else:
                inline[node] = text
        return lines, [self._vector(root, inline) for root in prepared]

    def forget_step(self) -> None:
        """Names of the step level are not known outside the block they were printed in."""
        self._named = {node: name for node, name in self._named.items() if self.level(node) < STEP_LEVEL}

    def snapshot(self) -> frozenset[Node]:
        """The nodes that have a name now."""
        return frozenset(self._named)

    def restore(self, named: frozenset[Node]) -> None:
        """Forgets the step-level names given since `snapshot`; what was hoisted stays."""
        self._named = {n: name for n, name in self._named.items() if n in named or self.level(n) < STEP_LEVEL}

    def _vector(self, root: Node, inline: Mapping[Node, str]) -> str:
        text = self._named.get(root) or inline[root]
        return f"broadcast({text})" if root.is_const else text

    def _uses(self, roots: list[Node]) -> tuple[list[Node], dict[Node, int]]:
        """Nodes to print, arguments first, and how often each is used; what has a name already is a leaf."""
        order: list[Node] = []
        uses: dict[Node, int] = {}
        seen: set[Node] = set()

        def visit(node: Node) -> None:
            if node in seen:
                return
            seen.add(node)
            if node not in self._named:
                for arg in node.args:
                    visit(arg)
                    uses[arg] = uses.get(arg, 0) + 1
            order.append(node)

        for root in roots:
            visit(root)
            uses[root] = uses.get(root, 0) + 1
        return order, uses

    def _fused(self, order: list[Node], uses: Mapping[Node, int]) -> set[Node]:
        """Products that go into a fused multiply-add of the one sum that uses them."""
        fused: set[Node] = set()
        for node in order:
            if node.op in {"add", "sub"} and node not in self._named:
                for arg in reversed(node.args):
                    if (
                        arg.op == "mul"
                        and arg not in self._named
                        and uses[arg] == 1
                        and self.level(arg) == self.level(node)
                    ):
                        fused.add(arg)
                        break
        return fused

    def _text(self, node: Node, inline: Mapping[Node, str], fused: set[Node]) -> str:
        if node.is_const:
            return self.constant(node.value)
        if node.is_symbol:
            return self.leaves[node.name][0]

        def text(arg: Node) -> str:
            return self._named.get(arg) or inline[arg]

        if node.op in {"add", "sub"}:
            a, b = node.args
            if b in fused:
                x, y = (text(f) for f in b.args)
                return f"{'fma' if node.op == 'add' else 'fnma'}({x}, {y}, {text(a)})"
            if a in fused:
                x, y = (text(f) for f in a.args)
                return f"{'fma' if node.op == 'add' else 'fms'}({x}, {y}, {text(b)})"
        args = [text(a) for a in node.args]
        if node.op in _INFIX:
            return f"({args[0]} {_INFIX[node.op]} {args[1]})"
        if node.op == "neg":
            return f"(-{args[0]})"
        return f"{_NAMED.get(node.op, node.op)}({', '.join(args)})"
