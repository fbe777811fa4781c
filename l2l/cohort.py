"""The search of a cohort: one run a subject, in step, so that each generation of all subjects is one ensemble.

Each subject's run is an ordinary one, as if it had been fitted alone. A run of the cohort itself holds them together:
it is their parent, and has no individuals of its own.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from l2l import warm_start
from l2l.errors import ExperimentError, ResumeError, StoreError
from l2l.experiment import Experiment
from l2l.individual import Evaluation, Individual
from l2l.optimizees.cohort import Cohort
from l2l.optimizees.subjects import seed_of
from l2l.progress import Observer, Silent
from l2l.reuse import Reuse
from l2l.runners.base import Runner
from l2l.trajectory import subjects

if TYPE_CHECKING:
    from l2l.store import RecordedGeneration, RunRecord, RunWriter, Store
    from l2l.trajectory import Trajectory


class Subject(Experiment):
    """The experiment of one subject: that of the cohort, with a seed that depends on its name."""

    def __init__(self, whole: Experiment, subject: str) -> None:
        assert isinstance(whole.optimizee, Cohort)
        super().__init__(
            whole.optimizee.members[subject],
            whole.optimizer,
            generations=whole.generations,
            validate=whole.validate,
            runner=whole.runner,
            seed=seed_of(whole.seed, subject),
            name=f"{whole.name}/{subject}",
            tags=whole.tags,
            store=whole.store,
            recordings=whole.recordings,
            fail_fast=whole.fail_fast,
            reuse=whole.reuse,
            warm_start=whole.warm_start,
        )
        self.subject = subject

    def _settings(self) -> dict[str, Any]:
        return {**super()._settings(), "subject": self.subject}


@dataclass
class _Going:
    """A subject's search that goes on."""

    experiment: Subject
    writer: RunWriter
    steps: Generator[list[Individual], list[Evaluation], str]
    reuse: Reuse | None
    evaluations: Any = None  # what `steps` is to be sent
    reason: str = ""


def start(whole: Experiment, store: Store, runner: Runner, observer: Observer, origin: Mapping[str, Any]) -> Trajectory:
    """`Experiment.start` of a cohort. origin: the provenance of its runs."""
    if whole.warm_start is not None:
        for subject in _cohort(whole).members:  # what is amiss is known before anything is recorded
            Subject(whole, subject)._warm_start(store, _beginning(store, whole.warm_start, subject))
    with store.create_run(whole._spec(runner, origin, None), recordings=whole.recordings) as writer:
        return _Search(whole, store, writer, runner, observer, origin).run({})


def resume(whole: Experiment, store: Store, runner: Runner, observer: Observer, record: RunRecord) -> Trajectory:
    """`Experiment.resume` of a cohort. record: its run, or that of one of its subjects, which means all of them."""
    record = store.run(subjects.whole_of(record))
    whole._check_same_search(record)
    known = subjects.runs_of(store, record.id)
    cohort = _cohort(whole)
    for subject in cohort.members:
        if subject in known and known[subject].fingerprint:
            Subject(whole, subject)._check_same_search(known[subject])
    with store.continue_run(record.id, recordings=whole.recordings) as writer:
        if record.settings != whole._settings():
            writer.record_event("settings changed", {"from": record.settings, "to": whole._settings()})
        return _Search(whole, store, writer, runner, observer, record.provenance).run(known)


def _cohort(whole: Experiment) -> Cohort:
    assert isinstance(whole.optimizee, Cohort)
    return whole.optimizee


def _beginning(store: Store, run: int | str, subject: str) -> int | str:
    """Where a subject's search begins: with the same subject of a cohort, or with the one run that is given."""
    found = {subject: record.id for subject, record in subjects.runs_of(store, store.find(run)).items()}
    if found and subject not in found:
        raise ExperimentError(f"a warm start from a cohort needs a run of each subject, but {run!r} has no {subject!r}")
    return found.get(subject, run)


class _Search:
    """A cohort that is being searched for by one process."""

    def __init__(
        self,
        whole: Experiment,
        store: Store,
        writer: RunWriter,
        runner: Runner,
        observer: Observer,
        origin: Mapping[str, Any],
    ) -> None:
        self.whole = whole
        self.cohort = _cohort(whole)
        self.store = store
        self.writer = writer
        self.runner = runner
        self.observer = observer
        self.origin = origin
        self.failed: dict[str, str] = {}

    def run(self, known: Mapping[str, RunRecord]) -> Trajectory:
        """Search for all. known: the runs of subjects that are recorded already."""
        from l2l.trajectory import Trajectory

        with ExitStack() as stack:
            self.observer.begins(self.writer.id, self.whole, self.store.label, resumed=bool(known))
            stack.callback(self.observer.ends)
            try:
                going = self._begin(known, stack)
                stack.enter_context(self.runner)
                ended = self._generations(going)
                self._validate(ended)
            except KeyboardInterrupt:
                self.writer.finish("interrupted", "interrupted by the user")
                self.observer.interrupted(self.writer.id, self.store.label)
                raise
            for each in ended:
                if each.experiment.subject not in self.failed:
                    each.writer.finish("finished", each.reason)
            reason = self._reason()
            if len(self.failed) == len(self.cohort.names):
                self.writer.finish("failed", reason)
                raise ExperimentError(f"no subject of the cohort could be fitted: {self.failed}")
            self.writer.finish("finished", reason)
        trajectory = Trajectory.open(self.store.url, self.writer.id)
        self.observer.finished(trajectory, reason)
        return trajectory

    def _reason(self) -> str:
        count = len(self.cohort.names)
        if not self.failed:
            return f"{count} subjects"
        return f"{count - len(self.failed)} of {count} subjects; failed: {', '.join(self.failed)}"

    # --- subjects ----------------------------------------------------------------------------------------------

    def _begin(self, known: Mapping[str, RunRecord], stack: ExitStack) -> list[_Going]:
        """Creates, or takes up again, the run of each subject that is not finished."""
        going = []
        for subject in self.cohort.names:
            record = known.get(subject)
            if subject in self.cohort.failures:
                self._record_unread(subject, record)
            elif record is None or not record.fingerprint or record.status != "finished" or self._longer(record):
                going.append(self._taken_up(subject, record, stack))
        return going

    def _longer(self, record: RunRecord) -> bool:
        """Whether a finished search is to go on."""
        return record.settings != Subject(self.whole, record.settings["subject"])._settings()

    def _record_unread(self, subject: str, record: RunRecord | None) -> None:
        """Leaves word of a subject whose optimizee could not be built."""
        self.failed[subject] = reason = self.cohort.failures[subject]
        if record is not None:
            self.writer.record_event("subject failed", {"subject": subject, "reason": reason})
            return
        spec = replace(
            self.whole._spec(self.runner, self.origin, self.writer.id),
            name=f"{self.whole.name}/{subject}",
            seed=seed_of(self.whole.seed, subject),
            optimizee={},
            fingerprint="",  # there is nothing to resume
            settings={**self.whole._settings(), "subject": subject},
        )
        with self.store.create_run(spec) as writer:
            writer.finish("failed", reason)

    def _taken_up(self, subject: str, record: RunRecord | None, stack: ExitStack) -> _Going:
        experiment = Subject(self.whole, subject)
        recorded: dict[int, RecordedGeneration] = {}
        begin = None
        if record is None or not record.fingerprint:
            spec = experiment._spec(self.runner, self.origin, self.writer.id)
            writer = self.store.create_run(spec, recordings=self.whole.recordings)
        else:
            recorded = {item.number: item for item in self.store.generations(record.id)}
            begin = experiment._recorded_start(self.store, record)
            writer = self.store.continue_run(record.id, recordings=self.whole.recordings)
            if record.settings != experiment._settings():
                writer.record_event("settings changed", {"from": record.settings, "to": experiment._settings()})
        stack.enter_context(writer)
        if begin is None and experiment.warm_start is not None:
            begin = experiment._warm_start(self.store, _beginning(self.store, experiment.warm_start, subject))
            assert begin is not None
            writer.record_event(warm_start.EVENT, begin.as_json())
        writer.record_summary(baselines=dict(experiment.optimizee.baselines()))
        optimizer = experiment._build_optimizer()
        if begin is not None:
            optimizer.warm_start(begin.points)
        unseen = Silent()  # one display shows all subjects
        unseen.begins(writer.id, experiment, self.store.label, resumed=bool(recorded))
        steps = experiment._generations(optimizer, writer, unseen, recorded)
        return _Going(experiment, writer, steps, experiment._reuse(self.store, writer))

    def _fail(self, going: _Going, error: Exception) -> None:
        """Ends the search of one subject; the others go on."""
        reason = f"{type(error).__name__}: {error}"
        self.failed[going.experiment.subject] = reason
        going.writer.finish("failed", reason)

    # --- generations -------------------------------------------------------------------------------------------

    def _generations(self, going: list[_Going]) -> list[_Going]:
        """Every search to its end, a generation of all of them at a time; returns those that ended well."""
        ended: list[_Going] = []
        number = 0
        while going:
            asked: list[tuple[_Going, list[Individual]]] = []
            for each in going:
                try:
                    asked.append((each, each.steps.send(each.evaluations)))
                except StopIteration as end:
                    each.reason = str(end.value)
                    ended.append(each)
                except (StoreError, ResumeError):  # what ends one of these ends all, or is to be seen at once
                    raise
                except Exception as error:  # an optimizer that breaks down
                    self._fail(each, error)
            going = [each for each, _ in asked]
            self.observer.generation_begins(number, sum(len(missing) for _, missing in asked), [])
            for each, evaluations in zip(going, self._evaluate(self.cohort, asked), strict=True):
                each.evaluations = evaluations
            if asked:
                self.observer.generation_ends(number)
            number += 1
        return ended

    def _validate(self, ended: Sequence[_Going]) -> None:
        from l2l.trajectory import Trajectory

        if self.whole.validate:
            asked = [
                (each, each.experiment._to_validate(Trajectory.open(self.store, each.writer.id))) for each in ended
            ]
            self.observer.validation_begins(sum(len(missing) for _, missing in asked))
            self._evaluate(self.cohort.validation(), asked)

    def _evaluate(self, cohort: Cohort, asked: Sequence[tuple[_Going, list[Individual]]]) -> list[list[Evaluation]]:
        """The evaluations of each subject, all subjects in one ensemble; each is recorded in its subject's run."""
        found: dict[str, list[Evaluation]] = {}
        jobs: list[Individual] = []
        by_subject = {each.experiment.subject: each for each, _ in asked}
        for each, individuals in asked:
            subject = each.experiment.subject
            found[subject] = []
            if each.reuse is not None and cohort is self.cohort:
                found[subject] += each.reuse.take(individuals)
                for evaluation in found[subject]:
                    self.observer.reused(evaluation)
            have = {evaluation.individual.key for evaluation in found[subject]}
            jobs += [replace(one, task=subject) for one in individuals if one.key not in have]
        for burst in self.runner.evaluate_in_bursts(cohort, jobs) if jobs else ():
            own: dict[str, list[Evaluation]] = {}
            for evaluation in burst:
                subject = evaluation.individual.task
                alone = replace(evaluation, individual=replace(evaluation.individual, task=""))
                own.setdefault(subject, []).append(alone)
            for subject, evaluations in own.items():
                by_subject[subject].writer.record_evaluations(evaluations)
                found[subject] += [self._seen(subject, evaluation) for evaluation in evaluations]
            for each, _ in asked:
                each.writer.heartbeat()
        return list(found.values())

    def _seen(self, subject: str, evaluation: Evaluation) -> Evaluation:
        light = replace(evaluation, recordings={})
        self.observer.evaluated(light)
        if self.whole.fail_fast and not light.ok:
            place = f"{light.individual.generation}/{light.individual.position}"
            raise ExperimentError(
                f"fail_fast is set, and individual {place} of {subject} {light.status}: {light.error}"
            )
        return light
