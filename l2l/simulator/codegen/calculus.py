"""Symbolic derivatives of expression graphs."""

from __future__ import annotations

import math
from collections.abc import Callable

from l2l.errors import ModelError
from l2l.simulator.codegen.expression import ONE, ZERO, Node, const, make, walk

_CHAIN: dict[str, Callable[[Node, Node], Node]] = {
    # argument, the node itself -> derivative of the function
    "exp": lambda _, y: y,
    "expm1": lambda x, _: make("exp", x),
    "log": lambda x, _: make("div", ONE, x),
    "sqrt": lambda _, y: make("div", const(0.5), y),
    "sin": lambda x, _: make("cos", x),
    "cos": lambda x, _: make("neg", make("sin", x)),
    "tan": lambda _, y: make("add", ONE, make("mul", y, y)),
    "sinh": lambda x, _: make("cosh", x),
    "cosh": lambda x, _: make("sinh", x),
    "tanh": lambda _, y: make("sub", ONE, make("mul", y, y)),
    "abs": lambda x, _: make("where", make("lt", x, ZERO), const(-1.0), ONE),
    "floor": lambda _x, _y: ZERO,
    "ceil": lambda _x, _y: ZERO,
    "erfc": lambda x, _: make("mul", const(-2.0 / math.sqrt(math.pi)), make("exp", make("neg", make("mul", x, x)))),
    # d/dx x/expm1(x) = y*(1 - y*exp(x))/x has a removable pole; the form below is used away from 0
    "bernoulli": lambda x, y: make(
        "where",
        make("lt", make("abs", x), const(1e-4)),
        make("add", const(-0.5), make("div", x, const(6.0))),
        make("div", make("mul", y, make("sub", ONE, make("mul", y, make("exp", x)))), x),
    ),
    "exprel": lambda x, y: make(
        "where",
        make("lt", make("abs", x), const(1e-4)),
        make("add", const(0.5), make("div", x, const(3.0))),
        make("div", make("sub", make("exp", x), y), x),
    ),
}


def differentiate(root: Node, name: str) -> Node:
    """The derivative of `root` with respect to the symbol `name`."""
    slope: dict[Node, Node] = {}
    for node in walk([root]):
        slope[node] = _slope(node, [slope[a] for a in node.args], name)
    return slope[root]


def _slope(node: Node, inner: list[Node], name: str) -> Node:
    args = node.args
    match node.op:
        case "const":
            return ZERO
        case "symbol":
            return ONE if node.name == name else ZERO
        case "add" | "sub":
            return make(node.op, inner[0], inner[1])
        case "neg":
            return make("neg", inner[0])
        case "mul":
            return make("add", make("mul", inner[0], args[1]), make("mul", args[0], inner[1]))
        case "div":
            return make("div", make("sub", inner[0], make("mul", node, inner[1])), args[1])
        case "pow":
            by_base = make("mul", make("mul", args[1], make("pow", args[0], make("sub", args[1], ONE))), inner[0])
            if inner[1] is ZERO:
                return by_base
            return make("add", by_base, make("mul", make("mul", node, make("log", args[0])), inner[1]))
        case "where":
            return make("where", args[0], inner[1], inner[2])
        case "minimum" | "maximum":
            order = make("lt" if node.op == "minimum" else "gt", args[1], args[0])
            return make("where", order, inner[1], inner[0])
    if node.is_logical:
        return ZERO
    if node.op not in _CHAIN:
        raise ModelError(f"the derivative of {node.op} is not known")
    return ZERO if inner[0] is ZERO else make("mul", _CHAIN[node.op](args[0], node), inner[0])
