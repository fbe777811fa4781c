"""Durations as people write them."""

from __future__ import annotations

import pytest

from l2l.duration import seconds
from l2l.errors import SimulationError


@pytest.mark.parametrize(
    ("written", "expected"),
    [("10 min", 600), ("720 ms", 0.72), ("30s", 30), ("1.5 h", 5400), ("2", 2), (0.72, 0.72), (3, 3), ("1e3 ms", 1)],
)
def test_durations_are_read(written: str | float, expected: float) -> None:
    assert seconds(written) == pytest.approx(expected, rel=1e-15)


@pytest.mark.parametrize("written", ["", "ten min", "-3 s", "3 parsec", 0, -1, float("nan"), float("inf"), True, None])
def test_what_is_no_duration_is_refused(written: object) -> None:
    with pytest.raises(SimulationError, match="must be a positive time"):
        seconds(written)  # type: ignore[arg-type]
