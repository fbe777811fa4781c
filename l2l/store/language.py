"""The language of `l2l query`: conditions on individuals, read from text and never evaluated.

    fc_corr > 0.5 and G < 2
    0.1 < w_p[3] <= 0.4 and status in ("failed", "timeout")
    parameters["my name"] == "a" or not (fitness.loss < 1)

A name is a parameter, an objective, a measurement or a fixed column (`generation`, `status`, `host`, ...); the prefixes
`parameters.`, `fitness.` and `measurements.` say which where names meet. Brackets index a parameter with a shape.
"""

from __future__ import annotations

import ast
import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from l2l.errors import QueryError

MAX_LENGTH = 10_000
MAX_DEPTH = 50

Group = Literal["parameters", "fitness", "measurements"]
GROUPS: tuple[Group, ...] = ("parameters", "fitness", "measurements")
Value: TypeAlias = bool | int | float | str


@dataclass(frozen=True)
class Field:
    """What is compared: a name, the group it must come from (None: any), and the place in an array."""

    name: str
    group: Group | None = None
    index: tuple[int, ...] = ()

    def __str__(self) -> str:
        place = f"[{', '.join(map(str, self.index))}]" if self.index else ""
        return f"{self.group + '.' if self.group else ''}{self.name}{place}"


@dataclass(frozen=True)
class Comparison:
    """`left op right`; op is one of < <= > >= == !=. One side at least is a field."""

    left: Field | Value
    op: str
    right: Field | Value


@dataclass(frozen=True)
class Membership:
    """The field is one of the values."""

    field: Field
    values: tuple[Value, ...]


@dataclass(frozen=True)
class Missing:
    """The field has no value: `field is None`."""

    field: Field


@dataclass(frozen=True)
class All:
    parts: tuple[Condition, ...]


@dataclass(frozen=True)
class OneOf:
    parts: tuple[Condition, ...]


@dataclass(frozen=True)
class Not:
    part: Condition


Condition: TypeAlias = Comparison | Membership | Missing | All | OneOf | Not

_OPERATORS: dict[type[ast.cmpop], str] = {
    ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!=",
}  # fmt: skip


def parse(text: str) -> Condition:
    """The condition that `text` states. Raises QueryError for anything that is not one."""
    return _Reader(text).condition(_tree(text), 0)


def parse_field(text: str) -> Field:
    """A name as it stands in a condition, for columns and sorting. Raises QueryError."""
    return _Reader(text).field(_tree(text), 0)


def fields(condition: Condition) -> Iterator[Field]:
    """Every field that the condition names, from left to right."""
    match condition:
        case Comparison(left, _, right):
            yield from (side for side in (left, right) if isinstance(side, Field))
        case Membership(field=field) | Missing(field):
            yield field
        case All(parts) | OneOf(parts):
            for part in parts:
                yield from fields(part)
        case Not(part):
            yield from fields(part)


def _tree(text: str) -> ast.expr:
    if not isinstance(text, str) or not text.strip():
        raise QueryError(f"a query must be text such as 'fc_corr > 0.5 and G < 2', but got {text!r:.80}")
    if len(text) > MAX_LENGTH:
        raise QueryError(f"a query must have at most {MAX_LENGTH} characters, but has {len(text)}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)  # "1and 2"
            return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        hint = "; equality is written ==" if "=" in text and isinstance(error, SyntaxError) else ""
        raise QueryError(f"the query {_shown(text)} cannot be read: {getattr(error, 'msg', error)}{hint}") from None


def _shown(text: str) -> str:
    return repr(text if len(text) <= 120 else text[:117] + "...")


class _Reader:
    """Turns a syntax tree into a condition, and refuses whatever else Python's grammar has."""

    def __init__(self, text: str) -> None:
        self.text = text

    def refuse(self, law: str) -> QueryError:
        return QueryError(f"{law}, in the query {_shown(self.text)}")

    def condition(self, tree: ast.expr, depth: int) -> Condition:
        if depth > MAX_DEPTH:
            raise self.refuse(f"conditions may be nested {MAX_DEPTH} deep at most")
        match tree:
            case ast.BoolOp(op=op, values=values):
                parts = tuple(self.condition(value, depth + 1) for value in values)
                return All(parts) if isinstance(op, ast.And) else OneOf(parts)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return Not(self.condition(operand, depth + 1))
            case ast.Compare(left=left, ops=ops, comparators=right):
                sides = [left, *right]
                pairs = [self.comparison(*three, depth) for three in zip(sides[:-1], ops, sides[1:], strict=True)]
                return pairs[0] if len(pairs) == 1 else All(tuple(pairs))
            case ast.BinOp(op=ast.BitAnd() | ast.BitOr()):
                raise self.refuse("conditions are joined by `and` and `or`, not by & and |")
        raise self.refuse("a condition compares, such as G < 2; conditions are joined by and, or, not")

    def comparison(self, left: ast.expr, op: ast.cmpop, right: ast.expr, depth: int) -> Condition:
        match op:
            case ast.In() | ast.NotIn():
                member = Membership(self.field(left, depth), self.values(right))
                return member if isinstance(op, ast.In) else Not(member)
            case ast.Is() | ast.IsNot():
                if not (isinstance(right, ast.Constant) and right.value is None):
                    raise self.refuse("`is` asks only for None, a value that is missing; equality is written ==")
                missing = Missing(self.field(left, depth))
                return missing if isinstance(op, ast.Is) else Not(missing)
        sides = self.operand(left, depth), self.operand(right, depth)
        if not any(isinstance(side, Field) for side in sides):
            raise self.refuse("a comparison must name a parameter, an objective, a measurement or a column")
        return Comparison(sides[0], _OPERATORS[type(op)], sides[1])

    def operand(self, tree: ast.expr, depth: int) -> Field | Value:
        if isinstance(tree, ast.Constant) or (isinstance(tree, ast.UnaryOp) and not isinstance(tree.op, ast.Not)):
            return self.value(tree)
        return self.field(tree, depth)

    def values(self, tree: ast.expr) -> tuple[Value, ...]:
        if not isinstance(tree, ast.Tuple | ast.List | ast.Set) or not tree.elts:
            raise self.refuse('`in` is followed by values in parentheses, such as status in ("failed", "lost")')
        return tuple(self.value(element) for element in tree.elts)

    def value(self, tree: ast.expr) -> Value:
        match tree:
            case ast.UnaryOp(op=ast.USub() | ast.UAdd() as sign, operand=ast.Constant(value=int() | float() as number)):
                if not isinstance(number, bool):
                    return self.finite(-number if isinstance(sign, ast.USub) else number)
            case ast.Constant(value=bool() | str() as value):
                return value
            case ast.Constant(value=int() | float() as number):
                return self.finite(number)
        raise self.refuse("a value must be a number, a text in quotes, True or False")

    def finite(self, number: float) -> int | float:
        if isinstance(number, float) and not math.isfinite(number):
            raise self.refuse("numbers must be finite")
        if isinstance(number, int) and abs(number) >= 2**63:
            raise self.refuse("whole numbers must be below 2**63")
        return number

    def field(self, tree: ast.expr, depth: int) -> Field:
        index: tuple[int, ...] = ()
        if isinstance(tree, ast.Subscript) and not isinstance(self.subscript(tree.slice), str):
            index = self.places(tree.slice)
            tree = tree.value
        names = self.path(tree, depth)
        group = next((group for group in GROUPS if len(names) > 1 and names[0] == group), None)
        return Field(".".join(names[1:] if group else names), group, index)

    def path(self, tree: ast.expr, depth: int) -> list[str]:
        """The parts of a dotted name; the last may be given in brackets and quotes: `parameters["my name"]`."""
        if depth > MAX_DEPTH:
            raise self.refuse(f"names may have {MAX_DEPTH} parts at most")
        match tree:
            case ast.Name(id=name):
                return [name]
            case ast.Attribute(value=value, attr=name):
                return [*self.path(value, depth + 1), name]
            case ast.Subscript(value=value, slice=ast.Constant(value=str() as name)):
                return [*self.path(value, depth + 1), name]
        raise self.refuse("a name was expected, such as G, fitness.fc_corr or w_p[3]; nothing is computed in a query")

    def subscript(self, tree: ast.expr) -> object:
        return tree.value if isinstance(tree, ast.Constant) else None

    def places(self, tree: ast.expr) -> tuple[int, ...]:
        places = [self.subscript(element) for element in (tree.elts if isinstance(tree, ast.Tuple) else [tree])]
        if not places or any(isinstance(place, bool) or not isinstance(place, int) for place in places):
            raise self.refuse("brackets hold whole numbers >= 0, such as w_p[3] or J[0, 2]")
        return tuple(place for place in places if isinstance(place, int))
