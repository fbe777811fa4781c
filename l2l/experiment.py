"""An experiment: ask, evaluate, record, tell, and go on from the record after any interruption."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from l2l import optimizers, provenance, runners, warm_start
from l2l.errors import ExperimentError, ResumeError, StoreError
from l2l.evaluator import Evaluator
from l2l.individual import Evaluation, Individual
from l2l.objective import Objective
from l2l.optimizees.base import Optimizee
from l2l.optimizees.cohort import Cohort
from l2l.optimizees.family import TaskFamily
from l2l.optimizers.base import Candidate, Optimizer, OptimizerConfig, Told
from l2l.progress import Observer, Silent, observer_for
from l2l.reuse import Reuse
from l2l.runners.base import Runner
from l2l.seeds import Purpose, branch, check_seed, evaluation_seed
from l2l.space import Space
from l2l.store.keep import Policy
from l2l.warm_start import WarmStart

if TYPE_CHECKING:
    from l2l.store import RecordedGeneration, RunRecord, RunSpec, RunWriter, Store
    from l2l.trajectory import Trajectory

# Eigendecompositions differ in their last bits between processors; a search that differs by more is another search.
REPLAY_TOLERANCE = 1e-6


class FoundExperiment(BaseException):
    """Raised by `Experiment.run` while a script is loaded, so that the loader, not the script, runs it."""

    def __init__(self, experiment: Experiment) -> None:
        super().__init__("this experiment was found while its script was loaded")
        self.experiment = experiment


class Experiment:
    """One search: an optimizee, an optimizer, where to run, and what to keep.

    optimizee: an Optimizee, or any function with `space` (and `objectives`, if it returns more than one loss).
    optimizer: its configuration, such as CMAES(population=64), or its name.
    generations: at most so many; None leaves the end to the optimizer.
    validate: how many of the best individuals are evaluated again at the end, each with fresh noise.
    runner: a Runner or its name; "dask" is a local cluster on all cores.
    seed: the root of every random number of the run.
    store: path or URL of the database; by default $L2L_STORE, else l2l.db in the working directory.
    recordings: "all" keeps the arrays of every outcome, "none" keeps none, "best:5" those of the 5 best individuals of
    each generation.
    fail_fast: end the run at the first evaluation that is not ok.
    reuse: take evaluations from other runs of the store where optimizee, parameters and seed are the same, and record
    where from; see `l2l.reuse.Reuse`.
    warm_start: a run of the store (its number, its name, or "last") whose best individuals this search begins from.
    Raises ExperimentError, or the error of the part that is amiss, before anything is evaluated.
    """

    loading_script = False

    def __init__(
        self,
        optimizee: Optimizee | Callable[..., Any],
        optimizer: str | Mapping[str, Any] | OptimizerConfig = "cma-es",
        *,
        space: Space | Mapping[str, Any] | None = None,
        objectives: str | Objective | Iterable[str | Objective] | None = None,
        generations: int | None = None,
        validate: int = 0,
        runner: str | Mapping[str, Any] | Runner = "dask",
        seed: int = 0,
        name: str | None = None,
        tags: Sequence[str] = (),
        store: str | Path | None = None,
        recordings: str = "all",
        fail_fast: bool = False,
        reuse: bool = False,
        warm_start: int | str | None = None,
    ) -> None:
        self.optimizee = _as_optimizee(optimizee, space, objectives)
        self.optimizer = optimizers.create(optimizer)
        self.generations = _at_least("generations", generations, 1)
        self.validate = _at_least("validate", validate, 0) or 0
        self.runner = runner
        runners.create(runner)  # a mistyped name is found now, not after the data are loaded
        self.seed = check_seed(seed)
        self.name = name if name is not None else _default_name(optimizee)
        self.tags = tuple(tags)
        self.store = store
        try:
            Policy.parse(recordings)
        except StoreError as error:
            raise ExperimentError(str(error)) from None
        self.recordings = recordings
        self.fail_fast = fail_fast
        if not isinstance(reuse, bool):
            raise ExperimentError(f"reuse must be True or False, but got {reuse!r}")
        self.reuse = reuse
        if warm_start is not None and (isinstance(warm_start, bool) or not isinstance(warm_start, int | str)):
            raise ExperimentError(f"warm_start must be a run's number, its name or 'last', but got {warm_start!r}")
        self.warm_start = warm_start
        self._build_optimizer()
        if self.generations is None and not self.optimizer.ends:
            raise ExperimentError(
                f"{self.optimizer.name} never stops by itself: say how long to search, such as generations=50"
            )

    @property
    def objectives(self) -> tuple[Objective, ...]:
        return self.optimizee.objectives

    def run(
        self, *, store: str | Path | None = None, runner: str | Runner | None = None, quiet: bool = False
    ) -> Trajectory:
        """Search, record everything, and return the trajectory. A KeyboardInterrupt leaves a run to resume."""
        if Experiment.loading_script:
            raise FoundExperiment(self)
        return self.start(store=store, runner=runner, observer=Silent() if quiet else observer_for())

    def start(
        self,
        *,
        store: str | Path | None = None,
        runner: str | Runner | None = None,
        observer: Observer | None = None,
        script: Path | None = None,
    ) -> Trajectory:
        """`run`, with the observer that reports progress and the script to record chosen by the caller."""
        from l2l.store import Store

        chosen = runners.create(self.runner if runner is None else runner)
        with Store.open(store if store is not None else self.store) as opened:
            origin = provenance.gather(script or provenance.script_of_main())
            if isinstance(self.optimizee, Cohort):
                from l2l import cohort

                return cohort.start(self, opened, chosen, observer or Silent(), origin)
            begin = self._warm_start(opened, self.warm_start)
            spec = self._spec(chosen, origin, None if begin is None else begin.run)
            with opened.create_run(spec, recordings=self.recordings) as writer:
                if begin is not None:
                    writer.record_event(warm_start.EVENT, begin.as_json())
                return self._search(opened, writer, chosen, observer or Silent(), [], begin)

    def resume(
        self,
        run: int | str = "last",
        *,
        store: str | Path | None = None,
        runner: str | Runner | None = None,
        observer: Observer | None = None,
    ) -> Trajectory:
        """Go on with a recorded run to the same bits as if it had never stopped.

        Raises ResumeError if the record and this experiment are not the same search.
        """
        from l2l.store import Store

        chosen = runners.create(self.runner if runner is None else runner)
        with Store.open(store if store is not None else self.store) as opened:
            record = opened.run(run)
            if isinstance(self.optimizee, Cohort):
                from l2l import cohort

                return cohort.resume(self, opened, chosen, observer or observer_for(), record)
            self._check_same_search(record)
            recorded = opened.generations(record.id)
            begin = self._recorded_start(opened, record)
            fresh = begin is None and self.warm_start is not None
            if fresh:  # it was interrupted before it began
                begin = self._warm_start(opened, record.parent)
                if begin is None:
                    raise ResumeError(f"run {record.id} never began, and the run it was to begin from is gone")
            with opened.continue_run(record.id, recordings=self.recordings) as writer:
                if fresh and begin is not None:
                    writer.record_event(warm_start.EVENT, begin.as_json())
                if record.settings != self._settings():
                    writer.record_event("settings changed", {"from": record.settings, "to": self._settings()})
                return self._search(opened, writer, chosen, observer or observer_for(), recorded, begin)

    def _warm_start(self, store: Store, run: int | str | None) -> WarmStart | None:
        """What the search begins from. Raises the error of what is amiss, before a run is recorded."""
        from l2l.trajectory import Trajectory

        if run is None:
            return None
        begin = warm_start.from_run(Trajectory.open(store, run), self.optimizee.space, self.objectives)
        self._build_optimizer().warm_start(begin.points)
        return begin

    def _recorded_start(self, store: Store, record: RunRecord) -> WarmStart | None:
        """What a recorded search began from: its parent may have changed since, or be gone."""
        from l2l.trajectory import Trajectory

        if self.warm_start is None:
            return None
        return warm_start.from_record(Trajectory.open(store, record.id), self.optimizee.space)

    def _spec(self, runner: Runner, origin: Mapping[str, Any], parent: int | None) -> RunSpec:
        """The run as it begins. origin: its provenance."""
        from l2l.store import RunSpec

        return RunSpec(
            name=self.name,
            seed=self.seed,
            space=self.optimizee.space.as_json(),
            objectives=[objective.as_json() for objective in self.objectives],
            optimizer=optimizers.as_json(self.optimizer),
            optimizee=self.optimizee.describe(),
            runner=runner.describe(),
            settings=self._settings(),
            provenance=origin,
            fingerprint=self.optimizee.fingerprint(),
            tags=self.tags,
            parent=parent,
        )

    def _settings(self) -> dict[str, Any]:
        return {
            "generations": self.generations,
            "validate": self.validate,
            "recordings": self.recordings,
            "fail_fast": self.fail_fast,
            "reuse": self.reuse,
            "warm_start": self.warm_start,
        }

    def _build_optimizer(self) -> Optimizer:
        return self.optimizer.build(self.optimizee.space, branch(self.seed, Purpose.OPTIMIZER), len(self.objectives))

    def _check_same_search(self, record: Any) -> None:
        mine = {
            "seed": self.seed,
            "space": self.optimizee.space.as_json(),
            "objectives": [objective.as_json() for objective in self.objectives],
            "optimizer": optimizers.as_json(self.optimizer),
            "fingerprint": self.optimizee.fingerprint(),
        }
        changed = [what for what, value in mine.items() if getattr(record, what) != value]
        if record.settings.get("warm_start") != self.warm_start:
            changed.append("warm_start")
        if changed:
            what = ", ".join("optimizee" if name == "fingerprint" else name for name in changed)
            raise ResumeError(
                f"run {record.id} can only be resumed by the experiment that began it, but these differ: {what}. "
                "Restore the script as it was (its text is in the run's provenance), or start a new run"
            )

    def _search(
        self,
        store: Store,
        writer: RunWriter,
        runner: Runner,
        observer: Observer,
        recorded: list[RecordedGeneration],
        begin: WarmStart | None,
    ) -> Trajectory:
        from l2l.trajectory import Trajectory

        with ExitStack() as stack:
            observer.begins(writer.id, self, store.label, resumed=bool(recorded))
            stack.callback(observer.ends)
            try:
                writer.record_summary(baselines=dict(self.optimizee.baselines()))
                stack.enter_context(runner)
                evaluate = self._evaluator(store, writer, runner, observer)
                optimizer = self._build_optimizer()
                if begin is not None:
                    optimizer.warm_start(begin.points)
                known = {item.number: item for item in recorded}
                reason = _through(
                    self._generations(optimizer, writer, observer, known),
                    lambda missing: evaluate(self.optimizee, missing),
                )
                if self.validate:
                    missing = self._to_validate(Trajectory.open(store, writer.id))
                    observer.validation_begins(len(missing))
                    evaluate(self.optimizee.validation(), missing)
            except KeyboardInterrupt:
                writer.finish("interrupted", "interrupted by the user")
                observer.interrupted(writer.id, store.label)
                raise
            except Exception as error:
                # The record of the failure must not hide the failure itself: a full disk refuses both.
                try:
                    writer.finish("failed", f"{type(error).__name__}: {error}")
                except Exception as second:
                    error.add_note(f"the run could not be marked as failed either: {second}")
                raise
            writer.finish("finished", reason)
        trajectory = Trajectory.open(store.url, writer.id)
        observer.finished(trajectory, reason)
        return trajectory

    def _evaluator(self, store: Store, writer: RunWriter, runner: Runner, observer: Observer) -> Evaluator:
        if isinstance(self.optimizee, TaskFamily):
            from l2l.family import FamilyEvaluator

            return FamilyEvaluator(self, store, writer, runner, observer)
        return Evaluator(self, writer, runner, observer, self._reuse(store, writer))

    def _reuse(self, store: Store, writer: RunWriter) -> Reuse | None:
        if not self.reuse:
            return None
        return Reuse(store, writer, self.optimizee.fingerprint(), self.seed, self.recordings)

    def _generations(
        self,
        optimizer: Optimizer,
        writer: RunWriter,
        observer: Observer,
        recorded: Mapping[int, RecordedGeneration],
    ) -> Generator[list[Individual], list[Evaluation], str]:
        """Ask and tell until there is a reason to stop, which is returned.

        Yields what is still to be evaluated of each generation, and is sent the evaluations, in any order.
        """
        for number in itertools.count():
            reason = optimizer.stop()
            if reason is not None:
                return reason
            if self.generations is not None and number >= self.generations:
                return f"{self.generations} generations"
            candidates: Sequence[Candidate] = optimizer.ask()
            known = recorded.get(number)
            if known is None:
                individuals = self._individuals(number, candidates)
                writer.record_generation(number, individuals, [candidate.parents for candidate in candidates])
                evaluations: dict[int, Evaluation] = {}
            else:
                candidates = self._replay(known, candidates, writer)
                individuals, evaluations = list(known.individuals), dict(known.evaluations)
            missing = [individual for individual in individuals if individual.position not in evaluations]
            observer.generation_begins(number, len(individuals), [evaluations[place] for place in sorted(evaluations)])
            for evaluation in (yield missing):
                evaluations[evaluation.individual.position] = evaluation
            optimizer.tell(
                [Told(candidate, self._losses(evaluations[position])) for position, candidate in enumerate(candidates)]
            )
            if known is None or not known.told:
                writer.record_told(number, optimizer.summary())
            observer.generation_ends(number)
        raise AssertionError("itertools.count never ends")

    def _individuals(self, number: int, candidates: Sequence[Candidate]) -> list[Individual]:
        points = self.optimizee.space.decode_many(np.array([candidate.point for candidate in candidates]))
        return [
            Individual(
                parameters,
                generation=number,
                position=position,
                seed=evaluation_seed(self.seed, Purpose.EVALUATION, number, position, 0),
            )
            for position, parameters in enumerate(points)
        ]

    def _replay(
        self, known: RecordedGeneration, candidates: Sequence[Candidate], writer: RunWriter
    ) -> Sequence[Candidate]:
        """The candidates to tell for a recorded generation: those asked again, unless their last bits differ."""
        space = self.optimizee.space
        asked = self._individuals(known.number, candidates)
        if len(asked) != len(known.individuals):
            raise ResumeError(
                f"generation {known.number} was recorded with {len(known.individuals)} individuals, but the optimizer "
                f"now asks {len(asked)}: a library has changed; start a new run, warm-started from this one"
            )
        now = space.encode_many([individual.parameters for individual in asked])
        then = space.encode_many([individual.parameters for individual in known.individuals])
        if np.array_equal(now, then):
            return candidates
        difference = float(np.abs(now - then).max())
        if difference > REPLAY_TOLERANCE:
            raise ResumeError(
                f"generation {known.number} must be asked again as it was recorded, to within {REPLAY_TOLERANCE} of "
                f"each parameter's range, but differs by {difference:.3g}: a library or the optimizer has changed "
                "(compare the versions in the run's provenance); start a new run, warm-started from this one"
            )
        writer.record_event("replay differs in the last bits", {"generation": known.number, "difference": difference})
        return [Candidate(point, old.parents) for point, old in zip(then, candidates, strict=True)]

    def _losses(self, evaluation: Evaluation) -> tuple[float, ...] | None:
        if not evaluation.ok:
            return None
        return tuple(objective.loss(evaluation.fitness[objective.name]) for objective in self.objectives)

    def _to_validate(self, trajectory: Trajectory) -> list[Individual]:
        """The best individuals, to be evaluated again with fresh noise; those that have been already are left out."""
        done = {(item.generation, item.position) for item in trajectory.validated() if not item.task}
        return [
            Individual(
                best.parameters,
                generation=best.generation,
                position=best.position,
                replicate=1,
                seed=evaluation_seed(self.seed, Purpose.VALIDATION, best.generation, best.position, 1),
            )
            for best in trajectory.best_individuals(self.validate)
            if (best.generation, best.position) not in done
        ]


def _through(
    steps: Generator[list[Individual], list[Evaluation], str],
    evaluate: Callable[[list[Individual]], list[Evaluation]],
) -> str:
    """Evaluates all that a search asks for, until its end; returns its reason to end."""
    evaluations: Any = None  # what a generator is sent first
    while True:
        try:
            missing = steps.send(evaluations)
        except StopIteration as end:
            return str(end.value)
        evaluations = evaluate(missing)


def _as_optimizee(
    given: Optimizee | Callable[..., Any],
    space: Space | Mapping[str, Any] | None,
    objectives: str | Objective | Iterable[str | Objective] | None,
) -> Optimizee:
    if isinstance(given, Optimizee):
        if space is not None or objectives is not None:
            raise ExperimentError("an optimizee brings its own space and objectives; give them only with a function")
        return given
    if not callable(given):
        raise ExperimentError(f"an optimizee must be an Optimizee or a function, but got {given!r}")
    if space is None:
        raise ExperimentError('a function needs a space, such as space={"x": Real(-5, 5)}')
    from l2l.optimizees import FunctionOptimizee

    return FunctionOptimizee(given, space, "loss" if objectives is None else objectives)


def _default_name(optimizee: object) -> str:
    return str(getattr(optimizee, "name", None) or getattr(optimizee, "__name__", None) or type(optimizee).__name__)


def _at_least(name: str, value: int | None, least: int) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ExperimentError(f"{name} must be an integer >= {least}, but got {value!r}")
    return value
