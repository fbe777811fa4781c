"""A genetic algorithm for real vectors: DEAP's operators, drawing from a generator of our own."""

from __future__ import annotations

import importlib.util
import math
import random
from dataclasses import dataclass
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from l2l.optimizers import checks
from l2l.optimizers.base import Candidate, Floats, Optimizer, OptimizerConfig
from l2l.space import Space


@dataclass(frozen=True)
class Genetic(OptimizerConfig):
    """Genetic algorithm; with several objectives, NSGA-II.

    One objective: parents are chosen by tournament, children replace them, but the elites stay for the worst of the
    children. Several: parents and children are sorted by non-domination and crowding distance, and the first
    `population` of them stay. Those who stay are not evaluated again. Children outside the cube are clipped to its
    faces. Warm-started, the first generation is made of the points given, the best of them, and of random ones.

    population: points a generation, >= 2.
    crossover: "sbx" (simulated binary) or "blend" (BLX-alpha).
    crossover_probability: of each pair of parents; otherwise the children are copies.
    eta_crossover: of sbx, >= 0; the larger, the nearer the children are to their parents.
    alpha: of blend, >= 0; how far beyond the parents children may lie, as a part of their distance.
    mutation: "polynomial" or "gaussian".
    mutation_probability: of each element of a child; None: 1 / dimension.
    eta_mutation: of polynomial, >= 0; the larger, the smaller the steps.
    sigma: of gaussian: its standard deviation as a part of a parameter's range.
    tournament: how many compete to become a parent, >= 1.
    elites: how many of the parents stay, less than the population.
    Sources: Deb, Agrawal (1995), Simulated binary crossover for continuous search space, Complex Systems 9 (sbx);
    Deb, Goyal (1996), A combined genetic adaptive search, Computer Science and Informatics 26 (polynomial mutation);
    Eshelman, Schaffer (1993), Real-coded genetic algorithms and interval-schemata (blend); Deb, Pratap, Agarwal,
    Meyarivan (2002), A fast and elitist multiobjective genetic algorithm: NSGA-II; Fortin et al. (2012), DEAP:
    evolutionary algorithms made easy, JMLR 13.
    """

    name: ClassVar[str] = "genetic"
    ends: ClassVar[bool] = False

    population: int = 32
    crossover: str = "sbx"
    crossover_probability: float = 0.9
    eta_crossover: float = 15.0
    alpha: float = 0.5
    mutation: str = "polynomial"
    mutation_probability: float | None = None
    eta_mutation: float = 20.0
    sigma: float = 0.1
    tournament: int = 3
    elites: int = 1

    def __post_init__(self) -> None:
        checks.whole("population", self.population, 2)
        checks.one_of("crossover", self.crossover, ("sbx", "blend"))
        checks.between("crossover_probability", self.crossover_probability, 0, 1)
        checks.between("eta_crossover", self.eta_crossover, 0)
        checks.between("alpha", self.alpha, 0)
        checks.one_of("mutation", self.mutation, ("polynomial", "gaussian"))
        if self.mutation_probability is not None:
            checks.between("mutation_probability", self.mutation_probability, 0, 1)
        checks.between("eta_mutation", self.eta_mutation, 0)
        checks.between("sigma", self.sigma, 0, 1, ends="(]")
        checks.whole("tournament", self.tournament, 1)
        checks.whole("elites", self.elites, 0, self.population - 1)

    def build(self, space: Space, seed: np.random.SeedSequence, objectives: int = 1) -> GeneticOptimizer:
        return GeneticOptimizer(self, space, seed, objectives)


class _Member(list[float]):
    """An evaluated point as DEAP's operators want it: a list with a fitness."""

    fitness: Any
    origin: tuple[int, int]


class GeneticOptimizer(Optimizer):
    multi_objective = True

    def __init__(self, config: Genetic, space: Space, seed: np.random.SeedSequence, objectives: int = 1) -> None:
        super().__init__(space, seed, objectives)
        from deap.base import Fitness, Toolbox

        self._config = config
        self._fitness = type("Loss", (Fitness,), {"weights": (-1.0,) * objectives})
        self._random = random.Random(int.from_bytes(self.rng.bytes(32), "big"))
        self._parents: list[_Member] = []
        self._given: Floats = np.empty((0, self.dimension))
        crossover, mutation, selection, emo = (
            _private_copy(f"deap.tools.{module}", self._random)
            for module in ("crossover", "mutation", "selection", "emo")
        )
        self._toolbox = toolbox = Toolbox()
        if config.crossover == "sbx":
            toolbox.register("mate", crossover.cxSimulatedBinaryBounded, eta=config.eta_crossover, low=0.0, up=1.0)
        else:
            toolbox.register("mate", crossover.cxBlend, alpha=config.alpha)
        rate = 1 / self.dimension if config.mutation_probability is None else config.mutation_probability
        if config.mutation == "polynomial":
            toolbox.register(
                "mutate", mutation.mutPolynomialBounded, eta=config.eta_mutation, low=0.0, up=1.0, indpb=rate
            )
        else:
            toolbox.register("mutate", mutation.mutGaussian, mu=0.0, sigma=config.sigma, indpb=rate)
        if objectives == 1:
            toolbox.register("select", selection.selTournament, tournsize=config.tournament)
            toolbox.register("survive", self._keep_elites)
        else:
            toolbox.register("select", self._crowded_tournament)
            toolbox.register("survive", self._keep_first_fronts)
            toolbox.register("crowd", emo.selNSGA2, k=config.population)
            toolbox.register("fronts", emo.sortNondominated, k=config.population)

    def _begin_from(self, points: Floats) -> None:
        self._given = points[: self._config.population]

    def _propose(self) -> list[Candidate]:
        if not self._parents:
            drawn = self.rng.random((self._config.population, self.dimension))
            if self.generation == 0:
                drawn[: len(self._given)] = self._given
            return [Candidate(point) for point in drawn]
        pairs = math.ceil(self._config.population / 2)
        chosen = self._toolbox.select(self._parents, 2 * pairs)
        children = [child for pair in zip(chosen[::2], chosen[1::2], strict=True) for child in self._breed(*pair)]
        return children[: self._config.population]

    def _breed(self, mother: _Member, father: _Member) -> list[Candidate]:
        children = [list(mother), list(father)]
        parents: list[tuple[tuple[int, int], ...]] = [(mother.origin,), (father.origin,)]
        if self._random.random() < self._config.crossover_probability:
            self._clip(*self._toolbox.mate(*children))
            parents = [tuple(dict.fromkeys((mother.origin, father.origin)))] * 2
        for child in children:
            self._clip(*self._toolbox.mutate(child))
        return [Candidate(np.array(child), origins) for child, origins in zip(children, parents, strict=True)]

    @staticmethod
    def _clip(*children: list[float]) -> None:
        # Polynomial mutation raises for a point beyond the bounds, where blend and gaussian may lead.
        for child in children:
            child[:] = [min(max(element, 0.0), 1.0) for element in child]

    def _learn(self, points: Floats, losses: Floats, failed: NDArray[np.bool_]) -> None:  # noqa: ARG002
        children = []
        for position, (point, loss) in enumerate(zip(points.tolist(), losses.tolist(), strict=True)):
            child = _Member(point)
            child.fitness = self._fitness(loss)
            child.origin = (self.generation, position)
            children.append(child)
        self._parents = self._toolbox.survive(self._parents + children)

    def _keep_elites(self, members: list[_Member]) -> list[_Member]:
        """The best of the parents and, beside them, the best of the children."""
        cut = len(self._parents)
        elites = _best_first(members[:cut])[: self._config.elites]
        return elites + _best_first(members[cut:])[: self._config.population - len(elites)]

    def _keep_first_fronts(self, members: list[_Member]) -> list[_Member]:
        """The first by non-domination, then by crowding distance: in this order."""
        fronts = self._toolbox.fronts(self._toolbox.crowd(members))
        return [
            member
            for front in fronts
            for member in sorted(front, key=lambda member: member.fitness.crowding_dist, reverse=True)
        ]

    def _crowded_tournament(self, members: list[_Member], k: int) -> list[_Member]:
        """The winners of k tournaments, of which the first to survive (its rank, then its crowding) wins."""
        size, count = self._config.tournament, len(members)
        return [members[min(self._random.randrange(count) for _ in range(size))] for _ in range(k)]

    def summary(self) -> dict[str, Any]:
        spread = float(np.std(np.array(self._parents), axis=0).mean()) if self._parents else None
        return {"population": self._config.population, "mean_std": spread}


def _best_first(members: list[_Member]) -> list[_Member]:
    return sorted(members, key=lambda member: member.fitness, reverse=True)


def _private_copy(name: str, generator: random.Random) -> ModuleType:
    """A module of DEAP, loaded once more for ourselves, that draws from `generator`.

    DEAP draws from the generator that the whole process shares. Seeding that, even for a moment, would change what
    other code draws, and other code what we draw.
    """
    spec = importlib.util.find_spec(name)
    if spec is None or spec.loader is None:
        raise ImportError(f"no module {name}", name=name)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.__dict__["random"] = generator
    return module
