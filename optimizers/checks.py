"""Checks of settings: each raises OptimizerError with the law and the value."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from l2l.errors import OptimizerError, nearest


def whole(name: str, value: object, low: int, high: int | None = None) -> None:
    """`value` must be an integer in low..high."""
    law = f"{name} must be an integer >= {low}" if high is None else f"{name} must be an integer in {low}..{high}"
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise OptimizerError(f"{law}, but got {value!r}")
    if value < low or (high is not None and value > high):
        raise OptimizerError(f"{law}, but got {value}")


def between(name: str, value: object, low: float, high: float = math.inf, *, ends: str = "[]") -> None:
    """`value` must be a real number of the interval; `ends` says which ends belong to it, such as "(]"."""
    law = f"{name} must be a number in {ends[0]}{low}, {high}{ends[1] if math.isfinite(high) else ')'}"
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        raise OptimizerError(f"{law}, but got {value!r}")
    number = float(value)
    above = number >= low if ends[0] == "[" else number > low
    below = number <= high if ends[1] == "]" else number < high
    if not (above and below and math.isfinite(number)):
        raise OptimizerError(f"{law}, but got {value}")


def one_of(name: str, value: object, known: Sequence[str]) -> None:
    """`value` must be one of the known words."""
    if value not in known:
        raise OptimizerError(f"{name} {value!r} is unknown: {nearest(str(value), known)}")
