"""Evaluates individuals on each task of a family, and records each task beside the whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from l2l.errors import ExperimentError
from l2l.evaluator import Evaluator
from l2l.individual import Evaluation, Individual
from l2l.optimizees.base import Optimizee
from l2l.optimizees.family import TaskFamily
from l2l.progress import Observer
from l2l.runners.base import Runner

if TYPE_CHECKING:
    from l2l.experiment import Experiment
    from l2l.store import RunWriter, Store

_Place = tuple[int, int, int]  # generation, position, replicate


class FamilyEvaluator(Evaluator):
    """As Evaluator, for a TaskFamily: all individuals on all tasks are one ensemble.

    An individual's own evaluation, which the optimizer is told, is recorded with the last one of its tasks, so that an
    interrupted run has either all of them, or some tasks and no answer yet: it goes on with the tasks that are missing.
    """

    def __init__(
        self, experiment: Experiment, store: Store, writer: RunWriter, runner: Runner, observer: Observer
    ) -> None:
        if experiment.reuse:
            raise ExperimentError("evaluations on the tasks of a family cannot be reused from other runs: reuse=False")
        from l2l.store.tasks import unfinished

        super().__init__(experiment, writer, runner, observer, None)
        self._past: dict[_Place, dict[str, Evaluation]] = {}
        for evaluation in store.read(lambda connection: unfinished(connection, writer.id)):
            self._past.setdefault(evaluation.individual.key[:3], {})[evaluation.individual.task] = evaluation

    def __call__(self, optimizee: Optimizee, individuals: Sequence[Individual]) -> list[Evaluation]:
        assert isinstance(optimizee, TaskFamily)
        of_tasks = {each.key[:3]: self._past.pop(each.key[:3], {}) for each in individuals}
        jobs = [each for each in optimizee.on_tasks(individuals) if each.task not in of_tasks[each.key[:3]]]
        whole = {each.key[:3]: each for each in individuals}
        found: list[Evaluation] = []

        def finished(places: Sequence[_Place]) -> list[Evaluation]:
            complete = [place for place in places if all(task in of_tasks[place] for task in optimizee.tasks)]
            return [optimizee.together(whole[place], of_tasks.pop(place)) for place in complete]

        # Of those whose last task was recorded without the whole there are none, but for a task that was left out.
        self._keep([], finished(list(of_tasks)), found)
        for burst in self.runner.evaluate_in_bursts(optimizee, jobs) if jobs else ():
            for evaluation in burst:
                of_tasks[evaluation.individual.key[:3]][evaluation.individual.task] = replace(evaluation, recordings={})
            places = list(dict.fromkeys(evaluation.individual.key[:3] for evaluation in burst))
            self._keep(list(burst), finished(places), found)
        return found

    def _keep(self, of_tasks: list[Evaluation], together: list[Evaluation], found: list[Evaluation]) -> None:
        self.writer.record_evaluations([*of_tasks, *together])
        self.writer.heartbeat()
        for evaluation in together:
            self.observer.evaluated(evaluation)
            if self.experiment.fail_fast and not evaluation.ok:
                raise ExperimentError(
                    f"fail_fast is set, and individual {evaluation.individual.generation}/"
                    f"{evaluation.individual.position} {evaluation.status}: {evaluation.error}"
                )
        found += together
