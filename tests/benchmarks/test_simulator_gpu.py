"""The GPU benchmark runs in Numba's CUDA simulator: what it measures, and on what, only a GPU can say."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

HOME = Path(__file__).parents[2]


def benchmark(*options: str, simulated: bool = True) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(HOME / "benchmarks" / "simulator_gpu.py"), *options],
        env={**os.environ, "NUMBA_ENABLE_CUDASIM": str(int(simulated)), "NUMBA_CUDA_DRIVER": "/there/is/none.so"},
        cwd=HOME,
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_section_runs() -> None:
    done = benchmark("--tiny")
    assert done.returncode == 0, done.stdout + done.stderr
    for name in ("RateML Epileptor", "cuBNM ReducedWongWang", "ZerlautAdaptationSecondOrder", "2 lanes, 1 passes"):
        assert re.search(rf"{name}.*\d\.\d+s", done.stdout), name
    assert re.search(r"FC, FCD and their scores, on the device: \d", done.stdout)
    assert re.search(r"[1-9]\d*/\d+ tests collected", done.stdout)


def test_without_minutes_nothing_long_is_begun() -> None:
    done = benchmark("--tiny", "--minutes", "0", "--only", "cases", "layouts")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("(no time left)") == 2
