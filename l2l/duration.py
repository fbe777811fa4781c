"""Durations as people write them: "10 min", "720 ms", or a plain number of seconds."""

from __future__ import annotations

import math
import numbers
import re

from l2l.errors import SimulationError

_SECONDS = {"ms": 1e-3, "s": 1.0, "sec": 1.0, "min": 60.0, "h": 3600.0}
_WRITTEN = re.compile(r"\s*([0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?)\s*([a-z]*)\s*")


def seconds(duration: str | float, what: str = "duration") -> float:
    """A duration in seconds, > 0; a bare number is taken as seconds. Raises SimulationError."""
    given: object = duration
    law = f'{what} must be a positive time such as "10 min", "30 s", "720 ms" or a number of seconds'
    if isinstance(duration, str):
        match = _WRITTEN.fullmatch(duration)
        unit = (match[2] or "s") if match else ""
        if match is None or unit not in _SECONDS:
            raise SimulationError(f"{law}, but got {duration!r}")
        value = float(match[1]) * _SECONDS[unit]
    elif isinstance(given, bool) or not isinstance(given, numbers.Real):  # NumPy's numbers, too
        raise SimulationError(f"{law}, but got {duration!r}")
    else:
        value = float(duration)
    if not (math.isfinite(value) and value > 0):
        raise SimulationError(f"{law}, but got {duration!r}")
    return value
