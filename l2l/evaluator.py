"""Evaluates individuals and records each evaluation before anyone else sees it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from l2l.errors import ExperimentError
from l2l.individual import Evaluation, Individual
from l2l.optimizees.base import Optimizee
from l2l.progress import Observer
from l2l.reuse import Reuse
from l2l.runners.base import Runner

if TYPE_CHECKING:
    from l2l.experiment import Experiment
    from l2l.store import RunWriter


class Evaluator:
    """The evaluations of one run: taken from the past where that is asked for, else computed by a runner."""

    def __init__(
        self, experiment: Experiment, writer: RunWriter, runner: Runner, observer: Observer, reuse: Reuse | None
    ) -> None:
        self.reuse = reuse
        self.experiment = experiment
        self.writer = writer
        self.runner = runner
        self.observer = observer

    def __call__(self, optimizee: Optimizee, individuals: Sequence[Individual]) -> list[Evaluation]:
        evaluations: list[Evaluation] = []
        # What validates may be another optimizee, of which the run's fingerprint says nothing.
        if self.reuse is not None and optimizee is self.experiment.optimizee:
            evaluations += self.reuse.take(individuals)
            for evaluation in evaluations:
                self.observer.reused(evaluation)
            found = {evaluation.individual.key for evaluation in evaluations}
            individuals = [individual for individual in individuals if individual.key not in found]
        if not individuals:
            return evaluations
        for burst in self.runner.evaluate_in_bursts(optimizee, individuals):
            light = [_without_recordings(evaluation) for evaluation in burst]
            self.writer.record_evaluations(burst)  # which keeps the arrays that `recordings` asks for
            self.writer.heartbeat()
            for evaluation in light:
                self.observer.evaluated(evaluation)
                if self.experiment.fail_fast and not evaluation.ok:
                    raise ExperimentError(
                        f"fail_fast is set, and individual {evaluation.individual.generation}/"
                        f"{evaluation.individual.position} {evaluation.status}: {evaluation.error}"
                    )
            evaluations += light
        return evaluations


def _without_recordings(evaluation: Evaluation) -> Evaluation:
    return replace(evaluation, recordings={}) if evaluation.recordings else evaluation
