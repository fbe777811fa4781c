"""The tree of seeds: every random number of a run hangs on one integer, whatever the order of events.

A branch is named by its purpose and place, never by when it was reached, so that results do not depend on the number
of workers, on the order in which evaluations end, or on restarts.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np

from l2l.errors import ExperimentError


class Purpose(IntEnum):
    """The first element of a spawn key; numbers are part of the format and never change."""

    OPTIMIZER = 0
    EVALUATION = 1
    VALIDATION = 2
    RECOVERY = 3


def check_seed(seed: object) -> int:
    """`seed` as a plain int. Raises ExperimentError unless it is an integer >= 0."""
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise ExperimentError(f"a seed must be an integer >= 0, but got {seed!r}")
    return int(seed)


def branch(run_seed: int, purpose: Purpose, *place: int) -> np.random.SeedSequence:
    """The seed sequence of one place in the tree, for example (generation, position, replicate)."""
    return np.random.SeedSequence(check_seed(run_seed), spawn_key=(int(purpose), *place))


def evaluation_seed(run_seed: int, purpose: Purpose, generation: int, position: int, replicate: int) -> int:
    """A 64-bit seed for one evaluation: what a simulator's counter-based noise is keyed by."""
    return int(branch(run_seed, purpose, generation, position, replicate).generate_state(1, np.uint64)[0])
