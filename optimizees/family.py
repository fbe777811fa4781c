"""One set of parameters for many subjects: fitted to some of them, tried on others (learning to learn)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from l2l.errors import OptimizeeError, nearest
from l2l.individual import Evaluation, Individual, Status
from l2l.optimizees.base import Optimizee
from l2l.optimizees.subjects import Build, Group, Subjects, seed_of, unknown

Aggregate = Literal["mean", "median", "worst"]

# Each takes the losses of the tasks: smaller is better, whatever the objective's direction.
AGGREGATES: dict[str, Callable[[NDArray[np.float64]], Any]] = {"mean": np.mean, "median": np.median, "worst": np.max}


class TaskFamily(Group):
    """Each individual is evaluated on each training task; the best are validated on tasks held out.

    train, validate: optimizees by name; or names, with `build`, which makes the optimizee of a name. No name is in
        both. What cannot be built is left out and recorded as failed. Without `validate` the best are evaluated again
        on the training tasks, with fresh noise.
    aggregate: how an individual's fitness is made of that on the tasks: their "mean", "median", or the "worst" of them.
    An individual that fails on one task fails, and its error names the task: what cannot be run on all tasks is no
    answer for all. Each evaluation on each task is recorded with its task; noise differs between tasks.
    Raises OptimizeeError if no training task can be built, or tasks differ in space or objectives.
    """

    def __init__(
        self,
        train: Subjects,
        validate: Subjects = (),
        *,
        build: Build | None = None,
        aggregate: Aggregate = "mean",
    ) -> None:
        if aggregate not in AGGREGATES:
            raise OptimizeeError(f"unknown aggregate {aggregate!r}: {nearest(str(aggregate), AGGREGATES)}")
        self.aggregate = aggregate
        train, validate = _named(train), _named(validate)
        both = [name for name in train if name in validate]
        if both:
            raise OptimizeeError(f"a task is trained on or held out, but {both} are in both")
        given = {**train, **validate}
        named = [name for name, member in given.items() if member is None]
        if named and len(named) < len(given):
            raise OptimizeeError(
                f"tasks are all given by name, with build=, or as optimizees; only {named} are by name"
            )
        self._gather("a task family", list(given) if named or build is not None else _certain(given), build)
        self.train = [name for name in train if name in self.members]
        self.held_out = [name for name in validate if name in self.members]
        if not self.train:
            raise OptimizeeError(f"a task family must have a task to train on, but has none: {self.failures}")
        #: The tasks that make up the fitness now.
        self.tasks = self.train

    def member(self, task: str) -> Optimizee:
        if task not in self.members:
            raise unknown("the task family", task, self.members)
        return self.members[task]

    def validation(self) -> Self:
        other = self._with({name: member.validation() for name, member in self.members.items()})
        other.tasks = self.held_out or self.train
        return other

    def on_tasks(self, individuals: Sequence[Individual]) -> list[Individual]:
        """Each individual on each task; those of one task stand together."""
        from dataclasses import replace

        return [
            replace(individual, task=task, seed=seed_of(individual.seed, task))
            for task in self.tasks
            for individual in individuals
        ]

    def together(self, individual: Individual, of_tasks: Mapping[str, Evaluation]) -> Evaluation:
        """An individual's evaluation, of those on all tasks."""
        listed = [of_tasks[task] for task in self.tasks]
        about: dict[str, Any] = {
            "started": min(each.started for each in listed),
            "seconds": sum(each.seconds for each in listed),
            "worker": listed[0].worker,
            "host": listed[0].host,
            "device": listed[0].device,
            "job": listed[0].job,
        }
        bad = [each for each in listed if not each.ok]
        if bad:
            first = bad[0]
            error = f"task {first.individual.task}: {first.error}" + (f" (and {len(bad) - 1} more)" if bad[1:] else "")
            return Evaluation(individual, first.status, error=error, traceback=first.traceback, **about)
        fitness = {}
        for objective in self.objectives:
            losses = np.array([objective.loss(each.fitness[objective.name]) for each in listed])
            fitness[objective.name] = objective.fitness(float(AGGREGATES[self.aggregate](losses)))
        return Evaluation(individual, Status.OK, fitness, **about)

    def describe(self) -> dict[str, Any]:
        return {**super().describe(), "train": self.train, "held_out": self.held_out, "aggregate": self.aggregate}

    def fingerprint(self) -> str:
        import hashlib

        settings = repr([super().fingerprint(), self.train, self.held_out, self.aggregate])
        return hashlib.sha256(settings.encode()).hexdigest()


def _named(tasks: Subjects) -> dict[str, Optimizee | None]:
    """By name; None where only the name is given."""
    if isinstance(tasks, Mapping):
        return dict(tasks)
    names = [tasks] if isinstance(tasks, str) else list(tasks)
    for name in names:
        if names.count(name) > 1:
            raise OptimizeeError(f"tasks must have names of their own, but {name!r} is repeated")
    return dict.fromkeys(names)


def _certain(tasks: Mapping[str, Optimizee | None]) -> dict[str, Optimizee]:
    return {name: member for name, member in tasks.items() if member is not None}
