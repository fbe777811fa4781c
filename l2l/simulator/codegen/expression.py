"""Expressions as a graph: interned nodes, exact simplification, substitution and evaluation.

Nodes are interned: two equal subexpressions are the same object, so common subexpressions cost nothing to find. Only
identities that are exact in floating point are applied (x*1, x+0, x*0, constants folded), so that a folded kernel gives
the bits of the unfolded one for finite values.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from l2l.errors import ModelError
from l2l.simulator.codegen.functions import FUNCTIONS, LOGICAL, OPERATORS


class Node:
    """One operation, symbol or constant of an expression graph; compare by identity."""

    __slots__ = ("__weakref__", "args", "name", "op", "value")

    def __init__(self, op: str, args: tuple[Node, ...], name: str, value: float) -> None:
        self.op = op
        self.args = args
        self.name = name
        self.value = value

    @property
    def is_const(self) -> bool:
        return self.op == "const"

    @property
    def is_symbol(self) -> bool:
        return self.op == "symbol"

    @property
    def is_logical(self) -> bool:
        """Whether the value is a truth value and not a number."""
        return self.op in LOGICAL

    def __repr__(self) -> str:
        return to_text(self)


_interned: weakref.WeakValueDictionary[tuple[Any, ...], Node] = weakref.WeakValueDictionary()


def _intern(op: str, args: tuple[Node, ...] = (), name: str = "", value: float = 0.0) -> Node:
    key = (op, args, name, value)
    node = _interned.get(key)
    if node is None:
        node = Node(op, args, name, value)
        _interned[key] = node
    return node


def const(value: float) -> Node:
    """A finite number."""
    if not math.isfinite(value):
        raise ModelError(f"constants must be finite, but got {value!r}")
    return _intern("const", value=float(value))


def symbol(name: str) -> Node:
    """A named quantity."""
    return _intern("symbol", name=name)


ZERO, ONE = const(0.0), const(1.0)


def make(op: str, *args: Node) -> Node:
    """The operation or function `op` of `args`, after exact simplification."""
    if all(a.is_const for a in args) and op not in LOGICAL and op != "where":
        return _fold(op, args)
    rule = _RULES.get(op)
    simplified = rule(*args) if rule else None
    return simplified if simplified is not None else _intern(op, args)


def _fold(op: str, args: tuple[Node, ...]) -> Node:
    function = OPERATORS[op] if op in OPERATORS else FUNCTIONS[op].numpy
    with np.errstate(all="ignore"):
        value = float(function(*(np.float64(a.value) for a in args)))
    if not math.isfinite(value):
        raise ModelError(
            f"a constant subexpression must be finite, but {op}({', '.join(repr(a.value) for a in args)}) is {value}"
        )
    return const(value)


def _add(a: Node, b: Node) -> Node | None:
    if a is ZERO:
        return b
    if b is ZERO:
        return a
    if b.op == "neg":
        return make("sub", a, b.args[0])
    return None


def _sub(a: Node, b: Node) -> Node | None:
    if b is ZERO:
        return a
    if a is ZERO:
        return make("neg", b)
    if b.op == "neg":
        return make("add", a, b.args[0])
    return None


def _mul(a: Node, b: Node) -> Node | None:
    if a is ZERO or b is ZERO:
        return ZERO
    if a is ONE:
        return b
    if b is ONE:
        return a
    if a.is_const and a.value == -1.0:
        return make("neg", b)
    return None


def _div(a: Node, b: Node) -> Node | None:
    if b is ZERO:
        raise ModelError("division by the constant 0")
    if a is ZERO:
        return ZERO
    if b is ONE:
        return a
    if b.op == "exprel":  # a/exprel(z) = a*bernoulli(z): one division less
        return make("mul", a, make("bernoulli", b.args[0]))
    if b.op == "mul" and b.args[1].op == "exprel":
        return make("mul", make("div", a, b.args[0]), make("bernoulli", b.args[1].args[0]))
    return None


def _neg(a: Node) -> Node | None:
    return a.args[0] if a.op == "neg" else None


def _pow(base: Node, exponent: Node) -> Node | None:
    """Integer powers become products, half powers square roots: no kernel then needs a general power."""
    if not exponent.is_const:
        return None
    n = exponent.value
    if n == 0.0:
        return ONE
    if n == 0.5:
        return make("sqrt", base)
    if n == int(n) and abs(n) <= 64:
        return _integer_power(base, int(n)) if n > 0 else make("div", ONE, _integer_power(base, int(-n)))
    return None


def _integer_power(base: Node, n: int) -> Node:
    result: Node | None = None
    square = base
    while n:
        if n & 1:
            result = square if result is None else make("mul", result, square)
        n >>= 1
        if n:
            square = make("mul", square, square)
    assert result is not None
    return result


def _where(condition: Node, a: Node, b: Node) -> Node | None:
    if a is b:
        return a
    if condition.is_const:
        return a if condition.value else b
    if condition.is_logical and condition.args and all(c.is_const for c in condition.args):
        return a if bool(OPERATORS[condition.op](*(c.value for c in condition.args))) else b
    return None


_RULES: dict[str, Callable[..., Node | None]] = {
    "add": _add,
    "sub": _sub,
    "mul": _mul,
    "div": _div,
    "neg": _neg,
    "pow": _pow,
    "where": _where,
}


def walk(roots: Iterable[Node]) -> list[Node]:
    """Every node below `roots` once, arguments before those who use them."""
    order: list[Node] = []
    seen: set[Node] = set()
    stack = [(node, False) for node in reversed(list(roots))]
    while stack:
        node, ready = stack.pop()
        if node in seen:
            continue
        if ready:
            seen.add(node)
            order.append(node)
        else:
            stack.append((node, True))
            stack.extend((arg, False) for arg in reversed(node.args) if arg not in seen)
    return order


def symbols(roots: Iterable[Node]) -> set[str]:
    """The names of all symbols below `roots`."""
    return {node.name for node in walk(roots) if node.is_symbol}


def substitute(roots: Iterable[Node], replacement: Mapping[str, Node]) -> list[Node]:
    """`roots` with each symbol named in `replacement` replaced, simplified anew."""
    roots = list(roots)
    done: dict[Node, Node] = {}
    for node in walk(roots):
        if node.is_symbol:
            done[node] = replacement.get(node.name, node)
        elif node.is_const:
            done[node] = node
        else:
            args = tuple(done[a] for a in node.args)
            done[node] = node if args == node.args else make(node.op, *args)
    return [done[root] for root in roots]


def evaluate(roots: Iterable[Node], values: Mapping[str, Any]) -> list[Any]:
    """NumPy values of `roots`; `values` names an array or number for every symbol."""
    roots = list(roots)
    done: dict[Node, Any] = {}
    for node in walk(roots):
        if node.is_symbol:
            done[node] = values[node.name]
        elif node.is_const:
            done[node] = node.value
        else:
            function = OPERATORS[node.op] if node.op in OPERATORS else FUNCTIONS[node.op].numpy
            with np.errstate(all="ignore"):  # the branch that `where` does not take may be anything
                done[node] = function(*(done[a] for a in node.args))
    return [done[root] for root in roots]


_INFIX = {"add": "+", "sub": "-", "mul": "*", "div": "/", "pow": "**", "lt": "<", "le": "<=", "gt": ">", "ge": ">=",
          "eq": "==", "ne": "!=", "and": "and", "or": "or"}  # fmt: skip


def to_text(root: Node) -> str:
    """The expression as text that `parse` reads again."""
    done: dict[Node, str] = {}
    for node in walk([root]):
        args = [done[a] for a in node.args]
        if node.is_const:
            done[node] = repr(node.value) if node.value >= 0 else f"({node.value!r})"
        elif node.is_symbol:
            done[node] = node.name
        elif node.op in _INFIX:
            done[node] = f"({args[0]} {_INFIX[node.op]} {args[1]})"
        elif node.op in {"neg", "not"}:
            done[node] = f"(-{args[0]})" if node.op == "neg" else f"(not {args[0]})"
        else:
            done[node] = f"{node.op}({', '.join(args)})"
    return done[root]
