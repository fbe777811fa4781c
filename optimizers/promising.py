"""Where to begin, told by the best points of another search."""

from __future__ import annotations

import numpy as np

from l2l.optimizers.base import Floats

# Of each coordinate of the unit cube. Nomura et al. (2021) recommend 0.1 for alpha, and for gamma, the part of the
# earlier search that counts as good.
ALPHA = 0.1
GAMMA = 0.1


def promising_region(points: Floats) -> tuple[Floats, Floats]:
    """Mean (dimension,) and covariance (dimension, dimension) of the normal distribution nearest to good points.

    Each of the points, (point, dimension), is taken for a normal distribution of its own, of standard deviation ALPHA
    in every direction: the less they agree, the wider the search begins.
    Source: Nomura, Watanabe, Akimoto, Ozaki, Onishi (2021), Warm starting CMA-ES for hyperparameter optimization, AAAI
    35, eq. 4 and 5 (arXiv:2012.06932).
    """
    mean: Floats = points.mean(axis=0)
    apart = points - mean
    return mean, ALPHA**2 * np.eye(points.shape[1]) + apart.T @ apart / len(points)
