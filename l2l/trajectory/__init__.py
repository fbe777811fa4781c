"""The read side: everything that ever happened in a run, as tables and arrays."""

from l2l.trajectory.comparison import compare
from l2l.trajectory.trajectory import Trajectory

__all__ = ["Trajectory", "compare"]
