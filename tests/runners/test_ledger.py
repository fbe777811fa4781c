"""Blame and retries, without any worker: every individual ends once, the guilty alone, whoever dies when."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from l2l.errors import RunnerError
from l2l.individual import Individual, Status
from l2l.runners.lastwords import LastWords
from l2l.runners.ledger import Ledger
from l2l.runners.plan import Plan


def ledger_of(count, batch_size=1, attempts=3, **settings_):
    asked = [Individual({"x": float(index)}, position=index) for index in range(count)]
    return Ledger(asked, Plan(batch_size, seconds=1e-5), attempts, **settings_)


def play(ledger, guilty, *, slots=3, words=True, timeout=False, batch=False):
    """Deal chunks and let those with a guilty individual die. Returns {position: evaluation} and the deaths."""
    ended, deaths = {}, 0
    while (chunk := ledger.next(slots)) is not None:
        bad = [place for place, member in enumerate(chunk.members) if member in guilty]
        if not bad:
            evaluations = ledger.done(chunk, [{"status": Status.OK, "seconds": 1e-5} for _ in chunk.members])
        else:
            deaths += 1
            running = (0, len(chunk.members)) if batch else (bad[0], 1)
            last = LastWords(*running, timeout) if words else None
            evaluations = ledger.lost(chunk, last, "tcp://w", told=words)
        for evaluation in evaluations:
            position = evaluation.individual.position
            assert position not in ended
            ended[position] = evaluation
    return ended, deaths


@settings(deadline=None)
@given(
    count=st.integers(1, 80),
    guilty=st.sets(st.integers(0, 79), max_size=5),
    batch_size=st.sampled_from([1, 7, 16, 64]),
    words=st.booleans(),
    batch=st.booleans(),
    timeout=st.booleans(),
    attempts=st.integers(1, 4),
)
def test_each_individual_ends_once_and_only_the_guilty_badly(
    count, guilty, batch_size, words, batch, timeout, attempts
):
    ledger = ledger_of(count, batch_size, attempts)
    ended, _ = play(ledger, guilty, words=words, batch=batch, timeout=timeout)
    assert sorted(ended) == list(range(count))
    bad = Status.TIMEOUT if timeout and words else Status.LOST
    for position, evaluation in ended.items():
        assert evaluation.status is (bad if position in guilty else Status.OK)
        assert evaluation.attempt >= 1


def test_last_words_spare_the_others():
    _, deaths = play(ledger_of(64, 1, attempts=3), {40}, slots=1)
    assert deaths == 3


def test_a_batch_dies_once_for_each_halving_and_then_for_each_attempt():
    _, deaths = play(ledger_of(64, 64, attempts=3), {40}, slots=1, batch=True)
    assert deaths == 6 + 3


def test_a_scheduler_that_retries_by_itself_is_counted():
    _, deaths = play(ledger_of(1, 1, attempts=3, deaths=4), {0})
    assert deaths == 1


def test_workers_that_die_before_they_begin_end_the_run():
    ledger = ledger_of(4)

    def die_for_ever():
        while (chunk := ledger.next(1)) is not None:
            ledger.lost(chunk, None, "tcp://w", told=True)

    with pytest.raises(RunnerError, match="workers died before they evaluated"):
        die_for_ever()


def test_words_that_may_be_out_of_date_are_believed_only_so_often():
    """On a network's file system the last that is seen may be from before the evaluation began."""
    ledger = ledger_of(1, attempts=2)
    between = LastWords(0, 0)
    ended = []
    for _ in range(10):
        chunk = ledger.next(1)
        if chunk is None:
            break
        ended += ledger.lost(chunk, between, "tcp://w", told=False, log=lambda: "Out of memory")
    (evaluation,) = ended
    assert (evaluation.status, evaluation.traceback) == (Status.LOST, "Out of memory")


def test_what_ends_with_a_stack_needs_no_log():
    ledger = ledger_of(1, attempts=1)
    words = LastWords(0, 1, stack="Fatal Python error: Aborted", started=5.0, host="node7", device="cuda")
    (evaluation,) = ledger.lost(ledger.next(1), words, "tcp://w", told=True, log=lambda: pytest.fail("asked"))
    assert evaluation.traceback == words.stack
    assert (evaluation.host, evaluation.device, evaluation.started) == ("node7", "cuda", 5.0)


def test_the_work_that_is_left_in_chunks():
    ledger = ledger_of(100, batch_size=16)
    assert ledger.chunks_left() == 7
    chunk = ledger.next(1)
    assert ledger.chunks_left() == 6
    ledger.lost(chunk, None, "tcp://w", told=False)
    assert ledger.chunks_left() == 8  # two halves more
