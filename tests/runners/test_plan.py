"""Chunks: nothing lost, no worker idle, lanes full, tasks neither tiny nor endless."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from l2l.runners.plan import LANES, TASK_SECONDS, Plan, balanced


@given(count=st.integers(0, 3000), slots=st.integers(1, 40), limit=st.integers(1, 200))
def test_chunks_cover_all_and_respect_the_limit(count, slots, limit):
    sizes = balanced(count, slots, limit)
    assert sum(sizes) == count
    assert all(1 <= size <= limit for size in sizes)
    quantum = LANES if limit % LANES == 0 else 1
    assert all(size % quantum == 0 for size in sizes[:-1])
    assert max(sizes[:-1], default=0) - min(sizes[:-1], default=0) <= quantum
    assert len(sizes) >= min(slots, -(-count // quantum))


@pytest.mark.parametrize(
    ("count", "slots", "limit", "sizes"),
    [
        (32, 2, 64, [16, 16]),
        (64, 2, 64, [32, 32]),
        (200, 2, 64, [64, 48, 48, 40]),
        (32, 1, 4096, [32]),
        (20, 4, 64, [16, 4]),
        (10, 2, 5, [5, 5]),
        (7, 3, 1, [1] * 7),
    ],
)
def test_examples(count, slots, limit, sizes):
    assert balanced(count, slots, limit) == sizes


def dealt(plan, count, slots):
    sizes = []
    while count:
        sizes.append(plan.next(count, slots))
        count -= sizes[-1]
    return sizes


def test_unknown_functions_go_out_one_by_one():
    assert dealt(Plan(1), 5, 2) == [1] * 5


def test_cheap_functions_are_dealt_once_to_every_worker():
    assert dealt(Plan(1, seconds=1e-5), 32, 2) == [16, 16]


def test_a_task_of_cheap_functions_lasts_about_the_time_that_is_worth_it():
    sizes = dealt(Plan(1, seconds=1e-3), 2000, 4)
    assert max(sizes) * 1e-3 <= TASK_SECONDS
    assert len(sizes) % 4 == 0


def test_slow_functions_go_out_one_by_one():
    assert dealt(Plan(1, seconds=0.2), 6, 2) == [1] * 6


def test_a_plan_follows_what_it_learns():
    plan = Plan(1)
    assert plan.next(1000, 2) == 1
    plan.learn(1, 1e-6)
    assert plan.next(999, 2) == 500
    plan.learn(500, 50.0)
    assert plan.next(499, 2) <= 2


def test_large_results_make_small_chunks():
    """A million evaluations a second of a megabyte each: time alone would put 75 GB into one task."""
    plan = Plan(1)
    plan.learn(1, 1e-6, size=1_000_000)
    sizes = [plan.next(1000, 2) for _ in range(10)]
    assert max(sizes) == 4
    plan.learn(4, 1e-6, size=400)  # smaller ones among them change nothing
    assert plan.next(900, 2) <= 4
    plan.learn(1, 1e-6, size=100_000_000)
    assert plan.next(800, 2) == 1
