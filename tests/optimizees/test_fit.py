"""What is asked of simulations: the same outcomes in blocks, for each target, and wherever BOLD lies."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from l2l.individual import Individual, Outcome
from l2l.observables.target import Target
from l2l.optimizees import BrainNetwork, fit
from l2l.optimizees.fit import Fit
from l2l.simulator import Connectome
from l2l.simulator.kernels import cuda_device
from l2l.space import Real

NODES, VOLUMES, TR = 5, 80, 0.5
RNG = np.random.default_rng(8)
NETWORK = Connectome(np.ones((NODES, NODES)) - np.eye(NODES))
ANALYSIS = {"fcd_window": 8.0, "fcd_step": 2.0}


def signals(count: int) -> np.ndarray:
    common = RNG.normal(size=(count, VOLUMES, 1))
    return (RNG.normal(size=(count, VOLUMES, NODES)) + common).astype(np.float32)


def target() -> Target:
    return Target(bold=signals(1)[0].T, tr=TR)


def same(one: Outcome | Exception, other: Outcome | Exception) -> bool:
    assert isinstance(one, Outcome)
    assert isinstance(other, Outcome)
    recordings = all(np.array_equal(one.recordings[name], other.recordings[name]) for name in one.recordings)
    return (one.fitness, one.measurements) == (other.fitness, other.measurements) and recordings


def test_blocks_of_bounded_memory_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Fit(["fc_corr", "fcd_ks", "metastability_error"], "fc_mae", ["fc", "fcd", "spectrum"], ANALYSIS)
    goal, bold = asked.goal(target(), NETWORK, TR, VOLUMES), signals(7)
    whole = asked.outcomes({"bold": bold}, goal)
    monkeypatch.setattr(fit, "BLOCK", 2 * (48 * VOLUMES * NODES + 32 * NODES**2))
    assert [block.stop for block in asked._blocks({"bold": bold}, 7)] == [2, 4, 6, 8]
    assert all(same(one, other) for one, other in zip(asked.outcomes({"bold": bold}, goal), whole, strict=True))


def test_only_what_is_asked_for_is_needed() -> None:
    assert "fcd" not in Fit("fc_corr").needs
    assert "bold" not in Fit("rates_rmse", record=()).needs
    assert {"fcd", "fcd_values", "bold"} <= Fit("fcd_ks", record=()).needs


def test_numbers_are_measured_and_arrays_recorded() -> None:
    asked = Fit("fc_corr", record=("metastability", "variance"))
    goal = asked.goal(target(), NETWORK, TR, VOLUMES)
    (outcome,) = asked.outcomes({"bold": signals(1)}, goal)
    assert isinstance(outcome, Outcome)
    assert outcome.measurements["metastability"] > 0
    assert {name: array.shape for name, array in outcome.recordings.items()} == {"variance": (NODES,)}


def on_device() -> None:
    """Runs in a process with Numba's CUDA simulator."""
    from numba import cuda

    # As little as has three windows: the simulator takes a millisecond for each entry of a matrix.
    rng = np.random.default_rng(2)
    bold = rng.normal(size=(2, 14, 3)).astype(np.float32)
    measured, network = Target(bold=rng.normal(size=(3, 20)), tr=TR), Connectome(np.ones((3, 3)) - np.eye(3))
    analysis = {"fcd_window": "4 TR", "fcd_step": "3 TR"}
    for objectives, record in ((["fc_corr", "fcd_ks"], ()), (["fc_corr", "partial_fc_corr"], ("fc",))):
        asked = Fit(objectives, record=record, analysis=analysis)
        goal = asked.goal(measured, network, TR, 14)
        here = asked.outcomes({"bold": bold}, goal)
        there = asked.outcomes({"bold": cuda.to_device(bold)}, goal)
        for one, other in zip(here, there, strict=True):
            assert isinstance(one, Outcome)
            assert isinstance(other, Outcome)
            for name, value in one.fitness.items():
                # float32 signals: FC is rounded to 1e-7, its correlation over three pairs to some times that
                assert abs(value - other.fitness[name]) < 5e-6, (name, value, other.fitness[name])
            assert set(one.recordings) == set(other.recordings)


def test_bold_on_a_device_scores_as_in_memory() -> None:
    code = "import sys; sys.path.insert(0, sys.argv[1]); import test_fit; test_fit.on_device()"
    folder = os.path.dirname(__file__)
    environment = {**os.environ, "NUMBA_ENABLE_CUDASIM": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code, folder], env=environment, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.gpu
@pytest.mark.skipif(cuda_device.missing() is not None, reason=f"no GPU: {cuda_device.missing()}")
def test_a_network_scores_on_a_gpu_as_on_the_cpu() -> None:
    outcomes = {}
    for backend in ("cpu", "cuda"):
        network = BrainNetwork(
            "ReducedWongWang", NETWORK.normalised("spectral"), target(), {"G": Real(0, 1)},
            objectives=["fc_corr", "fcd_ks"], duration="40 s", tr=TR, analysis=ANALYSIS, backend=backend,
        )  # fmt: skip
        outcomes[backend] = network.simulate(Individual({"G": 0.3}, seed=3))
    for name, value in outcomes["cpu"].fitness.items():
        # The same noise; float32 states differ by rounding, which FC over 80 volumes takes on a thousandfold at most.
        assert outcomes["cuda"].fitness[name] == pytest.approx(value, abs=1e-3)
