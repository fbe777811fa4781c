"""What happens to individuals inside one process: the optimizee is called, and whatever comes of it is an evaluation.

Every runner ends here, in its own process or on a worker.
"""

from __future__ import annotations

import math
import socket
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import numpy as np

from l2l.errors import L2LError, ObjectiveError, OptimizeeError
from l2l.individual import Evaluation, Individual, Outcome, Status
from l2l.objective import check_fitness
from l2l.optimizees.base import Optimizee, as_outcome
from l2l.runners import device
from l2l.runners.naming import job_of

Guard = Callable[[int, int], AbstractContextManager[Any]]
"""Entered around each call of user code with the place and the number of the individuals that it evaluates."""

_ERROR_LENGTH = 500


class _When(NamedTuple):
    """started: seconds since the epoch. seconds: how long it took."""

    started: float
    seconds: float


def evaluate_individuals(
    optimizee: Optimizee,
    individuals: Sequence[Individual],
    *,
    worker: str = "",
    guard: Guard = lambda start, count: nullcontext(),  # noqa: ARG005 - the names say what a guard is given
    interruptible: bool = False,
) -> Iterator[Evaluation]:
    """One evaluation an individual, in their order.

    With a batch_size above 1 all individuals go to `simulate_batch` together, otherwise one by one to `simulate`.
    Whatever the optimizee raises, SystemExit included, makes a failed evaluation. So does a KeyboardInterrupt,
    except where `interruptible`: there it is the user's Ctrl-C and is raised.
    """
    desk = _Desk(optimizee, worker, guard, interruptible)
    if optimizee.batch_size > 1:
        yield from desk.batch(individuals, 0)
    else:
        for index, individual in enumerate(individuals):
            yield desk.alone(individual, index)


class _Desk:
    """Calls one optimizee and writes down what it did."""

    def __init__(self, optimizee: Optimizee, worker: str, guard: Guard, interruptible: bool) -> None:
        self.optimizee = optimizee
        self.guard = guard
        self.interruptible = interruptible
        self.worker = worker
        self.job = job_of(worker)
        self.host = socket.gethostname()
        self.seen = device.seen()

    def alone(self, individual: Individual, index: int) -> Evaluation:
        returned, when = self._call(self.optimizee.simulate, individual, index, 1)
        return self._judge(individual, returned, when)

    def batch(self, individuals: Sequence[Individual], start: int) -> Iterator[Evaluation]:
        count = len(individuals)
        returned, when = self._call(self._many, individuals, start, count)
        if isinstance(returned, BaseException):
            if count == 1:
                yield self._judge(individuals[0], returned, when)
                return
            half = count // 2
            yield from self.batch(individuals[:half], start)
            yield from self.batch(individuals[half:], start + half)
            return
        if len(returned) != count:
            wrong = OptimizeeError(
                f"simulate_batch must return one outcome an individual, but returned {len(returned)} for {count}"
            )
            for individual in individuals:
                yield self._evaluation(individual, Status.INVALID, when, error=str(wrong))
            return
        share = _When(when.started, when.seconds / count)
        for individual, outcome in zip(individuals, returned, strict=True):
            yield self._judge(individual, outcome, share)

    def _many(self, individuals: Sequence[Individual]) -> list[Any]:
        return list(self.optimizee.simulate_batch(individuals))

    def _call(self, function: Callable[[Any], Any], given: Any, start: int, count: int) -> tuple[Any, _When]:
        """What the function returned or, as a value, raised; and when it began and how long it took."""
        started, clock = time.time(), time.perf_counter()
        returned: Any
        try:
            with self.guard(start, count):
                returned = function(given)
        except BaseException as error:
            if self.interruptible and isinstance(error, KeyboardInterrupt):
                raise
            returned = error
        return returned, _When(started, time.perf_counter() - clock)

    def _judge(self, individual: Individual, returned: object, when: _When) -> Evaluation:
        if isinstance(returned, OptimizeeError | ObjectiveError):  # an optimizee that looked at its own answer
            return self._evaluation(individual, Status.INVALID, when, error=one_line(returned, kind=False))
        if isinstance(returned, BaseException):
            return self._evaluation(
                individual, Status.FAILED, when, error=one_line(returned), traceback=format_traceback(returned)
            )
        try:
            outcome = as_outcome(returned, self.optimizee.objectives)
            return self._evaluation(
                individual,
                Status.OK,
                when,
                fitness=check_fitness(outcome.fitness, self.optimizee.objectives),
                measurements=_measurements(outcome),
                recordings=_recordings(outcome),
            )
        except L2LError as error:
            return self._evaluation(individual, Status.INVALID, when, error=one_line(error, kind=False))
        except Exception as error:  # objects of the user's that misbehave when they are looked at
            return self._evaluation(
                individual, Status.INVALID, when, error=one_line(error), traceback=format_traceback(error)
            )

    def _device(self) -> str:
        """What the optimizee says it ran on, and which GPUs this process may use at all."""
        ran_on = str(getattr(self.optimizee, "device", ""))
        return f"{ran_on} ({self.seen})" if self.seen else ran_on

    def _evaluation(self, individual: Individual, status: Status, when: _When, **fields: Any) -> Evaluation:
        return Evaluation(
            individual,
            status,
            started=when.started,
            seconds=when.seconds,
            worker=self.worker,
            host=self.host,
            device=self._device(),
            job=self.job,
            **fields,
        )


def one_line(error: BaseException, kind: bool = True) -> str:
    """The error as one line; `kind` puts its type in front."""
    try:
        text = " ".join(str(error).split())
    except Exception:
        text = "(its message cannot be printed)"
    name = type(error).__name__
    line = (f"{name}: {text}" if text else name) if kind else text
    return line if len(line) <= _ERROR_LENGTH else line[: _ERROR_LENGTH - 1] + "…"


def format_traceback(error: BaseException) -> str:
    """The traceback as text, from the user's first frame on: plain text can always be sent and stored."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    try:
        return "".join(traceback.format_exception(type(error), error, trace))
    except Exception:
        return one_line(error)


def _measurements(outcome: Outcome) -> dict[str, Any]:
    if not isinstance(outcome.measurements, Mapping):
        raise OptimizeeError(f"measurements must be a mapping, but are a {type(outcome.measurements).__name__}")
    return {_name(name, "measurement"): _as_json(value, str(name)) for name, value in outcome.measurements.items()}


def _as_json(value: Any, name: str) -> Any:
    """The value in plain Python types. NaN and infinities become None, since JSON has no word for them."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {_name(key, f"measurement {name!r}: key"): _as_json(item, name) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_as_json(item, name) for item in value]
    remedy = ": arrays belong into recordings" if hasattr(value, "__array__") else ""
    raise OptimizeeError(f"measurement {name!r} must be a JSON value, but holds a {type(value).__name__}{remedy}")


def _recordings(outcome: Outcome) -> dict[str, np.ndarray]:
    if not isinstance(outcome.recordings, Mapping):
        raise OptimizeeError(f"recordings must be a mapping, but are a {type(outcome.recordings).__name__}")
    recordings = {}
    given: Mapping[str, Any] = outcome.recordings  # whatever the user put there
    for name, value in given.items():
        _name(name, "recording")
        if not hasattr(value, "__array__"):
            raise OptimizeeError(f"recording {name!r} must be an array, but is a {type(value).__name__}")
        # A copy: engines reuse their buffers, and a view would keep the whole batch alive. An xarray.DataArray stays
        # one: the store keeps its labels.
        array = value.copy(deep=True) if hasattr(value, "coords") else np.array(value, order="C", copy=True)
        if array.dtype.kind not in "biufc":
            raise OptimizeeError(f"recording {name!r} must hold numbers, but its dtype is {array.dtype}")
        recordings[name] = array
    return recordings


def _name(name: object, what: str) -> str:
    if not isinstance(name, str):
        raise OptimizeeError(f"a {what} must have a string for a name, but got {name!r:.80}")
    return name
