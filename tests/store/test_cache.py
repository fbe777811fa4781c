"""Past evaluations, found by optimizee, seed and parameters, on either database."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from l2l.individual import Evaluation, Individual, Status
from l2l.store import RunSpec, Store, cache


@pytest.fixture
def filled(store: Store, spec: Callable[..., RunSpec], asked, done) -> Store:
    """Two runs of one optimizee and seed, and one each of another seed and of another optimizee."""
    for name, changes in (("a", {}), ("b", {}), ("c", {"seed": 8}), ("d", {"fingerprint": "other"})):
        writer = store.create_run(spec(name, **{"fingerprint": "same", **changes}), recordings="best:2")
        individuals = asked(0)
        writer.record_generation(0, individuals)
        writer.record_evaluations(
            [
                done(individuals[0], 0.9, measurements={"x": float("nan")}, recordings={"fc": np.eye(3)}),
                Evaluation(individuals[1], Status.FAILED, error="no"),
                done(individuals[2], 0.7),
            ]
        )
        writer.record_evaluations([done(individuals[1], 0.8, attempt=2)])
        writer.record_evaluations([Evaluation(individuals[2], Status.LOST, error="gone", attempt=2)])
        writer.record_evaluations([done(replace(individuals[0], replicate=1, seed=2**64 - 1), 0.5)])
        writer.finish("finished", "")
    return store


def test_runs_of_the_same_optimizee_and_seed_are_origins(filled: Store) -> None:
    assert cache.origins(filled, "same", 7, excluded=2) == {1: "all"}
    assert list(cache.origins(filled, "same", 7, excluded=99)) == [1, 2]
    assert cache.origins(filled, "same", 9, excluded=99) == {}
    assert cache.origins(filled, "", 7, excluded=99) == {}  # without a fingerprint nothing is known to be the same


def test_good_last_attempts_are_found_the_oldest_run_first(filled: Store, asked) -> None:
    found = cache.find(filled, [1, 2], asked(0))
    assert [(each.origin, each.evaluation.individual.position) for each in found] == [(1, 0), (1, 1)]
    first, second = (each.evaluation for each in found)
    assert (first.fitness["fc_corr"], second.fitness["fc_corr"]) == (0.9, 0.8)
    assert np.isnan(first.measurements["x"])
    assert (first.worker, first.host, first.seconds, first.attempt) == ("reused from run 1", "node1", 0.25, 1)
    assert (found[0].arrays, found[1].arrays) == (("fc",), ())
    array = cache.read_arrays(filled, found[0]).recordings["fc"]
    assert array.tobytes() == np.eye(3).tobytes()


def test_seed_replicate_and_every_parameter_must_be_the_same(filled: Store, asked) -> None:
    individual = asked(0)[0]
    again = replace(individual, replicate=1, seed=2**64 - 1)
    assert [each.evaluation.fitness["fc_corr"] for each in cache.find(filled, [1], [again])] == [0.5]
    last_bit = {**individual.parameters, "G": np.nextafter(individual["G"], 9)}
    negative_zero = Individual({**individual.parameters, "w": np.array([-0.0, 0, 0])}, seed=individual.seed)
    for other in (
        replace(individual, seed=individual.seed ^ 1),
        replace(individual, replicate=1),
        replace(individual, task="subject 1"),
        replace(individual, position=2),
        replace(individual, parameters=last_bit),
        negative_zero,
    ):
        assert cache.find(filled, [1, 2], [other]) == []
    reordered = dict(reversed(individual.parameters.items()))
    assert len(cache.find(filled, [1], [replace(individual, parameters=reordered)])) == 1
