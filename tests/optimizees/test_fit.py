"""What is asked of simulations: the same outcomes in blocks, for each target, and wherever BOLD lies."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from l2l.errors import OptimizeeError
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


def test_a_simulation_without_a_fitness_names_observable_region_and_cause() -> None:
    named = Connectome(np.ones((NODES, NODES)) - np.eye(NODES), labels=list("abcde"))
    asked = Fit(["fcd_ks", "fc_corr"], record=(), analysis=ANALYSIS)
    bold = signals(4)
    bold[1, :, 3] = 0.25
    bold[2, 5, 1:3] = np.nan
    for band in (None, (0.05, 0.4)):  # a filter makes NaN of all of them
        goal = asked.goal(Target(bold=signals(1)[0].T, tr=TR, band=band), named, TR, VOLUMES)
        fine, flat, lost, other = asked.outcomes({"bold": bold}, goal)
        assert isinstance(fine, Outcome)
        assert isinstance(other, Outcome)
        assert isinstance(flat, OptimizeeError)  # which runners record as invalid
        assert str(flat).startswith("fcd_ks must be finite, but is nan: the simulated BOLD of region 'd' (index 3) is ")
        assert "constant, as in 1 of 5 regions" in str(flat)
        assert "region 'b' (index 1) is not finite, as in 2 of 5 regions" in str(lost)
    bold[3, 40:, 0] = 0.5  # at rest in the second half
    goal = asked.goal(Target(bold=signals(1)[0].T, tr=TR), named, TR, VOLUMES)
    # windows of 17 volumes each 4: those from volumes 40, 44, ... 60 are of the rest alone
    late = "in 6 of 16 windows of FCD, first from 20 to 28.5 s, the simulated BOLD of region 'a' (index 0) is constant"
    assert late in str(asked.outcomes({"bold": bold}, goal)[3])
    left_out = Target(bold=signals(1)[0].T, tr=TR, exclude=[3])  # nobody looks at that region
    goal = asked.goal(left_out, named, TR, VOLUMES)
    assert isinstance(asked.outcomes({"bold": bold}, goal)[1], Outcome)


def test_other_observables_without_a_value_are_named_as_well() -> None:
    asked = Fit("rates_rmse", record=())
    goal = asked.goal(Target(rates=3.0), NETWORK, TR, VOLUMES)
    rates = np.full((2, NODES), 3.0)
    rates[1, 2] = np.inf
    fine, lost = asked.outcomes({"rates": rates}, goal)
    assert isinstance(fine, Outcome)
    assert "rates_rmse must be finite, but is inf: the simulated rates of region '2' (index 2)" in str(lost)

    def ratio(fc: np.ndarray) -> float:  # noqa: ARG001 - the name says what it takes
        return float("nan")

    asked = Fit(ratio, record=())
    (lost,) = asked.outcomes({"bold": signals(1)}, asked.goal(Target(), NETWORK, TR, VOLUMES))
    assert "see what ratio does" in str(lost)


def test_recordings_say_what_their_axes_are() -> None:
    labels = [f"region {i}" for i in range(NODES)]
    named = Connectome(np.ones((NODES, NODES)) - np.eye(NODES), labels=labels)
    asked = Fit("fc_corr", record=("fc", "fcd", "bold", "spectrum", "variance", "w"), analysis=ANALYSIS, others=["w"])
    goal = asked.goal(Target(bold=signals(1)[0].T, tr=TR, exclude=[1]), named, TR, VOLUMES)
    bold = signals(2)
    second = asked.outcomes({"bold": bold, "w": np.ones((2, NODES))}, goal)[1]
    assert isinstance(second, Outcome)
    kept, found = [labels[0], *labels[2:]], second.recordings
    assert found["fc"].dims == ("node", "other_node")
    assert found["fc"].sel(node="region 0", other_node="region 4") == found["fc"].values[0, 3]
    assert found["bold"].time.attrs["units"] == "s"
    np.testing.assert_allclose(found["bold"].time, TR * np.arange(1, VOLUMES + 1))
    np.testing.assert_array_equal(found["bold"].sel(node=kept), bold[1][:, [0, 2, 3, 4]])
    assert found["spectrum"].dims == ("frequency", "node")
    assert (found["spectrum"].frequency.attrs["units"], found["spectrum"].attrs["units"]) == ("Hz", "1/Hz")
    np.testing.assert_allclose(found["spectrum"].frequency, found["frequencies"])
    # windows of 8 s, 17 volumes, the first in the middle of volumes 0 to 16, each 2 s after the one before
    np.testing.assert_allclose(found["fcd"].window[:3], [4.25, 6.25, 8.25])
    assert found["variance"].dims == ("node",)
    assert found["w"].shape == (NODES,)
    plain = asked.outcomes({"bold": bold, "w": np.ones((2, NODES))}, asked.goal(target(), NETWORK, TR, VOLUMES))[0]
    assert isinstance(plain, Outcome)
    assert plain.recordings["fc"].node.values.tolist() == [0, 1, 2, 3, 4]  # numbers take less room than texts


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
            assert set(one.measurements) == set(other.measurements)
            # a mean of three correlations in float32
            assert abs(one.measurements["mean_fc"] - other.measurements["mean_fc"]) < 1e-6
    silent = bold.copy()
    silent[1, :, 2] = 0.25
    asked = Fit(["fc_corr", "fcd_ks"], record=(), analysis=analysis)
    goal = asked.goal(measured, network, TR, 14)
    fine, lost = asked.outcomes({"bold": cuda.to_device(silent)}, goal)
    assert isinstance(fine, Outcome)
    assert "region '2'" in str(lost)


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
