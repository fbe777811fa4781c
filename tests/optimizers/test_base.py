from __future__ import annotations

import sys

import numpy as np
import pytest

from l2l.errors import OptimizerError
from l2l.optimizers.base import Candidate, Optimizer, Told, smallest_steps
from l2l.space import Categorical, Integer, Real, Space


class Recorder(Optimizer):
    """Asks for three points and records what it is told to learn."""

    multi_objective = True

    def __init__(self, objectives: int = 1) -> None:
        super().__init__(Space({"x": Real(0, 1)}), np.random.SeedSequence(0), objectives)
        self.learned: list[tuple[np.ndarray, np.ndarray]] = []
        self.skipped = 0

    def _propose(self):
        return [Candidate(np.array([place])) for place in (0.0, 0.5, 1.0)]

    def _learn(self, points, losses, failed):  # noqa: ARG002
        self.learned.append((losses.copy(), failed.copy()))

    def _skip(self, points):  # noqa: ARG002
        self.skipped += 1

    def round(self, *losses):
        self.tell([Told(candidate, loss) for candidate, loss in zip(self.ask(), losses, strict=True)])
        return self


class Single(Recorder):
    multi_objective = False


def test_failures_tie_one_unit_in_the_last_place_behind_the_worst_loss_so_far():
    optimizer = Recorder().round((3.0,), (7.0,), (1.0,)).round(None, (2.0,), (np.nan,))
    losses, failed = optimizer.learned[1]
    assert failed.tolist() == [True, False, True]
    assert losses[:, 0].tolist() == [np.nextafter(7.0, 8.0), 2.0, np.nextafter(7.0, 8.0)]


def test_a_failure_in_one_objective_is_a_failure_dominated_by_all():
    optimizer = Recorder(objectives=2).round((1.0, 5.0), (2.0, 4.0), (0.0, np.inf))
    losses, failed = optimizer.learned[0]
    assert failed.tolist() == [False, False, True]
    assert losses[2].tolist() == [np.nextafter(2.0, 3.0), np.nextafter(5.0, 6.0)]


def test_the_largest_losses_leave_failures_finite():
    losses, _ = Recorder().round((sys.float_info.max,), (0.0,), None).learned[0]
    assert losses[2, 0] == sys.float_info.max


def test_a_generation_that_failed_as_a_whole_teaches_nothing():
    optimizer = Recorder().round(None, None, (np.inf,)).round((1.0,), (2.0,), None)
    assert optimizer.skipped == 1
    assert len(optimizer.learned) == 1
    assert optimizer.generation == 2


def test_only_failures_in_a_row_end_the_search():
    optimizer = Recorder()
    for _ in range(99):
        optimizer.round(None, None, None)
    optimizer.round(None, None, (1.0,))
    for _ in range(99):
        optimizer.round(None, None, None)
    assert optimizer.stop() is None
    assert optimizer.round(None, None, None).stop() == "every candidate of the last 100 generations has failed"


def test_a_pending_generation_is_no_reason_to_stop():
    optimizer = Recorder()
    for _ in range(99):
        optimizer.round(None, None, None)
    asked = optimizer.ask()
    assert optimizer.stop() is None
    optimizer.tell([Told(candidate, None) for candidate in asked])
    assert optimizer.stop() is not None


def test_several_objectives_need_an_algorithm_for_them():
    with pytest.raises(OptimizerError, match=r"Single needs exactly one objective, but got 2: .* 'genetic'"):
        Single(objectives=2)


def test_the_list_that_was_asked_may_be_emptied():
    optimizer = Recorder()
    asked = optimizer.ask()
    told = [Told(candidate, (1.0,)) for candidate in asked]
    asked.clear()
    optimizer.tell(told)
    assert optimizer.generation == 1


def test_smallest_steps_are_a_fifth_of_a_value():
    space = Space({"x": Real(0, 9, shape=(2,)), "n": Integer(1, 4), "c": Categorical(["a", "b"])})
    assert smallest_steps(space).tolist() == [0.0, 0.0, 0.2 / 4, 0.2 / 2]
