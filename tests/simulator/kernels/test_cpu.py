"""The CPU kernel's layouts: they change its speed and no bit of its results."""

from __future__ import annotations

import dataclasses
import os

import numpy as np
import pytest

from l2l.simulator import Connectome, coupling, models, monitors, noise
from l2l.simulator.kernels import cpu, reference
from l2l.simulator.prepare import prepare


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


def test_a_worker_says_how_many_threads_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    for told, expected in (("1", 1), ("1,4", 1), (str(cores + 7), cores), ("0", cores), ("many", cores), ("", cores)):
        monkeypatch.setenv("OMP_NUM_THREADS", told)
        assert cpu.default_threads() == expected, told
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert cpu.default_threads() == cores
