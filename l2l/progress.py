"""What a person sees while a run goes on: a live line on a terminal, plain lines elsewhere, or nothing."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from l2l.individual import Evaluation

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import TaskID

    from l2l.experiment import Experiment
    from l2l.trajectory import Trajectory


class Observer:
    """Told of everything a run does; keeps the counts that every display needs. Displays override `show`."""

    def begins(self, run: int, experiment: Experiment, store: str, *, resumed: bool) -> None:
        self.run, self.experiment, self.store, self.resumed = run, experiment, store, resumed
        self.started = time.monotonic()
        self.phase = "starting workers"
        self.generation = 0
        self.evaluated_now = 0  # by this process, so that the rate is the machine's
        self.expected = 0  # of this phase
        self.finished_of_phase = 0
        self.failures = 0
        self.best: float | None = None
        self.show(boundary=True)

    def generation_begins(self, number: int, size: int, recorded: Sequence[Evaluation]) -> None:
        self.phase, self.generation = "generation", number
        self.expected, self.finished_of_phase = size, 0
        for evaluation in recorded:
            self._count(evaluation)

    def validation_begins(self, size: int) -> None:
        self.phase, self.expected, self.finished_of_phase = "validation", size, 0
        self.show(boundary=True)

    def evaluated(self, evaluation: Evaluation) -> None:
        self.evaluated_now += 1
        self._count(evaluation)
        self.show(boundary=False)

    def reused(self, evaluation: Evaluation) -> None:
        """It was found in the record of another run: it says nothing of how fast this one is."""
        self._count(evaluation)
        self.show(boundary=False)

    def generation_ends(self, number: int) -> None:
        self.generation = number + 1
        self.show(boundary=True)

    def interrupted(self, run: int, store: str) -> None:
        """The user pressed Ctrl-C; everything finished is recorded."""

    def finished(self, trajectory: Trajectory, reason: str) -> None:
        """The run is complete."""

    def ends(self) -> None:
        """Nothing more will be shown; called however the run ended."""

    def show(self, *, boundary: bool) -> None:
        """Display the counts; `boundary` where a generation or phase begins or ends."""

    def _count(self, evaluation: Evaluation) -> None:
        self.finished_of_phase += 1
        if not evaluation.ok:
            self.failures += 1
        elif evaluation.individual.replicate == 0:
            objective = self.experiment.objectives[0]
            value = evaluation.fitness[objective.name]
            if self.best is None or objective.loss(value) < objective.loss(self.best):
                self.best = value

    @property
    def rate(self) -> float:
        """Evaluations a second since the start."""
        return self.evaluated_now / max(time.monotonic() - self.started, 1e-9)

    @property
    def seconds_left(self) -> float | None:
        """An estimate from the rate so far; None while there is nothing to estimate from."""
        total = self.experiment.generations
        if total is None or self.phase != "generation" or not self.evaluated_now or not self.expected:
            return None
        ahead = max(total - self.generation - 1, 0) * self.expected + self.expected - self.finished_of_phase
        return ahead / self.rate

    def line(self) -> str:
        """The counts in one line."""
        total = f"/{self.experiment.generations}" if self.experiment.generations else ""
        parts = [f"generation {self.generation}{total}" if self.phase == "generation" else self.phase]
        if self.evaluated_now:
            parts.append(f"{self.rate:.3g} evaluations/s")
        if self.best is not None:
            parts.append(f"best {self.experiment.objectives[0].name} {self.best:.4g}")
        if self.failures:
            parts.append(f"{self.failures} failed")
        left = self.seconds_left
        if left is not None:
            parts.append(f"{_clock(left)} left")
        return " · ".join(parts)


class Silent(Observer):
    """Shows nothing."""


class Lines(Observer):
    """A plain line when a generation ends, but no more than about one a second; for logs and batch jobs."""

    def begins(self, run: int, experiment: Experiment, store: str, *, resumed: bool) -> None:
        self._last = 0.0
        print(f"run {run} ({experiment.name}) {'resumed' if resumed else 'started'} in {store}", flush=True)
        super().begins(run, experiment, store, resumed=resumed)

    def show(self, *, boundary: bool) -> None:
        now = time.monotonic()
        last = self.generation == self.experiment.generations
        if boundary and (last or self.phase != "generation" or now - self._last >= 1.0):
            self._last = now
            print(self.line(), flush=True)

    def interrupted(self, run: int, store: str) -> None:
        print(_how_to_resume(run, store), flush=True)

    def finished(self, trajectory: Trajectory, reason: str) -> None:
        from l2l.report import print_summary

        print_summary(trajectory, reason, time.monotonic() - self.started)


class Live(Observer):
    """A progress bar that rich keeps up to date on a terminal."""

    def __init__(self, console: Console) -> None:
        self.console = console

    def begins(self, run: int, experiment: Experiment, store: str, *, resumed: bool) -> None:
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        self._bar = Progress(
            SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), console=self.console
        )
        self._task: TaskID = self._bar.add_task("", total=None)
        self.console.print(f"run {run} ({experiment.name}) {'resumed' if resumed else 'started'} in {store}")
        self._bar.start()
        super().begins(run, experiment, store, resumed=resumed)

    def show(self, *, boundary: bool) -> None:  # noqa: ARG002 - rich draws at its own pace
        done = self.generation + (self.finished_of_phase / self.expected if self.expected else 0)
        if self.phase == "generation":
            total = self.experiment.generations
            self._bar.update(self._task, description=self.line(), completed=min(done, total or done), total=total)
        else:
            self._bar.update(
                self._task, description=self.line(), completed=self.finished_of_phase, total=self.expected or None
            )

    def ends(self) -> None:
        self._bar.stop()

    def interrupted(self, run: int, store: str) -> None:
        self._bar.stop()
        self.console.print(_how_to_resume(run, store), highlight=False, soft_wrap=True)

    def finished(self, trajectory: Trajectory, reason: str) -> None:
        from l2l.report import print_summary

        self._bar.stop()
        print_summary(trajectory, reason, time.monotonic() - self.started, console=self.console)


def observer_for() -> Observer:
    """The display that fits standard output."""
    if not sys.stdout.isatty():
        return Lines()
    from rich.console import Console

    return Live(Console())


def _how_to_resume(run: int, store: str) -> str:
    return f"interrupted; everything finished is recorded. Go on with: l2l resume {run} --store {store}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
