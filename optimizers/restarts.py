"""Restarts: an optimizer that begins anew, with another population, whenever the one inside has come to an end."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from l2l.errors import OptimizerError
from l2l.optimizers import checks
from l2l.optimizers.base import Candidate, Floats, Optimizer, OptimizerConfig, Told
from l2l.optimizers.cma_es import CMAES
from l2l.space import Space


@dataclass(frozen=True)
class Restarts(OptimizerConfig):
    """IPOP and BIPOP restarts of any optimizer that has a population.

    The optimizer inside begins anew when it stops, or when its best loss has not improved for `patience` generations.
    An optimizer with a `start` at the centre begins anew from random points. A warm start is that of the first search
    alone.

    optimizer: its settings.
    kind: "ipop": each restart multiplies the population by `factor`. "bipop": restarts alternate between that and small
        populations with small sigmas, so that both have spent about as many evaluations; of a small population, one
        restart spends at most half of what the last large one did.
    factor: > 1.
    maximum: how many times to begin anew (bipop: with a larger population), after which the search stops.
    patience: generations; None: 30 + 30 dimension / population.
    Sources: Auger, Hansen (2005), A restart CMA evolution strategy with increasing population size, CEC (IPOP);
    Hansen (2009), Benchmarking a BI-population CMA-ES on the BBOB-2009 function testbed, GECCO (BIPOP).
    """

    name: ClassVar[str] = "restarts"

    optimizer: OptimizerConfig = field(default_factory=CMAES)
    kind: str = "ipop"
    factor: float = 2.0
    maximum: int = 9
    patience: int | None = None

    def __post_init__(self) -> None:
        if isinstance(self.optimizer, str | Mapping):
            from l2l.optimizers.registry import create

            object.__setattr__(self, "optimizer", create(self.optimizer))
        if not isinstance(self.optimizer, OptimizerConfig):
            raise OptimizerError(f"optimizer must be an optimizer's configuration, but is {self.optimizer!r}")
        if isinstance(self.optimizer, Restarts):
            raise OptimizerError("restarts cannot be restarted: give the optimizer inside them")
        if "population" not in _names(self.optimizer):
            raise OptimizerError(f"restarts change the population, but {self.optimizer.name!r} has none")
        checks.one_of("kind", self.kind, ("ipop", "bipop"))
        checks.between("factor", self.factor, 1, ends="(]")
        checks.whole("maximum", self.maximum, 0)
        if self.patience is not None:
            checks.whole("patience", self.patience, 1)

    def build(self, space: Space, seed: np.random.SeedSequence, objectives: int = 1) -> RestartsOptimizer:
        return RestartsOptimizer(self, space, seed, objectives)


class RestartsOptimizer(Optimizer):
    def __init__(self, config: Restarts, space: Space, seed: np.random.SeedSequence, objectives: int = 1) -> None:
        super().__init__(space, seed, objectives)
        self._config = config
        self._seed = seed
        self._spent = {"large": 0, "small": 0}  # evaluations of each regime
        self._started = 0
        self._enlarged = 0
        self._default = 0  # population of the first run, known once it has asked
        self._last_large = 0  # evaluations of the last large run
        self._reason: str | None = None
        self._begin(config.optimizer, "large", limit=math.inf)

    def _begin(self, config: OptimizerConfig, regime: str, limit: float) -> None:
        # Not seed.spawn(), which would count the children in an object that belongs to the caller.
        child = np.random.SeedSequence(self._seed.entropy, spawn_key=(*self._seed.spawn_key, self._started))
        self._inner = config.build(self.space, child, self.objectives)
        self._started += 1
        self._regime = regime
        self._limit = limit
        self._offset = self.generation if self._started == 1 else self.generation + 1
        self._evaluations = 0
        self._best = math.inf
        self._stagnant = 0  # generations since the best loss improved, but for those that failed as a whole

    def _begin_from(self, points: Floats) -> None:
        self._inner.warm_start(points)

    def _propose(self) -> list[Candidate]:
        offset = self._offset
        candidates = [
            Candidate(item.point, tuple((generation + offset, position) for generation, position in item.parents))
            for item in self._inner.ask()
        ]
        self._default = self._default or len(candidates)
        return candidates

    def _learn(self, points: Floats, losses: Floats, failed: NDArray[np.bool_]) -> None:
        self._pass_on(points, [None if lost else tuple(row) for row, lost in zip(losses, failed, strict=True)])
        best = float(losses[~failed, 0].min())
        self._stagnant = 0 if best < self._best else self._stagnant + 1
        self._best = min(best, self._best)
        self._restart_if_ended(len(points))

    def _skip(self, points: Floats) -> None:
        self._pass_on(points, [None] * len(points))
        self._restart_if_ended(len(points))

    def _pass_on(self, points: Floats, losses: list[tuple[float, ...] | None]) -> None:
        self._inner.tell([Told(Candidate(point), loss) for point, loss in zip(points, losses, strict=True)])
        self._evaluations += len(points)
        self._spent[self._regime] += len(points)

    def _restart_if_ended(self, population: int) -> None:
        patience = self._config.patience or math.ceil(30 + 30 * self.dimension / population)
        reason = self._inner.stop()
        if reason is None and self._stagnant >= patience:
            reason = f"the best loss has not improved for {patience} generations"
        if reason is None and self._evaluations >= self._limit:
            reason = "half of what the last large population spent is spent"
        if reason is None:
            return
        if self._regime == "large":
            self._last_large = self._evaluations
        small = self._config.kind == "bipop" and self._enlarged and self._spent["small"] < self._spent["large"]
        if small:
            self._begin_small()
        elif self._enlarged < self._config.maximum:
            self._begin_large()
        else:
            self._reason = f"all {self._config.maximum} restarts are spent; the last ended because: {reason}"

    def _begin_large(self) -> None:
        self._enlarged += 1
        if self._enlarged == 1:
            self._spent = {"large": 0, "small": 0}  # the first run, of the default population, belongs to neither
        self._begin(self._changed(self._large_population(), 1.0), "large", limit=math.inf)

    def _large_population(self) -> int:
        return math.ceil(self._default * self._config.factor**self._enlarged)

    def _begin_small(self) -> None:
        # Hansen (2009): lambda_s = floor(lambda_def (lambda_l / 2 lambda_def)^(U^2)), sigma_s = 10^(-2 U).
        ratio = 0.5 * self._large_population() / self._default
        population = max(2, math.floor(self._default * ratio ** (self.rng.random() ** 2)))
        sigma = 10 ** (-2 * self.rng.random())
        self._begin(self._changed(population, sigma), "small", limit=self._last_large / 2)

    def _changed(self, population: int, sigma: float) -> OptimizerConfig:
        config = self._config.optimizer
        changes: dict[str, Any] = {"population": population}
        if "sigma" in _names(config):
            changes["sigma"] = vars(config)["sigma"] * sigma
        if getattr(config, "start", None) == "centre":
            changes["start"] = "random"
        return replace(config, **changes)

    def _stop(self) -> str | None:
        return self._reason

    def summary(self) -> dict[str, Any]:
        return {**self._inner.summary(), "restarts": self._started - 1, "regime": self._regime}


def _names(config: OptimizerConfig) -> set[str]:
    return {item.name for item in fields(config)}
