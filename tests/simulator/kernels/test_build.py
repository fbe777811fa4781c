"""The cache of compiled kernels."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = """
import sys, numpy as np
from l2l.simulator import Connectome, simulate
from l2l.simulator.kernels import build
w = np.ones((3, 3)) - np.eye(3)
r = simulate("ReducedWongWang", Connectome(weights=w), duration=1.0, dt=0.1, simulations=2, seed=1)
print(repr(r.array("raw").tobytes().hex()))
"""


def start(cache: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT], env={**os.environ, "L2L_CACHE": str(cache)}, stdout=subprocess.PIPE, text=True
    )


def finish(process: subprocess.Popen[str]) -> str:
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    return output


def test_processes_that_start_together_share_one_cache(tmp_path: Path) -> None:
    running = [start(tmp_path) for _ in range(3)]
    outputs = {finish(process) for process in running}
    assert len(outputs) == 1
    assert len(list((tmp_path / "kernels").glob("*.py"))) == 1
    assert not list((tmp_path / "kernels").glob("*.tmp"))
    compiled = {p: p.stat().st_mtime_ns for p in (tmp_path / "kernels").rglob("*.nbi")}
    assert len(compiled) == 1
    assert {finish(start(tmp_path))} == outputs
    assert {p: p.stat().st_mtime_ns for p in compiled} == compiled


def test_without_a_place_to_write_it_compiles_in_memory(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    assert finish(start(blocked))


def test_a_simulator_import_needs_no_compiler() -> None:
    code = "import l2l.simulator, sys; assert 'numba' not in sys.modules and 'llvmlite' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
