"""The CPU kernel's layouts: they change its speed and no bit of its results."""

from __future__ import annotations

import dataclasses
import os
from typing import Any

import numpy as np
import pytest

from l2l.simulator import Connectome, coupling, models, monitors, noise
from l2l.simulator.kernels import cpu, reference
from l2l.simulator.prepare import prepare
from l2l.simulator.problem import Problem


def test_the_layout_changes_nothing(network: Connectome) -> None:
    for speed in (None, 2.0):
        prepared = prepare(
            models.MontbrioPazoRoxin, network.weights, network.tract_lengths, parameters={"cv": 0.2},
            coupling=coupling.Linear(a=np.linspace(0, 0.05, 5)), integrator="heun", noise=noise.Additive(D=1e-3),
            duration=10.0, dt=0.1, speed=speed, initial=None, monitors=(monitors.Raw(period=1.0),), seed=1,
            simulations=None, precision="float32",
        )  # fmt: skip
        problem = prepared.problems[0][1]
        layout = cpu.plan(problem)
        if speed is None:
            others = [{"lanes": 32, "rows": 3}, {"lanes": 8, "rows": 1}]
        else:
            others = [{"block": 1, "lanes": 8}, {"block": 4, "tiled": True, "lanes": 32}]
        first = cpu.run_layout(problem, layout, 1).records[0]
        for other in others:
            again = cpu.run_layout(problem, dataclasses.replace(layout, **other), 1).records[0]
            np.testing.assert_array_equal(again, first)


@pytest.mark.parametrize("name", ["ReducedWongWang", "MontbrioPazoRoxin"])
def test_few_connections_are_listed(name: str) -> None:
    """Without delays: the list's bits are the matrix's, and both follow the reference."""
    rng = np.random.default_rng(8)
    weights = rng.random((17, 17)) * (rng.random((17, 17)) < 0.2)
    weights[5] = 0.0
    problem = prepare(
        models.get(name), weights, None, parameters={"G": np.linspace(0.01, 0.05, 5)}, coupling=coupling.Difference(),
        integrator="heun", noise=noise.Additive(D=1e-4), duration=5.0, dt=0.1, speed=None, initial=None,
        monitors=(monitors.Raw(),), seed=1, simulations=None, precision="float64",
    ).problems[0][1]  # fmt: skip
    layout = cpu.plan(problem)
    assert layout.sparse
    listed = cpu.run_layout(problem, layout, 1).records[0]
    matrix = cpu.run_layout(problem, dataclasses.replace(layout, sparse=False, rows=4), 1).records[0]
    np.testing.assert_array_equal(listed, matrix)
    np.testing.assert_allclose(listed, reference.run(problem).records[0], rtol=1e-11, atol=1e-13)


def far_and_near(model: str, n: int, shortest: float = 0.3, **options: Any) -> Problem:
    """A run over n nodes with delays of 7 to 20 ms at 1 mm/ms, but for a tenth of them: `shortest` to 6 ms."""
    rng = np.random.default_rng(n)
    weights = rng.random((n, n)) * (rng.random((n, n)) < 0.8)
    lengths = np.where(rng.random((n, n)) < 0.1, rng.uniform(shortest, 6, (n, n)), rng.uniform(7, 20, (n, n)))
    weights[1:4, 0], lengths[1:4, 0] = 0.5, (shortest, 6.2, 6.3)  # 63 and 64 steps from what comes next
    strength = np.linspace(0, 0.02, options.pop("count", 5)).reshape(-1, 1)
    options = {"integrator": "heun", "noise": noise.Additive(D=1e-5), "precision": "float64", **options}
    return prepare(
        models.get(model), weights, lengths, parameters={"G": strength}, coupling=None, duration=16.5, dt=0.1,
        speed=1.0, initial=None, seed=1, simulations=None, monitors=(
            monitors.Raw(period=0.5), monitors.Bold(tr=4.0, step=1.0),
            monitors.SpatialAverage(period=0.3, groups=tuple(i % 3 for i in range(n))),
        ), **options,
    ).problems[0][1]  # fmt: skip


@pytest.mark.parametrize("integrator", ["euler", "heun", "rk4"])
@pytest.mark.parametrize("name", ["Kuramoto", "MontbrioPazoRoxin", "JansenRit"])
def test_sums_over_long_delays_are_taken_ahead(name: str, integrator: str) -> None:
    """Also where the shortest delay allows blocks of two or four steps only; nodes abreast, the last of 13 alone."""
    added = None if integrator == "rk4" else noise.Additive(D=1e-5)
    problem = far_and_near(name, 13, integrator=integrator, noise=added)
    layout = cpu.plan(problem)
    assert layout.ahead == 64
    assert layout.block == 4
    ours, expected = cpu.run_layout(problem, layout, 1), reference.run(problem)
    for mine, theirs in zip(ours.records, expected.records, strict=True):
        # Roundings of 1e-16 grow to 1e-11 through the bursts of MontbrioPazoRoxin; a delay off by a step shows at 1e-4.
        np.testing.assert_allclose(mine, theirs, rtol=1e-8, atol=1e-10)
    assert ours.sends is not None
    assert expected.sends is not None
    np.testing.assert_allclose(ours.sends, expected.sends, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("n", [12, 13])
def test_how_sums_are_taken_ahead_changes_no_bit(n: int) -> None:
    problem = far_and_near("MontbrioPazoRoxin", n, precision="float32")
    layout = cpu.plan(problem)
    assert (layout.ahead, layout.abreast, layout.odd) == (64, 2, n == 13)
    first = cpu.run_layout(problem, layout, 1)
    for other in (
        {"lanes": 32, "chunk": 8, "abreast": 1},
        {"lanes": 8, "tiled": True},
        {"block": 1},
        {"block": 2, "chunk": 4, "tiled": True},
    ):
        again = cpu.run_layout(problem, dataclasses.replace(layout, **other), 1)
        for mine, theirs in zip(again.records, first.records, strict=True):
            np.testing.assert_array_equal(mine, theirs)
        np.testing.assert_array_equal(again.sends, first.sends)


def test_how_far_ahead_follows_from_the_network_alone() -> None:
    for count in (1, 5, 200):
        for precision in ("float32", "float64"):
            problem = far_and_near("MontbrioPazoRoxin", 12, count=count, precision=precision)
            assert cpu.steps_ahead(problem) == 64
    # All delays are long enough for the longest blocks, and the ring is small: nothing is gained.
    assert cpu.steps_ahead(far_and_near("MontbrioPazoRoxin", 12, shortest=1.6)) == 0
    # Neither where nodes meet within the step.
    assert cpu.steps_ahead(far_and_near("MontbrioPazoRoxin", 12, coupling_per_stage=True)) == 0


def test_a_past_that_nobody_asked_for_is_not_kept() -> None:
    problem = far_and_near("Kuramoto", 12)
    assert cpu.run(problem, resumable=False).sends is None
    whole = cpu.run(problem)
    assert whole.sends is not None
    assert problem.delays is not None
    assert whole.sends.shape[2] == problem.delays.max() + 1


def test_a_worker_says_how_many_threads_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    for told, expected in (("1", 1), ("1,4", 1), (str(cores + 7), cores), ("0", cores), ("many", cores), ("", cores)):
        monkeypatch.setenv("OMP_NUM_THREADS", told)
        assert cpu.default_threads() == expected, told
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert cpu.default_threads() == cores
