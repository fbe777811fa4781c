"""Splits a function of two nodes into sums of products of functions of one: what makes a coupling cheap.

sum_j W_ij f(x_j, x_i) costs an evaluation a connection. Where f = sum_k g_k(x_i) h_k(x_j), it is
sum_k g_k(x_i) sum_j W_ij h_k(x_j): each node sends h_k once, and the network only adds.
"""

from __future__ import annotations

from collections.abc import Callable

from l2l.simulator.codegen.expression import ONE, ZERO, Node, make, symbols

SENDER, RECEIVER = "x_j", "x_i"
Expansion = Callable[[Node, Node], list[tuple[Node, Node]]]
MOST = 12  # products: beyond, an evaluation a connection is no slower


def separate(node: Node) -> list[tuple[Node, Node]] | None:
    """[(h, g), ...] with node = sum of h(x_j) g(x_i), each h once; None where that is not found.

    Sums, products, quotients by a function of one node, integer powers, and sin, cos, sinh, cosh, exp of sums are.
    """
    products = _products(node)
    if products is None:
        return None
    merged: dict[Node, Node] = {}
    for h, g in products:
        if not _uses(h, SENDER):  # a parameter: with the receiver, so that only the sum of the weights is left
            h, g = ONE, make("mul", h, g)
        merged[h] = make("add", merged[h], g) if h in merged else g
    return list(merged.items()) if len(merged) <= MOST else None


def _uses(node: Node, name: str) -> bool:
    return name in symbols([node])


def _products(node: Node) -> list[tuple[Node, Node]] | None:
    if not _uses(node, RECEIVER):
        return [(node, ONE)]
    if not _uses(node, SENDER):
        return [(ONE, node)]
    if node.op in _OF_SUMS:
        parts = _parts(node.args[0])
        return None if parts is None else _OF_SUMS[node.op](*parts)
    if node.op not in {"add", "sub", "neg", "mul", "div"}:
        return None
    inner = [_products(arg) for arg in node.args]
    a = inner[0]
    if a is None:
        return None
    if node.op == "neg":
        return [(h, make("neg", g)) for h, g in a]
    if node.op == "div":
        below = node.args[1]
        if not _uses(below, SENDER):
            return [(h, make("div", g, below)) for h, g in a]
        return None if _uses(below, RECEIVER) else [(make("div", h, below), g) for h, g in a]
    b = inner[1]
    if b is None:
        return None
    if node.op == "add":
        return [*a, *b]
    if node.op == "sub":
        return [*a, *((h, make("neg", g)) for h, g in b)]
    if len(a) * len(b) > MOST**2:
        return None
    return [(make("mul", h, other), make("mul", g, more)) for h, g in a for other, more in b]


def _parts(node: Node) -> tuple[Node, Node] | None:
    """(p(x_j), q(x_i)) with node = p + q; None where that is not found."""
    products = _products(node)
    if products is None:
        return None
    p, q = ZERO, ZERO
    for h, g in products:
        if not _uses(h, SENDER):
            q = make("add", q, make("mul", h, g))
        elif not _uses(g, RECEIVER):
            p = make("add", p, make("mul", h, g))
        else:
            return None
    return p, q


def _both(first: tuple[str, str], second: tuple[str, str], sign: str) -> Expansion:
    def expand(p: Node, q: Node) -> list[tuple[Node, Node]]:
        last = make(second[1], q)
        return [
            (make(first[0], p), make(first[1], q)),
            (make(second[0], p), make("neg", last) if sign == "-" else last),
        ]

    return expand


_OF_SUMS: dict[str, Expansion] = {
    "sin": _both(("sin", "cos"), ("cos", "sin"), "+"),
    "cos": _both(("cos", "cos"), ("sin", "sin"), "-"),
    "sinh": _both(("sinh", "cosh"), ("cosh", "sinh"), "+"),
    "cosh": _both(("cosh", "cosh"), ("sinh", "sinh"), "+"),
    "exp": lambda p, q: [(make("exp", p), make("exp", q))],
}
