"""The one whitelisted parser of expression text. It reads Python's grammar but evaluates nothing."""

from __future__ import annotations

import ast
import functools
import warnings
from collections.abc import Mapping

from l2l.errors import ModelError, nearest
from l2l.simulator.codegen.expression import Node, const, make
from l2l.simulator.codegen.functions import ALIASES, FUNCTIONS

MAX_LENGTH = 20_000
MAX_DEPTH = 120

_BINARY = {ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div", ast.Pow: "pow"}
_COMPARE = {ast.Lt: "lt", ast.LtE: "le", ast.Gt: "gt", ast.GtE: "ge", ast.Eq: "eq", ast.NotEq: "ne"}


def parse(text: str, names: Mapping[str, Node], where: str = "expression") -> Node:
    """The expression graph of `text`.

    names: every symbol the text may use, with the node it stands for.
    where: what the text is, for the error message.
    Conditionals are `a if condition else b` or `where(condition, a, b)`; comparisons, `and`, `or` and `not` make
    conditions; powers are `**`. Raises ModelError for anything else.
    """
    if not isinstance(text, str):
        raise ModelError(f"{where} must be text, but got {type(text).__name__} {text!r}")
    if len(text) > MAX_LENGTH:
        raise ModelError(f"{where} must have at most {MAX_LENGTH} characters, but has {len(text)}")
    try:
        tree = _tree(text.strip())
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ModelError(f"{where} cannot be read: {_shown(text)}: {error or type(error).__name__}") from None
    return _Reader(text, names, where).number(tree.body, 0)


@functools.lru_cache(maxsize=4096)
def _tree(text: str) -> ast.Expression:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)  # "1and 2"
        return ast.parse(text, mode="eval")


def _shown(text: str) -> str:
    return repr(text if len(text) <= 120 else text[:117] + "...")


class _Reader:
    """Turns a syntax tree into nodes, refusing whatever is not arithmetic."""

    def __init__(self, text: str, names: Mapping[str, Node], where: str) -> None:
        self.text = text
        self.names = names
        self.where = where

    def refuse(self, law: str) -> ModelError:
        return ModelError(f"{self.where}: {law}, in {_shown(self.text)}")

    def number(self, tree: ast.expr, depth: int) -> Node:
        node = self.read(tree, depth)
        if node.is_logical:
            raise self.refuse("a condition stands where a number is needed; write where(condition, a, b)")
        return node

    def condition(self, tree: ast.expr, depth: int) -> Node:
        node = self.read(tree, depth)
        # A bare number is a switch: it holds where it is not 0.
        return node if node.is_logical else make("ne", node, const(0.0))

    def read(self, tree: ast.expr, depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise self.refuse(f"nested deeper than {MAX_DEPTH}")
        depth += 1
        match tree:
            case ast.Constant(value=bool()):
                raise self.refuse("True and False are not numbers")
            case ast.Constant(value=int() | float() as constant):
                try:
                    return const(float(constant))
                except OverflowError:
                    raise self.refuse("a number is too large") from None
            case ast.Name(id=name):
                if name not in self.names:
                    raise self.refuse(f"unknown symbol {name!r}; {nearest(name, self.names)}")
                return self.names[name]
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return make("neg", self.number(operand, depth))
            case ast.UnaryOp(op=ast.UAdd(), operand=operand):
                return self.number(operand, depth)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return make("not", self.condition(operand, depth))
            case ast.BinOp(left=left, op=op, right=right):
                if type(op) not in _BINARY:
                    hint = "; powers are written **" if isinstance(op, ast.BitXor) else ""
                    raise self.refuse(f"the operator {type(op).__name__} is not allowed{hint}")
                return make(_BINARY[type(op)], self.number(left, depth), self.number(right, depth))
            case ast.Compare():
                return self.compare(tree, depth)
            case ast.BoolOp(op=op, values=values):
                name = "and" if isinstance(op, ast.And) else "or"
                node = self.condition(values[0], depth)
                for value in values[1:]:
                    node = make(name, node, self.condition(value, depth))
                return node
            case ast.IfExp(test=test, body=body, orelse=orelse):
                return make("where", self.condition(test, depth), self.number(body, depth), self.number(orelse, depth))
            case ast.Call():
                return self.call(tree, depth)
        raise self.refuse(f"{type(tree).__name__} is not allowed")

    def compare(self, tree: ast.Compare, depth: int) -> Node:
        sides = [self.number(side, depth) for side in [tree.left, *tree.comparators]]
        result: Node | None = None
        for op, left, right in zip(tree.ops, sides[:-1], sides[1:], strict=True):
            if type(op) not in _COMPARE:
                raise self.refuse(f"the comparison {type(op).__name__} is not allowed")
            part = make(_COMPARE[type(op)], left, right)
            result = part if result is None else make("and", result, part)
        assert result is not None
        return result

    def call(self, tree: ast.Call, depth: int) -> Node:
        if not isinstance(tree.func, ast.Name):
            raise self.refuse("only functions by their plain name may be called")
        if tree.keywords or any(isinstance(a, ast.Starred) for a in tree.args):
            raise self.refuse("functions take plain arguments only")
        name = ALIASES.get(tree.func.id, tree.func.id)
        if name == "pow":
            name_arity = 2
        elif name in FUNCTIONS:
            name_arity = FUNCTIONS[name].arity
        else:
            raise self.refuse(f"unknown function {name!r}; {nearest(name, [*FUNCTIONS, 'pow'])}")
        if len(tree.args) != name_arity:
            raise self.refuse(f"{name} takes {name_arity} argument(s), but got {len(tree.args)}")
        if name == "where":
            test, a, b = tree.args
            return make("where", self.condition(test, depth), self.number(a, depth), self.number(b, depth))
        return make(name, *(self.number(a, depth) for a in tree.args))
