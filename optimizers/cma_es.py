"""CMA-ES: pycma behind ask and tell, with a generator of its own, silent, and inside the unit cube."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from l2l.errors import OptimizerError, SpaceError
from l2l.optimizers import checks
from l2l.optimizers.base import Candidate, Floats, Optimizer, OptimizerConfig, smallest_steps
from l2l.optimizers.promising import promising_region
from l2l.space import Space

# A resumed run on another processor tells points that differ by less than this: the same points.
_SAME = 1e-6


@dataclass(frozen=True)
class CMAES(OptimizerConfig):
    """Covariance matrix adaptation evolution strategy, with active update and cumulative step-size adaptation.

    Works on the unit cube: `sigma`, `tolx` are parts of a parameter's range (of its logarithm, for log scales). The
    faces of the cube are handled by pycma's periodic linear-quadratic transformation. No standard deviation falls
    below a fifth of a step of an Integer or Categorical.

    population: points a generation, >= 2; None: 4 + 3 ln(dimension), rounded down.
    sigma: initial standard deviation, in (0, 1]; the optimum should lie within 3 sigma of the start.
    start: where the search begins: "centre" of the cube, a point drawn at "random", or values by parameter name.
    tolx, tolfun: the search stops when steps, or differences of losses, have become smaller than this.
    Warm-started, the search begins at the mean of the points given, with a standard deviation in each coordinate by how
    much they differ (`start` and `sigma` do not count then), and the best of them is asked first.
    Sources: Hansen (2016), The CMA evolution strategy: a tutorial, arXiv:1604.00772; Hansen, Akimoto, Baudis (2019),
    CMA-ES/pycma, doi:10.5281/zenodo.2559634.
    """

    name: ClassVar[str] = "cma-es"

    population: int | None = None
    sigma: float = 0.3
    start: str | Mapping[str, Any] = "centre"
    tolx: float = 1e-11
    tolfun: float = 1e-11

    def __post_init__(self) -> None:
        if self.population is not None:
            checks.whole("population", self.population, 2)
        checks.between("sigma", self.sigma, 0, 1, ends="(]")
        if not isinstance(self.start, Mapping):
            checks.one_of("start", self.start, ("centre", "random"))
        checks.between("tolx", self.tolx, 0)
        checks.between("tolfun", self.tolfun, 0)

    def build(self, space: Space, seed: np.random.SeedSequence, objectives: int = 1) -> CMAESOptimizer:
        return CMAESOptimizer(self, space, seed, objectives)


class CMAESOptimizer(Optimizer):
    def __init__(self, config: CMAES, space: Space, seed: np.random.SeedSequence, objectives: int = 1) -> None:
        super().__init__(space, seed, objectives)
        from cma.boundary_handler import BoundTransform
        from cma.sigma_adaptation import CMAAdaptSigmaCSA

        # pycma does not support one dimension: it gets a second one, which no loss depends on.
        padding = 1 if self.dimension == 1 else 0
        start = np.append(self._start(config.start), [0.5] * padding)
        self._bounds = BoundTransform([[0.0], [1.0]])
        self._asked: Floats = np.empty((0, len(start)))
        self._given: Floats | None = None  # to be asked first
        self._reason: str | None = None
        self._options = {
            "popsize": config.population or int(4 + 3 * np.log(self.dimension)),
            "randn": self._normal,
            "seed": np.nan,  # "do nothing": by default it seeds the generator that all of NumPy shares
            "AdaptSigma": CMAAdaptSigmaCSA,  # the alternative for high dimensions forbids to ask again after failures
            "minstd": np.append(smallest_steps(space), [0.0] * padding),
            "maxstd": max(1 / 3, config.sigma),  # pycma's rule for bounded problems
            "tolx": config.tolx,
            "tolfun": config.tolfun,
            "tolflatfitness": 10,
            "signals_filename": None,
            "verbose": -10,
            "verb_disp": 0,
            "verb_log": 0,
        }
        self._begin(start, config.sigma, {})

    def _begin(self, start: Floats, sigma: float, more: Mapping[str, Any]) -> None:
        import cma  # takes most of a second

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._strategy = cma.CMAEvolutionStrategy(self._bounds.inverse(start), sigma, self._options | dict(more))

    def _begin_from(self, points: Floats) -> None:
        mean, covariance = promising_region(points)
        deviations = np.sqrt(np.diag(covariance))
        sigma = float(np.exp(np.log(deviations).mean()))
        padding = self._asked.shape[1] - self.dimension
        scales = np.append(deviations / sigma, [1.0] * padding)
        self._begin(np.append(mean, [0.5] * padding), sigma, {"CMA_stds": scales})
        self._given = points[0]

    def _normal(self, *shape: int) -> Floats:
        """Standard normal numbers, turned so that pycma's B D z becomes B D B^T z, the symmetric root of C.

        Eigenvectors are unique but for their sign, and hardly that where eigenvalues are close: on another processor
        B D z may be quite another sample. The symmetric root is unique, and a resumed run asks the same there.
        """
        rotation: Floats = self._strategy.sm.B
        return self.rng.standard_normal(shape) @ rotation

    def _start(self, start: str | Mapping[str, Any]) -> Floats:
        if isinstance(start, Mapping):
            try:
                return self.space.encode(start)
            except SpaceError as error:
                raise OptimizerError(f"start must be a point of the space, but {error}") from error
        return self.rng.random(self.dimension) if start == "random" else np.full(self.dimension, 0.5)

    def _propose(self) -> list[Candidate]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._asked = np.array(self._strategy.ask())
        points = self._inside(self._asked)[:, : self.dimension]
        if self._given is not None:
            points[0], self._given = self._given, None
        return [Candidate(point.copy()) for point in points]

    def _inside(self, unbounded: Floats) -> Floats:
        inside: Floats = np.array([self._bounds.transform(point) for point in unbounded])
        return np.clip(inside, 0.0, 1.0)

    def _learn(self, points: Floats, losses: Floats, failed: NDArray[np.bool_]) -> None:  # noqa: ARG002
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # Points of others have been fitted to the distribution already, hence no check.
            self._strategy.tell(list(self._outside(points)), losses[:, 0].tolist(), check_points=False)
            self._reason = _words(self._strategy.stop())

    def _outside(self, points: Floats) -> Floats:
        """What the strategy has sampled to get these points, or, for points of others, might have sampled."""
        asked = self._inside(self._asked)
        samples = self._asked.copy()
        others = np.any(np.abs(points - asked[:, : self.dimension]) > _SAME, axis=1)
        for index in np.flatnonzero(others):
            told = asked[index]
            told[: self.dimension] = points[index]
            # Very far ones are drawn near, as Hansen (2011), Injecting external solutions into CMA-ES, advises.
            samples[index] = self._strategy.repair_genotype(np.array(self._bounds.inverse(told)), copy_if_changed=True)
        return samples

    def _stop(self) -> str | None:
        return self._reason

    def summary(self) -> dict[str, Any]:
        strategy = self._strategy
        return {
            "population": int(strategy.popsize),
            "sigma": float(strategy.sigma),
            "condition": float((strategy.D.max() / strategy.D.min()) ** 2),
        }


def _words(stops: Mapping[str, Any]) -> str | None:
    """The reasons of pycma as a sentence."""
    meanings = {
        "tolx": "steps have become smaller than tolx = {}",
        "tolfun": "losses of a generation and of recent bests differ by less than tolfun = {}",
        "tolfunhist": "the bests of recent generations differ by less than {}",
        "tolflatfitness": "most losses of a generation have been equal for more than {} generations",
        "tolstagnation": "the best and the median loss have not improved over some {} generations",
        "tolxstagnation": "the mean has stopped moving",
        "tolfacupx": "a standard deviation has grown {}-fold: the initial sigma was far too small",
        "tolupsigma": "sigma has grown without the distribution following",
        "tolconditioncov": "the condition number of the covariance has exceeded {:.0e}",
        "noeffectaxis": "a step along a principal axis no longer changes the mean",
        "noeffectcoord": "a step along a coordinate no longer changes the mean",
        "maxiter": "the most generations that pycma allows, {}, have passed",
    }
    reasons = [meanings.get(key, key).format(value) for key, value in stops.items()]
    return "; ".join(reasons) if reasons else None
