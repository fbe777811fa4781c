"""The CUDA kernel: simulated everywhere, compiled where numba-cuda is installed, run on a GPU where there is one."""

from __future__ import annotations

import dataclasses
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from l2l.errors import SimulationError
from l2l.simulator import Connectome, coupling, models, monitors, noise, simulate, stimulus
from l2l.simulator.codegen.cuda import emit_cuda, emit_history
from l2l.simulator.kernels import cpu, cuda, cuda_device, cuda_offline, cuda_output, cuda_plan
from l2l.simulator.prepare import prepare
from l2l.simulator.problem import Problem

HERE = Path(__file__)
FINE = {"SupHopf", "LarterBreakspear"}  # their time scale asks for a finer step


def test_everything_holds_in_the_cuda_simulator() -> None:
    """A process of its own: Numba decides at its import whether it simulates."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, str(HERE.with_name("test_cuda_simulated.py"))],
        env={**os.environ, "NUMBA_ENABLE_CUDASIM": "1"},
        cwd=HERE.parents[3],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert "skipped" not in done.stdout.splitlines()[-1]


# -- what is lacking ---------------------------------------------------------------------------------------------------


class Driver:
    """A driver library with so many devices."""

    def __init__(self, devices: int, status: int = 0) -> None:
        self.devices, self.status = devices, status

    def cuInit(self, flags: int) -> int:  # noqa: ARG002 -- the driver's signature
        return self.status

    def cuDeviceGetCount(self, count: Any) -> int:
        count._obj.value = self.devices
        return 0


@pytest.mark.parametrize(
    ("driver", "package", "told"),
    [
        (None, True, r"looked for the NVIDIA driver library .* pip install 'l2l\[cuda\]'"),
        (Driver(1, status=100), True, "no CUDA device"),
        (Driver(0), True, "no CUDA device"),
        (Driver(1, status=999), True, "cuInit: error 999"),
        (Driver(1), False, r"not the package numba-cuda: pip install 'l2l\[cuda\]'"),
    ],
)
def test_without_a_gpu_it_says_what_was_looked_for(
    monkeypatch: pytest.MonkeyPatch, driver: Driver | None, package: bool, told: str
) -> None:
    monkeypatch.delenv("NUMBA_ENABLE_CUDASIM", raising=False)
    monkeypatch.setattr(cuda_device, "_driver", lambda: driver)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: object() if package else None)
    for function in (cuda_device.missing, cuda_device.usable):
        function.cache_clear()
    try:
        network = Connectome(weights=1 - np.eye(2))
        with pytest.raises(SimulationError, match=f"backend 'cuda' needs a GPU: .*{told}"):
            simulate("Kuramoto", network, duration=1.0, dt=0.5, backend="cuda")
        if driver is not None and driver.status == 0 and driver.devices:
            with pytest.warns(UserWarning, match="runs on the CPU"):
                assert not cuda_device.usable()
        else:
            assert not cuda_device.usable()
    finally:
        for function in (cuda_device.missing, cuda_device.usable):
            function.cache_clear()


def test_a_gpu_with_its_package_lacks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda_device, "_driver", lambda: Driver(2))
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: object())
    cuda_device.missing.cache_clear()
    try:
        assert cuda_device.missing() is None
    finally:
        cuda_device.missing.cache_clear()


# -- the plan ----------------------------------------------------------------------------------------------------------


def ensemble(
    model: str, nodes: int, simulations: int, speed: float | None, precision: str = "float32", **changes: Any
) -> Problem:
    """Delays of 16 to 128 steps at a speed of 1."""
    rng = np.random.default_rng(4)
    dt = 0.01 if model in FINE else 0.1
    weights = rng.random((nodes, nodes)) / nodes
    lengths = (16 + 112 * rng.random((nodes, nodes))) * dt
    chosen: dict[str, Any] = {
        "parameters": {"coupling.a": np.linspace(0.01, 0.1, simulations)[:, None]}, "coupling": coupling.Linear(),
        "integrator": "heun", "noise": noise.Additive(sigma=1e-3), "duration": 500 * dt, "dt": dt, "speed": speed,
        "initial": None, "seed": 7, "simulations": simulations, "precision": precision,
        "monitors": (monitors.TemporalAverage(period=10 * dt), monitors.Bold(tr=250 * dt, step=50 * dt)),
    }  # fmt: skip
    return prepare(models.MODELS[model], weights, lengths, **{**chosen, **changes}).problems[0][1]


def of_many(problem: Problem, simulations: int = 65536) -> Problem:
    """The same for so many simulations, of which a plan needs no more than the number."""
    return dataclasses.replace(
        problem, state=np.broadcast_to(problem.state[:1], (simulations, *problem.state.shape[1:]))
    )


@pytest.mark.parametrize("speed", [None, 1.0])
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_every_size_fits_the_device(speed: float | None, precision: str) -> None:
    for nodes, simulations in ((2, 1), (68, 1024), (68, 65536), (100, 40), (400, 4096)):
        p = of_many(ensemble("MontbrioPazoRoxin", nodes, 2, speed, precision), simulations)
        layout, groups = cuda_plan.plan(p)
        threads = layout.lanes * groups
        assert threads <= 1024
        assert cuda_plan.shared_bytes(p, layout, groups) <= 48 * 1024
        # A quarter of a multiprocessor has 16,384 registers, and a quarter of the warps, rounded up.
        assert -(-threads // 128) * 32 * layout.registers <= 16384
        assert layout.rows % 4 == 0  # four nodes share a block of random numbers
        assert layout.block <= 17


@pytest.mark.parametrize("model", models.MODELS)
def test_every_model_has_the_registers_that_were_measured_for_it(model: str) -> None:
    for speed in (None, 1.0):
        p = ensemble(model, 68, 4096, speed)
        layout, groups = cuda_plan.plan(p)
        size = cuda_plan.operations(p.step)
        assert layout.registers >= next(needed for most, needed in cuda_plan.ENOUGH if most is None or size <= most)
        assert -(-layout.lanes * groups // 128) * 32 * layout.registers <= 16384


def test_few_simulations_are_spread_over_the_device() -> None:
    assert cuda_plan.plan(of_many(ensemble("MontbrioPazoRoxin", 68, 2, None)))[0].lanes == 32
    assert cuda_plan.plan(ensemble("MontbrioPazoRoxin", 68, 1024, None))[0].lanes == 8


def test_delays_are_read_in_few_passes() -> None:
    for nodes, passes in ((68, 1), (100, 1), (400, 2)):
        p = of_many(ensemble("MontbrioPazoRoxin", nodes, 2, 0.25))  # delays to 512 steps
        layout, groups = cuda_plan.plan(p)
        assert -(-nodes // (layout.rows * groups)) == passes


# -- compiled, but not run ---------------------------------------------------------------------------------------------


compiled = pytest.mark.skipif(
    importlib.util.find_spec("numba_cuda") is None, reason="needs numba-cuda: pip install 'l2l[cuda]'"
)


@compiled
@pytest.mark.parametrize("speed", [None, 1.0], ids=["no delays", "delays"])
def test_the_compiler_rounds_as_the_source_says(speed: float | None) -> None:
    p = ensemble("JansenRit", 68, 4096, speed)
    layout, _ = cuda_plan.plan(p)
    ptx = cuda_offline.compile_ptx(emit_cuda(p.step, layout), cuda_offline.signature(layout), 90)
    assert "fma.rn.f32" in ptx
    assert not re.findall(
        r"mul\.f32|mul\.ftz|\.approx|\.full|\.f64", ptx
    )  # neither to be fused, nor rough, nor widened
    if speed is None:
        assert "ld.shared" in ptx


FEATURES: dict[str, dict[str, Any]] = {
    "stages": {"coupling_per_stage": True},
    "stages of rk4": {"coupling_per_stage": True, "integrator": "rk4", "noise": None},
    "pairs": {"coupling": coupling.Custom("tanh(x_j - x_i)"), "parameters": {"coupling.a": 0.02}},
    "sensors": {"monitors": (monitors.EEG(period=1.0, gain=np.ones((3, 5)), variables="V"),)},
    "convolution": {"monitors": (monitors.ConvolvedBold(tr=0.4, interim=0.2, drive="V"),)},
    "stimuli": {"stimulus": (stimulus.Sinusoid(state="V", amplitude=np.ones((3, 1)), frequency=40.0),)},
}


@compiled
@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("speed", [None, 1.0], ids=["no delays", "delays"])
@pytest.mark.parametrize("name", FEATURES)
def test_every_feature_compiles(name: str, speed: float | None, precision: str) -> None:
    p = ensemble("MontbrioPazoRoxin", 5, 3, speed, precision, **FEATURES[name])
    assert p.needs() <= cuda.ABLE
    layout, _ = cuda_plan.plan(p)
    ptx = cuda_offline.compile_ptx(emit_cuda(p.step, layout), cuda_offline.signature(layout), 90)
    number = "f32" if precision == "float32" else "f64"
    assert not re.findall(rf"mul\.{number}|\.approx|\.full", ptx)


@compiled
def test_what_surrounds_the_kernel_compiles() -> None:
    p = ensemble("MontbrioPazoRoxin", 5, 3, 1.0)
    layout, _ = cuda_plan.plan(p)
    sources = (
        (emit_history(p.step, layout), cuda_offline.history_signature(layout)),
        (cuda_output.emit_move(False), cuda_offline.move_signature(layout)),
    )
    for source, signature in sources:
        assert "st.global" in cuda_offline.compile_ptx(source, signature, 90)


# -- on a GPU ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def gpu() -> None:
    lacking = cuda_device.missing()
    if lacking is not None:
        pytest.skip(lacking)


@pytest.mark.gpu
@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize("speed", [None, 1.0], ids=["no delays", "delays"])
@pytest.mark.parametrize("model", models.MODELS)
def test_the_gpu_has_the_bits_of_the_cpu(model: str, speed: float | None) -> None:
    p = ensemble(model, 68, 100, speed)
    ours, theirs = cuda.run(p), cpu.run_layout(p, cpu.plan(p, by_source=True), 1)
    np.testing.assert_array_equal(ours.diverged < 0, theirs.diverged < 0)
    fine = theirs.diverged < 0
    for a, b in zip([*ours.records, ours.state], [*theirs.records, theirs.state], strict=True):
        np.testing.assert_array_equal(a[fine], b[fine])


@pytest.mark.gpu
@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize("speed", [None, 1.0], ids=["no delays", "delays"])
def test_tiles_and_batches_do_not_change_a_bit_on_the_gpu(speed: float | None) -> None:
    p = ensemble("MontbrioPazoRoxin", 68, 100, speed)
    layout, groups = cuda_plan.plan(p, 1)
    whole = cuda.run_layout(p, layout, groups)
    for lanes, at_once in ((32, 1), (16, 2), (8, None)):
        other = cuda.run_layout(p, dataclasses.replace(layout, lanes=lanes, shared=()), groups, tiles_at_once=at_once)
        for a, b in zip([*other.records, other.state], [*whole.records, whole.state], strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.gpu
@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize("speed", [None, 1.0], ids=["no delays", "delays"])
@pytest.mark.parametrize("name", FEATURES)
def test_every_feature_has_the_bits_of_the_cpu_on_the_gpu(name: str, speed: float | None) -> None:
    p = ensemble("MontbrioPazoRoxin", 5, 3, speed, **FEATURES[name])
    ours, theirs = cuda.run(p, on_device=True), cpu.run_layout(p, cpu.plan(p, by_source=True), 1)
    for a, b in zip(ours.records, theirs.records, strict=True):
        assert a.__cuda_array_interface__["shape"] == b.shape
        np.testing.assert_array_equal(a.copy_to_host(), b)
    np.testing.assert_array_equal(ours.state, theirs.state)
