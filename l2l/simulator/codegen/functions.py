"""The functions an expression may call: what each is in NumPy float64, and its derivative where it has one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


def exprel(x: Any) -> Any:
    """(exp(x) - 1)/x, and 1 at x = 0: keeps u/(1 - exp(-u)) exact where it is 0/0."""
    x = np.asarray(x, dtype=np.float64)
    safe = np.where(x == 0.0, 1.0, x)
    return np.where(x == 0.0, 1.0, np.expm1(safe) / safe)


def bernoulli(x: Any) -> Any:
    """x/(exp(x) - 1), and 1 at x = 0: the reciprocal of `exprel`, one division cheaper."""
    x = np.asarray(x, dtype=np.float64)
    safe = np.where(x == 0.0, 1.0, x)
    return np.where(x == 0.0, 1.0, safe / np.expm1(safe))


def erfc(x: Any) -> Any:
    """The complementary error function (SciPy is imported only where it is used)."""
    from scipy.special import erfc as scipy_erfc

    return scipy_erfc(x)


@dataclass(frozen=True)
class Function:
    """One whitelisted function: number of arguments and its NumPy meaning."""

    arity: int
    numpy: Callable[..., Any]


FUNCTIONS: dict[str, Function] = {
    "exp": Function(1, np.exp),
    "expm1": Function(1, np.expm1),
    "exprel": Function(1, exprel),
    "bernoulli": Function(1, bernoulli),
    "log": Function(1, np.log),
    "sqrt": Function(1, np.sqrt),
    "sin": Function(1, np.sin),
    "cos": Function(1, np.cos),
    "tan": Function(1, np.tan),
    "sinh": Function(1, np.sinh),
    "cosh": Function(1, np.cosh),
    "tanh": Function(1, np.tanh),
    "abs": Function(1, np.abs),
    "floor": Function(1, np.floor),
    "ceil": Function(1, np.ceil),
    "erfc": Function(1, erfc),
    "minimum": Function(2, lambda a, b: np.where(b < a, b, a)),
    "maximum": Function(2, lambda a, b: np.where(b > a, b, a)),
    "where": Function(3, np.where),
}

# Other spellings that literature and other simulators use.
ALIASES = {"min": "minimum", "max": "maximum", "ln": "log", "fabs": "abs"}

OPERATORS: dict[str, Callable[..., Any]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "pow": lambda a, b: np.power(a, b),
    "neg": lambda a: -a,
    "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
    "ge": lambda a, b: a >= b,
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
    "and": np.logical_and,
    "or": np.logical_or,
    "not": np.logical_not,
}

LOGICAL = frozenset({"lt", "le", "gt", "ge", "eq", "ne", "and", "or", "not"})
