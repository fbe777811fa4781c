"""A made-up connectome with the gross statistics of a real one, for tests and work offline."""

from __future__ import annotations

import numpy as np

from l2l.datasets.dataset import Dataset
from l2l.errors import DatasetError
from l2l.simulator.connectome import Connectome

SEMI_AXES = (55.0, 80.0, 55.0)  # mm: left-right, front-back, up-down; an adult brain to a centimetre
HALF_GAP = 5.0  # mm, from the midline to either hemisphere
JITTER = 3.0  # mm, by which mirrored regions are not quite mirrored
DECAY = 30.0  # mm
HOMOTOPIC_DECAY = 120.0  # mm: callosal fibres between mirrored regions outlast the rule of distance
SPREAD = 0.5  # of the logarithm of a region's factor
TORTUOSITY = 1.3  # tract length over distance


def synthetic(n_nodes: int = 68, seed: int = 0, *, density: float = 0.5) -> Dataset:
    """Regions on an ellipsoid, two hemispheres, weights that decay with distance. The same seed gives the same bits.

    n_nodes: even, >= 2; nodes 0 to n/2 - 1 are left ("L.00", ...), the others right, in the same order.
    seed: >= 0.
    density: share of the pairs that are connected, strongest first, 0 < density <= 1; mirrored pairs always are.

    The weight of a pair is exp(-distance / 30 mm), for mirrored pairs exp(-distance / 120 mm), times a log-normal
    factor of each of the two; the largest is 1. Strengths are so close to log-normal. Weights and tract lengths are
    symmetric; tract length is 1.3 times the distance. There is no FC.
    Sources: exponential rule of distance, Ercsey-Ravasz et al. (2013), Neuron 80:184-197; log-normal strengths,
    Markov et al. (2014), Cerebral Cortex 24:17-36.
    """
    if not isinstance(n_nodes, int | np.integer) or n_nodes < 2 or n_nodes % 2:
        raise DatasetError(f"n_nodes must be even and >= 2 (two hemispheres), but got {n_nodes!r}")
    if not isinstance(seed, int | np.integer) or seed < 0:
        raise DatasetError(f"seed must be an integer >= 0, but got {seed!r}")
    if not 0 < density <= 1:
        raise DatasetError(f"0 < density <= 1 must hold, but got {density!r}")
    generator = np.random.default_rng([int(seed), int(n_nodes)])
    half = n_nodes // 2

    directions = generator.standard_normal((half, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    directions[:, 0] = -np.abs(directions[:, 0])
    left = directions * SEMI_AXES - (HALF_GAP, 0.0, 0.0)
    right = left * (-1.0, 1.0, 1.0) + JITTER * generator.standard_normal((half, 3))
    centres = np.concatenate([left, right])
    distance = np.linalg.norm(centres[:, None] - centres[None], axis=-1)
    distance = (distance + distance.T) / 2

    factors = np.exp(SPREAD * generator.standard_normal(n_nodes))
    decay = np.full((n_nodes, n_nodes), DECAY)
    mirrored = np.eye(n_nodes, k=half, dtype=bool) | np.eye(n_nodes, k=-half, dtype=bool)
    decay[mirrored] = HOMOTOPIC_DECAY
    weights = np.exp(-distance / decay) * (factors[:, None] * factors)
    np.fill_diagonal(weights, 0.0)
    pairs = np.sort(weights[np.triu_indices(n_nodes, 1)])[::-1]
    weakest = pairs[max(round(density * len(pairs)), 1) - 1]
    weights = np.where((weights >= weakest) | mirrored, weights, 0.0) / weights.max()

    width = max(len(str(half - 1)), 2)
    labels = tuple(f"{side}.{i:0{width}d}" for side in "LR" for i in range(half))
    name = f"synthetic-{n_nodes}-{seed}"
    connectome = Connectome(weights, TORTUOSITY * distance, labels, name, centres)
    return Dataset(name, connectome, licence="none: made up", source=f"l2l.datasets.synthetic({n_nodes}, {seed})")
