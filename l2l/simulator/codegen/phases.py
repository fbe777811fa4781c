"""Phases: states of which the equations see a sine or cosine only, so that whole turns do not count.

A phase grows without bound, and with it what float32 rounds away: 3e-5 rad after 1000 rad. Its compensated sum still
knows those digits (`emit.Emitter.update`). The equations therefore read r. = x. - e. less whole turns; what is recorded
and carried on is x. itself, never wrapped.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from l2l.simulator.codegen.expression import Node, const, make, substitute, symbol, symbols, walk

_CYCLIC = frozenset({"sin", "cos", "tan"})


def period(roots: Iterable[Node], name: str) -> float | None:
    """What may be added to the symbol `name` without changing any of `roots`; None: nothing, or nothing reads it.

    Found where every occurrence stands, times a constant, in a sum inside sin, cos or tan.
    """
    factors: set[float] = set()
    outside: dict[Node, bool] = {}
    for node in walk(roots):
        outside[node] = (node.is_symbol and node.name == name) or any(outside[a] for a in node.args)
        if outside[node] and node.op in _CYCLIC:
            factor = _factor(node.args[0], name)
            if factor:
                factors.add(abs(factor))
                outside[node] = False
    if not factors or any(outside[root] for root in roots):
        return None
    least = min(factors)
    return 2 * math.pi / least if all(_whole(factor / least) for factor in factors) else None


def reduce(roots: Iterable[Node], name: str, reduced: Node, turn: float) -> list[Node]:
    """`roots` with `reduced` in place of the symbol wherever adding `turn` to it changes nothing."""
    done: dict[Node, Node] = {}
    roots = list(roots)
    for node in walk(roots):
        factor = _factor(node.args[0], name) if node.op in _CYCLIC else None
        if factor and _whole(factor * turn / (2 * math.pi)):
            done[node] = substitute([node], {name: reduced})[0]
        else:
            args = tuple(done[a] for a in node.args)
            done[node] = node if args == node.args else make(node.op, *args)
    return [done[root] for root in roots]


def within_a_turn(x: Node, error: Node, turn: float) -> Node:
    """x - error less the whole turns that bring it to -turn/2 ... turn/2, in float32 to a rounding of the result."""
    head = float(np.float32(turn))
    turns = make("floor", make("add", make("mul", const(1 / turn), x), const(0.5)))
    # x less turns of `head` is exact: a multiple of its last digit, and small.
    rest = make("sub", x, make("mul", turns, const(head)))
    return make("sub", rest, make("add", make("mul", turns, const(turn - head)), error))


def _factor(node: Node, name: str) -> float | None:
    """c, where `node` is c times the symbol plus what does not depend on it; None where it is not."""
    if node.is_symbol and node.name == name:
        return 1.0
    if name not in symbols([node]):
        return 0.0
    factors = [_factor(a, name) for a in node.args]
    match node.op, factors:
        case "add", [float(a), float(b)]:
            return a + b
        case "sub", [float(a), float(b)]:
            return a - b
        case "neg", [float(a)]:
            return -a
        case "mul", [float(a), float(b)] if node.args[0].is_const or node.args[1].is_const:
            return node.args[0].value * b if node.args[0].is_const else a * node.args[1].value
        case "div", [float(a), _] if node.args[1].is_const:
            return a / node.args[1].value
    return None


def _whole(ratio: float) -> bool:
    return abs(ratio - round(ratio)) < 1e-9 * max(1.0, abs(ratio)) and round(ratio) != 0


def phases(roots: Iterable[Node], names: Iterable[str]) -> dict[str, float]:
    """The period of each x. symbol of `names` that is a phase in `roots`."""
    roots = list(roots)
    found = {name: period(roots, f"x.{name}") for name in names}
    return {name: turn for name, turn in found.items() if turn is not None}


def reduced_symbol(name: str) -> Node:
    return symbol(f"r.{name}")
