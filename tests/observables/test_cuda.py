"""Scores on a GPU: simulated everywhere, compiled where numba-cuda is installed, run on a GPU where there is one."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from l2l.errors import SimulationError
from l2l.observables import connectivity
from l2l.observables.connectivity import Comparison
from l2l.observables.fc import fc
from l2l.observables.fcd import fcd
from l2l.observables.pairs import triangle
from l2l.simulator.kernels import cuda_device

HERE = Path(__file__)


def test_everything_holds_in_the_cuda_simulator() -> None:
    """A process of its own: Numba decides at its import whether it simulates."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, str(HERE.with_name("test_cuda_simulated.py"))],
        env={**os.environ, "NUMBA_ENABLE_CUDASIM": "1"},
        cwd=HERE.parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert "skipped" not in done.stdout.splitlines()[-1]


@pytest.mark.skipif(cuda_device.missing() is None, reason="there is a GPU")
def test_without_a_gpu_it_says_what_was_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    from l2l.observables.cuda import scores

    monkeypatch.delenv("NUMBA_ENABLE_CUDASIM", raising=False)
    with pytest.raises(SimulationError, match="backend 'cuda' needs a GPU"):
        scores(np.zeros((2, 6, 3)), Comparison(np.eye(3)))


@pytest.mark.skipif(importlib.util.find_spec("numba_cuda") is None, reason="numba-cuda is not installed")
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_the_kernels_compile(precision: str) -> None:
    from numba import cuda

    from l2l.observables.cuda import THREADS, TILE
    from l2l.observables.cuda_kernels import make, signatures

    types = signatures(precision)
    for name, kernel in make(precision, TILE, THREADS).items():
        ptx, _ = cuda.compile_ptx(kernel, types[name], cc=(9, 0))
        assert "st.global" in ptx or "atom.global" in ptx


@pytest.mark.gpu
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 2e-6)])
def test_the_gpu_has_the_scores_of_the_cpu(dtype: type, tolerance: float) -> None:
    lacking = cuda_device.missing()
    if lacking is not None:
        pytest.skip(lacking)
    from numba import cuda

    from l2l.observables.cuda import scores

    rng = np.random.default_rng(7)
    bold = np.cumsum(rng.standard_normal((40, 400, 68)), axis=1).astype(dtype)
    bold[3, 17, 5] = np.nan
    measured = np.cumsum(rng.standard_normal((400, 68)), axis=0)
    comparison = Comparison(fc(measured), triangle(fcd(measured, 0.72)), 0.72, first=10)
    theirs = connectivity.scores(bold, comparison)
    for at_once in (None, 7):
        ours = scores(cuda.to_device(bold), comparison, at_once=at_once)
        for name, values in theirs.items():
            # Of the 1,326 values of an FCD, rounding moves a few past a measured one.
            few = 5 / 1326 if name == "fcd_ks" else tolerance
            np.testing.assert_allclose(ours[name], values, rtol=0, atol=few, err_msg=name)
