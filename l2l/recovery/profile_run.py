"""The run after the search: how the fit changes around its optimum, parameter by parameter, recorded as a run."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from l2l import optimizers, provenance, runners
from l2l.errors import ExperimentError
from l2l.experiment import Experiment
from l2l.individual import Evaluation, Individual
from l2l.progress import Observer
from l2l.recovery.identifiability import (
    NOISY,
    Floats,
    Profile,
    crosses,
    directions,
    judge,
    places_through,
    steps_along,
)
from l2l.recovery.report import Recovered, Recovery
from l2l.runners.base import Runner
from l2l.seeds import Purpose, evaluation_seed
from l2l.space import Categorical, Integer, Parameter

if TYPE_CHECKING:
    from l2l.store import RunWriter, Store

MOST_CROSSED = 12  # parameters of which all pairs are looked at
_FLOOR = 1e-6  # of the largest excess of a profile: where there is no noise, differences below count as rounding


class ProfileRun:
    """The truth and the finalists again; a row of points for each parameter; corners for each pair; rows along axes.

    fit: the search as it ran, over the simulated target. fit_run: its number, which becomes the parent.
    """

    def __init__(self, fit: Experiment, store: Store, fit_run: int, replicates: int, observer: Observer) -> None:
        self.fit, self.store, self.fit_run = fit, store, fit_run
        self.space = fit.optimizee.space
        self.objective = fit.objectives[0]
        self.replicates = replicates
        self.observer = observer

    def run(
        self,
        hidden: Mapping[str, Any],
        best: Sequence[Mapping[str, Any]],
        points: int,
        runner: str | Runner | None,
        script: Path | None,
    ) -> Recovery:
        from l2l.store import RunSpec

        fit, chosen = self.fit, runners.create(self.fit.runner if runner is None else runner)
        spec = RunSpec(
            name=f"{fit.name}, profile",
            seed=fit.seed,
            space=self.space.as_json(),
            objectives=[objective.as_json() for objective in fit.objectives],
            optimizer={"name": "profile", "of": optimizers.as_json(fit.optimizer), "points": points},
            optimizee=fit.optimizee.describe(),
            runner=chosen.describe(),
            settings={"replicates": self.replicates},
            provenance=provenance.gather(script or provenance.script_of_main()),
            fingerprint=fit.optimizee.fingerprint(),
            tags=(*fit.tags, f"profile of run {self.fit_run}"),
            parent=self.fit_run,
        )
        with self.store.create_run(spec, recordings="none") as writer:
            shown = copy.copy(fit)
            shown.name, shown.generations = spec.name, 4
            self.observer.begins(writer.id, shown, self.store.label, resumed=False)
            try:
                with chosen:
                    recovery = self._measure(writer, chosen, hidden, best, points)
            finally:
                self.observer.ends()
            writer.record_summary(recovery=recovery.as_json())
            writer.finish("finished", "all profiles were evaluated")
        return recovery

    def _measure(
        self,
        writer: RunWriter,
        runner: Runner,
        hidden: Mapping[str, Any],
        best: Sequence[Mapping[str, Any]],
        points: int,
    ) -> Recovery:
        again = self._losses(writer, runner, 0, [hidden, *best])
        means = again.mean(axis=1)
        if not np.isfinite(means[1:]).any():
            raise ExperimentError("none of the best individuals could be evaluated again: see l2l show --failures")
        chosen = 1 + int(np.argmin(means[1:]))
        optimum = self.space.encode(best[chosen - 1])
        fine = again[1:][np.isfinite(means[1:])]
        noise = float(np.sqrt(fine.var(axis=1, ddof=1).mean()))

        labels = list(self._labels())
        rows = [places_through(parameter, float(optimum[i]), points) for i, (_, parameter) in enumerate(labels)]
        asked = []
        for i, places in enumerate(rows):
            asked.append(np.repeat(optimum[None], len(places), axis=0))
            asked[-1][:, i] = places
        losses = self._losses(writer, runner, 1, np.concatenate([optimum[None], *asked]))
        self._zero = losses[0]
        excess = self._excess(losses[1:])
        level = float(np.mean([means[chosen], self._zero[np.isfinite(self._zero)].mean()]))
        noise = max(noise, _FLOOR * float(excess[np.isfinite(excess)].max(initial=0.0)))
        ends = np.cumsum([len(places) for places in rows])[:-1]
        profiles = [
            Profile(
                places, own.mean(axis=1), float(optimum[i]), not isinstance(parameter, Categorical),
                isinstance(parameter, Integer),
            )
            for i, ((_, parameter), places, own) in enumerate(zip(labels, rows, np.split(excess, ends), strict=True))
        ]  # fmt: skip
        free = self._free(writer, runner, optimum, profiles, np.concatenate(asked), excess.mean(axis=1), noise, points)
        gap = level - float(means[0])
        true = self.space.encode(hidden)
        found = [
            self._recovered(label, profile, own, width, float(place), noise, gap)
            for (label, _), profile, own, width, place in zip(
                labels, profiles, np.split(excess, ends), free, true, strict=True
            )
        ]
        return Recovery(
            store=self.store.label, fit_run=self.fit_run, profile_run=writer.id, seed=self.fit.seed,
            replicates=self.replicates, objective=self.objective.name, maximize=self.objective.maximize, noise=noise,
            fitness_found=self.objective.fitness(level), fitness_hidden=self.objective.fitness(float(means[0])),
            reached=gap <= NOISY * noise, misled=gap < -NOISY * noise, parameters=found,
        )  # fmt: skip

    def _free(
        self, writer: RunWriter, runner: Runner, optimum: Floats, profiles: Sequence[Profile], asked: Floats,
        excess: Floats, noise: float, points: int,
    ) -> Floats:  # fmt: skip
        """(dimension,) length of what is within the noise along the principal axes; NaN where that is not measured."""
        spans = [profile.interval(NOISY * noise) for profile in profiles]
        widths = np.array([high - low for low, high in spans])
        half = np.array([each.ordered * min(w / 2, 0.25) for each, w in zip(profiles, widths, strict=True)])
        widths[[not each.ordered for each in profiles]] = np.nan
        if not 2 <= np.count_nonzero(half) <= MOST_CROSSED:
            return widths if np.count_nonzero(half) < 2 else np.full(len(half), np.nan)
        corners = crosses(optimum, half)
        beside = self._excess(self._losses(writer, runner, 2, corners)).mean(axis=1)
        axes = directions(np.vstack([asked, corners]), np.concatenate([excess, beside]), optimum, half)
        steps = [steps_along(axis, optimum, points) for axis in axes]
        along = [np.clip(optimum + s[:, None] * axis, 0, 1) for s, axis in zip(steps, axes, strict=True)]
        found = self._excess(self._losses(writer, runner, 3, np.concatenate(along))).mean(axis=1)
        ends = np.cumsum([len(s) for s in steps])[:-1]
        for axis, s, own in zip(axes, steps, np.split(found, ends), strict=True):
            first, last = Profile(s, own, 0.0).interval(NOISY * noise)
            widths = np.maximum(widths, (last - first) * np.abs(axis))
        return np.asarray(np.minimum(widths, 1.0))

    def _excess(self, losses: Floats) -> Floats:
        """(point, replicate) losses less the optimum's with the same noise."""
        fine = np.isfinite(self._zero)
        if fine.sum() < 2:
            raise ExperimentError("the optimum could not be evaluated again: see l2l show --failures")
        return np.asarray(losses[:, fine] - self._zero[fine])

    def _losses(
        self, writer: RunWriter, runner: Runner, stage: int, asked: Sequence[Mapping[str, Any]] | Floats
    ) -> Floats:
        """(point, replicate) losses of the first objective; infinite where an evaluation did not end well.

        asked: points by name, each with noise of its own; or (point, dimension) of the cube, with the same noise for
        all points in the same replicate, so that their differences are less noisy.
        """
        paired = isinstance(asked, np.ndarray)
        points = self.space.decode_many(asked) if isinstance(asked, np.ndarray) else asked
        individuals = [
            Individual(
                point,
                generation=stage,
                position=number * self.replicates + replicate,
                seed=evaluation_seed(
                    self.fit.seed, Purpose.RECOVERY, 2 if paired else 1, 0 if paired else number, replicate
                ),
            )
            for number, point in enumerate(points)
            for replicate in range(self.replicates)
        ]
        writer.record_generation(stage, individuals)
        self.observer.generation_begins(stage, len(individuals), [])
        losses = np.full(len(individuals), np.inf)
        for burst in runner.evaluate_in_bursts(self.fit.optimizee, individuals):
            writer.record_evaluations(burst)
            writer.heartbeat()
            for evaluation in burst:
                self.observer.evaluated(replace(evaluation, recordings={}))
                losses[evaluation.individual.position] = self._loss(evaluation)
        writer.record_told(stage, {})
        self.observer.generation_ends(stage)
        return losses.reshape(len(points), self.replicates)

    def _loss(self, evaluation: Evaluation) -> float:
        return self.objective.loss(evaluation.fitness[self.objective.name]) if evaluation.ok else np.inf

    def _labels(self) -> Iterator[tuple[str, Parameter]]:
        labels = iter(self.space.labels)
        for parameter in self.space.values():
            for _ in range(int(np.prod(parameter.shape))):
                yield next(labels), parameter

    def _recovered(
        self, label: str, profile: Profile, excess: Floats, free: float, true: float, noise: float, gap: float
    ) -> Recovered:
        parameter = self.space[label.split("[")[0]]

        def values(places: Any) -> list[Any]:
            one = replace(parameter, shape=()) if getattr(parameter, "shape", ()) else parameter
            return [value.item() if hasattr(value, "item") else value for value in one.decode(np.asarray(places))]

        low, high = profile.interval(NOISY * noise)
        hidden, found = values([true, profile.centre])
        inside = profile.places[profile.within(NOISY * noise)]
        if profile.ordered:
            # The centres of n whole numbers span (n - 1)/n of the unit interval.
            whole = 1 - 1 / (parameter.high - parameter.low + 1) if isinstance(parameter, Integer) else 1.0
            relative, width, free = abs(profile.centre - true) / whole, (high - low) / whole, min(free / whole, 1.0)
        else:
            relative, width = float(hidden != found), (len(inside) - 1) / (len(profile.places) - 1)
        with np.errstate(invalid="ignore"):
            spread = np.nan_to_num(excess.std(axis=1, ddof=1), nan=np.inf)
        return Recovered(
            name=label, unit=getattr(parameter, "unit", ""), log=getattr(parameter, "log", False), hidden=hidden,
            found=found, error=float(found - hidden) if profile.ordered else None, relative=float(relative),
            within=values([low, high]) if profile.ordered else values(inside), width=float(width),
            free_width=float(free),
            curvature=profile.curvature(), verdict=judge(profile, noise, free, true, gap),
            values=values(profile.places), excess=profile.excess.tolist(), spread=spread.tolist(),
        )  # fmt: skip
