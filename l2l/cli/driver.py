"""A driver that is a job itself: it ends its search before its wall time and submits its own continuation."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from l2l.cli.searches import Search
from l2l.errors import RunnerError
from l2l.progress import Lines

if TYPE_CHECKING:
    from l2l.experiment import Experiment
    from l2l.individual import Evaluation

_AGAIN = 10.0  # seconds in which a search notices that it is to end


@dataclass
class Plan:
    """What a driver's jobs hand on from one to the next, in a file.

    queue: a JobQueue's settings, of the driver's job. directory, store: where it was submitted, and what $L2L_STORE was
    there. seconds: after which it ends by itself. resubmit: whether it goes on in another job then. tries: jobs in a
    row that may end without an evaluation. run: the run's number, once it began. fruitless: such jobs so far.
    """

    search: dict[str, Any]
    queue: dict[str, Any]
    directory: str
    store: str | None
    seconds: float
    resubmit: bool
    tries: int
    run: int | str | None = None
    fruitless: int = 0

    @classmethod
    def read(cls, path: Path) -> Plan:
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise RunnerError(f"the plan of this driver cannot be read: {path}: {error}") from error

    def write(self, path: Path) -> None:
        """Whole or not at all: the next job reads it."""
        new = path.with_suffix(".new")
        new.write_text(json.dumps(asdict(self), indent=2), encoding="utf-8")
        new.replace(path)


class _Noting(Lines):
    """Prints lines, calls `note` with the run's number as soon as it has one, and looks at the clock."""

    def __init__(self, note: Callable[[int], None], clock: _Clock) -> None:
        self._note = note
        self._clock = clock
        self.evaluated_now = 0

    def begins(self, run: int, experiment: Experiment, store: str, *, resumed: bool) -> None:
        self._note(run)
        super().begins(run, experiment, store, resumed=resumed)

    def evaluated(self, evaluation: Evaluation) -> None:
        super().evaluated(evaluation)
        self._clock.look()

    def interrupted(self, run: int, store: str) -> None:  # noqa: ARG002 - `drive` says how it goes on
        self._clock.heard = True


def drive(path: Path) -> int:
    """One job of a driver; returns its exit status.

    Its end comes by the clock, or by SIGUSR1 (Slurm's --signal=B:USR1@120). SIGTERM is the user's scancel and ends it
    for good. Raises what ended the search, unless another job goes on with it.
    """
    plan = Plan.read(path)
    os.chdir(plan.directory)
    if plan.store is not None:
        os.environ["L2L_STORE"] = plan.store
    search = Search(**plan.search)

    def note(run: int) -> None:
        plan.run = run
        plan.write(path)

    clock = _Clock(plan.seconds)
    observer = _Noting(note, clock)
    cause = ""
    try:
        with clock:
            search.begin(observer) if plan.run is None else search.go_on(plan.run, observer)
        return 0
    except KeyboardInterrupt:
        if not clock.over:
            print(f"the driver's job is cancelled; go on with `l2l submit ... --resume {plan.run}`", flush=True)
            raise
        cause = "its wall time is near"
    except RunnerError as error:
        if not plan.resubmit or plan.run is None:
            raise
        cause = str(error)
    if not plan.resubmit:
        remedy = f"go on with `l2l submit ... --resume {plan.run}`" if plan.run else "the run had not begun"
        print(f"the driver's job ends: {cause}; {remedy}", flush=True)
        return 0
    plan.fruitless = 0 if observer.evaluated_now else plan.fruitless + 1
    plan.write(path)
    if plan.fruitless >= plan.tries:
        raise RunnerError(
            f"{plan.fruitless} jobs in a row ended without an evaluation, so no other is submitted; the last: {cause}"
        )
    print(f"the driver's job ends: {cause}; it goes on in job {hand_on(plan, path)}", flush=True)
    return 0


def hand_on(plan: Plan, path: Path) -> str:
    """Submit the (next) job of a driver; returns its number."""
    from l2l.runners.jobqueue import JobQueue
    from l2l.runners.submission import driver_script, submit

    queue = JobQueue.from_json(plan.queue)
    script = path.with_name("driver.sh")
    script.write_text(driver_script(queue, command_of(queue.python, path), str(path.parent)), encoding="utf-8")
    number = submit(queue, script)
    # Not into the plan: the job may have begun already, and writes that itself.
    with path.with_name("jobs").open("a", encoding="utf-8") as file:
        file.write(f"{number}\n")
    return number


def command_of(python: str, path: Path) -> list[str]:
    """What a driver's job runs. -P: nothing in the folder where it was submitted is taken for a package."""
    return [python, "-P", "-m", "l2l.cli", "drive", str(path)]


class _Clock:
    """Raises KeyboardInterrupt in the main thread when so many seconds are over, or at SIGUSR1.

    What is raised in a destructor or a callback of a weak reference is swallowed by Python: so it is raised again by
    `look`, and every few seconds, until `heard` says that the search has noticed. `over` tells that it was this clock.
    """

    def __init__(self, seconds: float) -> None:
        self.over = False
        self.heard = False
        self._seconds = seconds
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._strike, name="l2l wall time", daemon=True)

    def look(self) -> None:
        if self.over and not self.heard:
            raise KeyboardInterrupt

    def _strike(self) -> None:
        wait = self._seconds
        while not self._ended.wait(wait) and not self.heard:
            os.kill(os.getpid(), signal.SIGUSR1)
            wait = _AGAIN

    def _ring(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - what `signal` gives
        self.over = True
        self.look()

    def __enter__(self) -> None:
        signal.signal(signal.SIGUSR1, self._ring)
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        # Not what it was before, which is to end the process: a late signal must not cut off the submission.
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        sys.stdout.flush()
