"""The CUDA kernel in Numba's CUDA simulator, on networks of five nodes. `test_cuda.py` runs this file in a process."""

from __future__ import annotations

import dataclasses
import os
from typing import Any

import numpy as np
import pytest
from numba import cuda as numba_cuda

from l2l.errors import SimulationError
from l2l.simulator import Connectome, coupling, haemodynamics, models, monitors, noise, simulate, stimulus
from l2l.simulator.coupling import FUNCTIONS, Coupling
from l2l.simulator.integrators import INTEGRATORS
from l2l.simulator.kernels import cpu, cuda, cuda_plan, reference
from l2l.simulator.prepare import prepare
from l2l.simulator.problem import Outcome, Problem

pytestmark = [
    pytest.mark.skipif(
        os.environ.get("NUMBA_ENABLE_CUDASIM") != "1", reason="test_cuda.py runs this file in the CUDA simulator"
    ),
    pytest.mark.filterwarnings(
        "ignore::RuntimeWarning"
    ),  # the simulator's integers overflow as they should, and say so
]

NODES, STEPS = 5, 7
DT = {"SupHopf": 0.01, "LarterBreakspear": 0.01}


def problem(
    model: str = "MontbrioPazoRoxin", *, nodes: int = NODES, steps: int = STEPS, per_stage: bool = False, **changes: Any
) -> Problem:
    """An ensemble of three, noise on all states, every kind of monitor, delays of 2 to 11 steps if there is a speed."""
    rng = np.random.default_rng(2)
    weights = rng.random((nodes, nodes)) * (rng.random((nodes, nodes)) < 0.7)
    dt = DT.get(model, 0.1)
    chosen: dict[str, Any] = {
        "parameters": {"coupling.a": np.array([[0.01], [0.02], [0.05]])}, "coupling": coupling.Linear(),
        "integrator": "heun", "noise": noise.Additive(sigma=0.01), "duration": steps * dt, "dt": dt, "speed": None,
        "initial": None, "seed": 2**40 + 5, "simulations": 3, "precision": "float64",
        "coupling_per_stage": per_stage,
        "monitors": (monitors.Raw(), monitors.TemporalAverage(period=3 * dt), monitors.Bold(tr=4 * dt, step=2 * dt)),
    }  # fmt: skip
    if changes.get("integrator") == "rk4":
        chosen["noise"] = None
    lengths = (2 + 9 * rng.random((nodes, nodes))) * dt
    return prepare(models.MODELS[model], weights, lengths, **{**chosen, **changes}).problems[0][1]


def agree(ours: Outcome, theirs: Outcome, tolerance: float) -> None:
    for a, b in zip(ours.records, theirs.records, strict=True):
        # The first BOLD volumes are differences of numbers near 1, of which a unit in the last place is 2e-16.
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * np.abs(b).max() + 1e-16)
    assert ours.sends is not None
    assert theirs.sends is not None
    np.testing.assert_allclose(ours.state, theirs.state, rtol=tolerance, atol=tolerance * np.abs(theirs.state).max())
    # What a threshold function sends may be a difference of numbers near 1, of which two may be off by an ulp each.
    if theirs.sends.size:  # without channels there is no past to keep
        atol = tolerance * np.abs(theirs.sends).max() + 4.5e-16
        np.testing.assert_allclose(ours.sends, theirs.sends, rtol=tolerance, atol=atol)
    np.testing.assert_array_equal(ours.diverged < 0, theirs.diverged < 0)


def same_bits(ours: Outcome, theirs: Outcome) -> None:
    for a, b in zip(ours.records, theirs.records, strict=True):
        np.testing.assert_array_equal(a, b)
    for name in ("state", "compensation", "sends", "diverged"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))
    for a, b in zip(ours.balloon, theirs.balloon, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("speed", [None, 1.0], ids=["no delays", "delays"])
@pytest.mark.parametrize("model", models.MODELS)
def test_every_model_agrees_with_the_reference(model: str, speed: float | None) -> None:
    p = problem(model, speed=speed)
    # Seven steps of equations whose largest amplification of rounding (the AdEx transfer functions) is about 1e5.
    agree(cuda.run(p), reference.run(p), 1e-10)


COUPLINGS = {name: Coupling(function) for name, function in FUNCTIONS.items()}
COUPLINGS["of pairs"] = coupling.Custom("tanh(b*x_j - x_i)", "a*S - x_i/100", {"a": 0.02, "b": 0.5})


@pytest.mark.parametrize("integrator", INTEGRATORS)
@pytest.mark.parametrize("name", COUPLINGS)
@pytest.mark.parametrize("model", models.MODELS)
def test_every_model_coupling_and_integrator_agrees_with_the_reference(model: str, name: str, integrator: str) -> None:
    # Every second case with delays: each model, coupling and integrator meets both.
    number = list(models.MODELS).index(model) + list(COUPLINGS).index(name) + list(INTEGRATORS).index(integrator)
    switched_on = {"Kvf": 0.5} if model == "Epileptor" else {}
    p = problem(
        model, coupling=COUPLINGS[name], integrator=integrator, parameters=switched_on, nodes=3, steps=3,
        speed=1.0 if number % 2 else None, monitors=(monitors.Raw(),), simulations=2,
    )  # fmt: skip
    # As above.
    agree(cuda.run(p), reference.run(p), 1e-10)


PER_STAGE = [(integrator, speed) for integrator in ("heun", "rk4") for speed in (None, 1.0)]


@pytest.mark.filterwarnings("ignore:dt = 0.1 ms is longer")
@pytest.mark.parametrize(("integrator", "speed"), PER_STAGE)
@pytest.mark.parametrize("name", ["Linear", "Difference", "of pairs"])
def test_coupling_at_every_stage_is_that_of_the_reference(name: str, integrator: str, speed: float | None) -> None:
    # Tract lengths of a tenth: some delays are of no step, and read what was sent within the step.
    p = problem(
        "Epileptor", coupling=COUPLINGS[name], integrator=integrator, parameters={"Kvf": 0.5}, per_stage=True,
        speed=speed and 10.0,
    )  # fmt: skip
    assert len(p.step.stages) > 0
    assert p.delays is None or 0 in p.delays[p.weights != 0]
    agree(cuda.run(p), reference.run(p), 1e-12)


@pytest.mark.filterwarnings("ignore:dt = 0.1 ms is longer")
@pytest.mark.parametrize(("integrator", "speed"), PER_STAGE)
def test_stages_and_pairs_have_the_bits_of_the_cpu_kernel(integrator: str, speed: float | None) -> None:
    rng = np.random.default_rng(8)
    regional = coupling.Custom("tanh(b*x_j - c*x_i)", "a*S", {"a": 0.02, "b": 1.0, "c": 0.5})
    p = problem(
        "ReducedWongWang", coupling={"c": [coupling.Linear(a=0.1), regional]}, per_stage=True, integrator=integrator,
        parameters={"coupling.c.1.b": rng.random((1, NODES)), "coupling.c.1.c": rng.random((3, 1))},
        speed=speed and 10.0, precision="float32",
    )  # fmt: skip
    assert p.step.pairs
    assert p.step.stages
    layout, groups = cuda_plan.plan(p, 1, simulated=True)
    theirs = cpu.run_layout(p, cpu.plan(p, by_source=True), 1)
    same_bits(cuda.run_layout(p, layout, groups), theirs)
    same_bits(cuda.run_layout(p, dataclasses.replace(layout, lanes=2, shared=("C",)), 1), theirs)


@pytest.mark.parametrize("speed", [None, 1.0], ids=["no delays", "delays"])
def test_groups_and_sensors_have_the_bits_of_the_cpu_kernel(speed: float | None) -> None:
    gain = np.random.default_rng(6).normal(size=(3, NODES))
    gain[1] = 0.0  # a sensor that sees nothing
    kept = (
        monitors.GlobalAverage(period=0.1),
        monitors.SpatialAverage(period=0.3, groups=("b", "a", "b", "b", "a"), variables=("V", "r")),
        monitors.EEG(period=0.2, gain=gain, variables="V"),
        monitors.SEEG(period=0.2, gain=gain, variables="r", average=True),
        monitors.Raw(),
    )
    p = problem(speed=speed, precision="float32", monitors=kept)
    theirs = cpu.run_layout(p, cpu.plan(p, by_source=True), 1)
    assert [r.shape[-1] for r in theirs.records] == [1, 2, 3, 3, NODES]
    layout, groups = cuda_plan.plan(p, 1, simulated=True)
    assert (layout.block > 1) == (speed is not None)
    same_bits(cuda.run_layout(p, layout, groups), theirs)
    same_bits(cuda.run_layout(p, dataclasses.replace(layout, lanes=2, shared=()), 1), theirs)


@pytest.mark.parametrize("speed", [None, 1.0])
def test_convolved_bold_has_the_bits_of_the_cpu_kernel(speed: float | None) -> None:
    ramp = haemodynamics.Response("ramp", lambda t: 1e3 * t * np.exp(-300 * t), 1.5, offset=-0.1)
    kept = (
        monitors.ConvolvedBold(tr=0.4, interim=0.2, drive="r", response=ramp, skip=0.9),
        monitors.ConvolvedBold(tr=0.3, interim=0.1, drive="r", response="Gamma", name="gamma"),
    )
    p = problem(speed=speed, monitors=kept, steps=37, precision="float32")
    same_bits(cuda.run(p), cpu.run_layout(p, cpu.plan(p, by_source=True), 1))


@pytest.mark.parametrize("speed", [None, 1.0], ids=["no delays", "delays"])
@pytest.mark.parametrize("model", ["MontbrioPazoRoxin", "JansenRit", "Kuramoto"])
def test_float32_has_the_bits_of_the_cpu_kernel(model: str, speed: float | None) -> None:
    given = {"coupling": coupling.Kuramoto()} if model == "Kuramoto" else {}
    p = problem(model, speed=speed, precision="float32", **given)
    assert bool(p.step.reduced) == (model == "Kuramoto")
    same_bits(cuda.run(p), cpu.run_layout(p, cpu.plan(p, by_source=True), 1))


def test_parameters_may_differ_between_simulations_and_nodes() -> None:
    rng = np.random.default_rng(0)
    given = {
        "eta": -5 + rng.random((3, NODES)), "J": 14 + rng.random((1, NODES)), "tau": 1 + rng.random((3, 1)),
        "Delta": 1.1,
    }  # fmt: skip
    for speed in (None, 1.0):
        p = problem(parameters=given, speed=speed, noise=noise.Additive(D={"V": rng.random((1, NODES))}))
        agree(cuda.run(p), reference.run(p), 1e-12)


def test_given_noise_is_used() -> None:
    z = np.random.default_rng(1).normal(size=(STEPS, 2, NODES))
    for speed in (None, 1.0):
        p = problem(noise=noise.Additive(sigma=0.1, given=z), speed=speed)
        agree(cuda.run(p), reference.run(p), 1e-12)


@pytest.mark.parametrize(
    "given",
    [noise.Coloured(sigma={"V": 0.1}, tau=2.0), noise.Multiplicative(sigma=0.1, factor={"V": "0.1*V", "r": "r"})],
    ids=["coloured", "multiplicative"],
)
def test_other_noise_is_that_of_the_reference(given: noise.Additive) -> None:
    for speed in (None, 1.0):
        p = problem(noise=given, speed=speed)
        agree(cuda.run(p), reference.run(p), 1e-12)


def test_stimuli_are_those_of_the_reference() -> None:
    given = (
        stimulus.Step(state="V", amplitude=np.array([[0.5], [1.0], [2.0]]), onset=0.2, end=0.5),
        stimulus.Sinusoid(state="r", amplitude=0.1 * np.arange(NODES)[None, :], frequency=300.0),
        stimulus.Pulses(state="V", amplitude=np.ones((3, NODES)), width=0.1, period=0.3),
    )
    for speed in (None, 1.0):
        p = problem(stimulus=given, speed=speed)
        agree(cuda.run(p), reference.run(p), 1e-12)
        layout, groups = cuda_plan.plan(p, 1, simulated=True)
        agree(cuda.run_layout(p, dataclasses.replace(layout, lanes=2, shared=()), groups), reference.run(p), 1e-12)


@pytest.mark.parametrize("speed", [None, 1.0], ids=["no delays", "delays"])
def test_layouts_and_batches_do_not_change_a_bit(speed: float | None) -> None:
    p = problem(speed=speed, precision="float32")
    layout, groups = cuda_plan.plan(p, 1, simulated=True)
    whole = cuda.run_layout(p, layout, groups)
    for lanes, shared, groups_, at_once in ((1, (), 1, 1), (2, ("Z",), 2, 1), (2, layout.shared, 1, 2)):
        other = dataclasses.replace(layout, lanes=lanes, shared=shared)
        same_bits(cuda.run_layout(p, other, groups_, tiles_at_once=at_once), whole)
    if speed is not None:
        assert layout.block > 1
        other = dataclasses.replace(layout, block=1, sparse=False, fresh=True)
        same_bits(cuda.run_layout(p, other, groups), whole)
    else:
        same_bits(cuda.run_layout(p, dataclasses.replace(layout, rows=4), 2), whole)


def test_a_run_goes_on_to_the_same_bits() -> None:
    rng = np.random.default_rng(3)
    network = Connectome(weights=rng.random((4, 4)) * (1 - np.eye(4)), tract_lengths=0.2 + rng.random((4, 4)))
    arguments: dict[str, Any] = {
        "dt": 0.1, "speed": 1.0, "noise": noise.Additive(sigma=0.1), "backend": "cuda", "resumable": True,
        "simulations": 2, "seed": 9,
    }  # fmt: skip
    told: list[float] = []
    whole = simulate("MontbrioPazoRoxin", network, duration=0.9, progress=told.append, **arguments)
    first = simulate("MontbrioPazoRoxin", network, duration=0.5, **arguments)
    rest = simulate("MontbrioPazoRoxin", network, duration=0.4, initial=first.final, **arguments)
    np.testing.assert_array_equal(rest.array("raw"), whole.array("raw")[:, 5:])
    assert told[-1] == 1.0


def test_a_diverging_simulation_leaves_its_neighbours_alone() -> None:
    strengths = np.array([[0.01], [1e30], [0.05]])
    p = problem(parameters={"coupling.a": strengths}, precision="float32", speed=1.0)
    calm = problem(parameters={"coupling.a": np.array([[0.01], [0.02], [0.05]])}, precision="float32", speed=1.0)
    ours, theirs = cuda.run(p), cuda.run(calm)
    assert list(ours.diverged >= 0) == [False, True, False]
    assert ours.diverged[1] == STEPS
    for member in (0, 2):
        np.testing.assert_array_equal(ours.records[0][member], theirs.records[0][member])


class FullError(Exception):
    code = 2  # CUDA_ERROR_OUT_OF_MEMORY


def test_a_full_device_is_met_with_smaller_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    p = problem(precision="float32")
    layout, groups = cuda_plan.plan(p, 1, simulated=True)
    layout = dataclasses.replace(layout, lanes=1)
    whole = cuda.run_layout(p, layout, groups)
    original, tried = cuda.Device.run, []

    def small(self: cuda.Device, batch: Any, *rest: Any) -> None:
        tried.append(batch.tiles)
        if batch.tiles > 1:
            raise FullError
        original(self, batch, *rest)

    monkeypatch.setattr(cuda.Device, "run", small)
    same_bits(cuda.run_layout(p, layout, groups), whole)
    assert tried == [3, 1, 1, 1]


def test_a_device_too_small_for_a_tile_is_met_with_smaller_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    p = problem(precision="float32", speed=1.0)
    layout, groups = cuda_plan.plan(p, 1, simulated=True)
    layout = dataclasses.replace(layout, lanes=2, shared=())
    whole = cuda.run_layout(p, layout, groups)
    original, tried = cuda.Device.run, []

    def small(self: cuda.Device, batch: Any, *rest: Any) -> None:
        tried.append((self.layout.lanes, batch.tiles))
        if batch.tiles * self.layout.lanes > 1 and not batch.first:
            raise FullError
        original(self, batch, *rest)

    monkeypatch.setattr(cuda.Device, "run", small)
    same_bits(cuda.run_layout(p, layout, groups), whole)
    assert tried == [(2, 2), (2, 1), (1, 3), (1, 1), (1, 1), (1, 1)]


def test_what_does_not_fit_is_told_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    p = problem(precision="float32")

    def full(*_: Any) -> None:
        raise FullError

    monkeypatch.setattr(cuda.Device, "run", full)
    states, nodes, lanes = 2, NODES, 1
    least = 4 * lanes * nodes * STEPS * states  # what the raw monitor alone keeps
    with pytest.raises(SimulationError, match=r"one simulation needs [\d,]+ bytes, .* are free") as raised:
        cuda.run(p)
    told = int(str(raised.value).split("needs ")[1].split(" bytes")[0].replace(",", ""))
    assert least < told < 100 * least
    monkeypatch.setattr(cuda, "Device", full)
    with pytest.raises(SimulationError, match="not even the network"):
        cuda.run(p)
    monkeypatch.setattr(numba_cuda, "device_array", full)
    with pytest.raises(SimulationError, match=r"the recordings need [\d,]+ bytes .* leave out on_device=True"):
        cuda.run(p, on_device=True)


@pytest.mark.parametrize("speed", [None, np.array([1.0, 2.0, 1.0, 2.0, 1.0])], ids=["no delays", "two sets of delays"])
def test_recordings_left_on_the_device_are_those_brought_back(speed: Any) -> None:
    rng = np.random.default_rng(3)
    network = Connectome(weights=rng.random((4, 4)) * (1 - np.eye(4)), tract_lengths=0.2 + rng.random((4, 4)))
    arguments: dict[str, Any] = {
        "dt": 0.1, "duration": 0.9, "speed": speed, "noise": noise.Additive(sigma=0.1), "backend": "cuda",
        "simulations": 5,
        "monitors": (monitors.Bold(tr=0.3, step=0.1), monitors.Raw(), monitors.GlobalAverage(period=0.3)),
    }  # fmt: skip
    ours = simulate("MontbrioPazoRoxin", network, on_device=True, **arguments)
    theirs = simulate("MontbrioPazoRoxin", network, **arguments)
    for name in theirs:
        left = ours.array(name)
        assert not isinstance(left, np.ndarray)
        assert left.shape == theirs.array(name).shape
        np.testing.assert_array_equal(left.copy_to_host(), theirs.array(name))
        np.testing.assert_array_equal(ours[name], theirs[name])


@pytest.mark.parametrize("backend", ["auto", "cpu", "reference"])
def test_only_a_device_can_keep_recordings(backend: str) -> None:
    network = Connectome(weights=1 - np.eye(2))
    with pytest.raises(SimulationError, match=f"on_device=True needs backend='cuda', but got backend='{backend}'"):
        simulate("Kuramoto", network, duration=1.0, dt=0.5, backend=backend, on_device=True)


def test_what_the_kernel_cannot_do_is_left_to_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda, "ABLE", cuda.ABLE - {"stimuli"})
    network = Connectome(weights=1 - np.eye(2))
    given: dict[str, Any] = {"stimulus": stimulus.Step(state="S", amplitude=0.1), "duration": 1.0, "dt": 0.5}
    with pytest.raises(SimulationError, match="'cuda' cannot do stimuli yet; use backend='cpu'"):
        simulate("ReducedWongWang", network, backend="cuda", **given)
