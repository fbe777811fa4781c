"""l2l beside other simulators of brain networks: the same work, one core, one run.

    python benchmarks/peers.py [--folder FOLDER] [--only NAME] [--peers tvb,cubnm] [--seconds 0.5]

Installs each peer with pip in a virtual environment of its own under FOLDER (kept, if given, for the next time; else
a temporary one) and measures it in a process bound to one core, between two measurements of l2l, of which the better
counts. The network, its delays, the step, the number of nodes, the integrator and additive noise are the same; how
many simulations and steps a run has is each engine's own, since rates are compared. Compilation, and what is prepared
once, do not count. A peer that cannot be installed or run is listed with its reason.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import shlex
import subprocess
import sys
import tempfile
import venv
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from simulator_cpu import _processor, network

HERE = Path(__file__).parent / "peers"
PEERS = {
    "tvb": "tvb-library==2.10",
    "tvboptim": "tvboptim==0.4.0",
    "cubnm": "cubnm==0.1.0",
    "neurolib": "neurolib==0.6.2",
}
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1",
    "MPLBACKEND": "Agg", "JAX_PLATFORMS": "cpu",
}  # fmt: skip
INSTALL_SECONDS, RUN_SECONDS = 400, 150


@dataclass(frozen=True)
class Case:
    """dt: ms. sigma: each step adds sigma sqrt(dt) z. peers: who has it. bold: with haemodynamic equations at 1 ms."""

    name: str
    model: str
    nodes: int
    delayed: bool
    dt: float
    integrator: str
    sigma: float
    peers: tuple[str, ...]
    bold: bool = False
    parameters: dict[str, float] = field(default_factory=dict)


# Not 0, as they are by default: l2l leaves out a coupling whose factor is 0, the others compute it all the same.
MPR = {"cv": 0.01}
EPILEPTOR = {"Kvf": 0.01, "Kf": 0.01, "Ks": 0.01}
CASES = [
    Case("MPR 68, delays", "MontbrioPazoRoxin", 68, True, 0.01, "heun", 0.045, ("tvb", "tvboptim"), parameters=MPR),
    Case("MPR 68, no delays", "MontbrioPazoRoxin", 68, False, 0.01, "heun", 0.045, ("tvb", "tvboptim"), parameters=MPR),
    Case("RWW 84, delays", "ReducedWongWang", 84, True, 0.1, "heun", 0.01, ("tvb", "tvboptim")),
    Case("RWW 84, no delays", "ReducedWongWang", 84, False, 0.1, "heun", 0.01, ("tvb", "tvboptim")),
    Case("RWW 100, delays, Euler, BOLD", "ReducedWongWang", 100, True, 0.1, "euler", 0.01, ("cubnm",), bold=True),
    Case("RWW 100, no delays, Euler, BOLD", "ReducedWongWang", 100, False, 0.1, "euler", 0.01, ("cubnm",), bold=True),
    Case("RWW exc-inh 84, delays, Euler", "ReducedWongWangExcInh", 84, True, 0.1, "euler", 0.001, ("neurolib",)),
    Case("RWW exc-inh 84, no delays, Euler", "ReducedWongWangExcInh", 84, False, 0.1, "euler", 0.001, ("neurolib",)),
    Case("Kuramoto 68, delays", "Kuramoto", 68, True, 0.1, "heun", 0.01, ("tvb", "tvboptim")),
    Case("Kuramoto 68, delays, Euler, BOLD", "Kuramoto", 68, True, 0.1, "euler", 0.01, ("cubnm",), bold=True),
    Case("Epileptor 68, delays", "Epileptor", 68, True, 0.05, "heun", 0.01, ("tvb", "tvboptim"), parameters=EPILEPTOR),
]


def install(folder: Path, peer: str) -> tuple[Path | None, str]:
    """The peer's Python, or why there is none."""
    place = folder / peer
    python = place / ("Scripts" if os.name == "nt" else "bin") / "python"
    wanted = PEERS[peer]
    marker = place / "installed"
    if marker.is_file() and marker.read_text() == wanted:
        return python, ""
    try:
        venv.create(place, with_pip=True, clear=True)
        done = subprocess.run(
            [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", wanted],
            capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError) as error:
        return None, f"not installed: {error}"
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or ["pip failed"]
        return None, f"not installed: {said[-1][:150]}"
    marker.write_text(wanted)
    return python, ""


def bound_to_one_core() -> Callable[[], None] | None:
    """Binds a child process to the last core this process may use, where the system can."""
    if not hasattr(os, "sched_setaffinity"):
        return None
    core = max(os.sched_getaffinity(0))
    return lambda: os.sched_setaffinity(0, {core})


def run(python: Path | str, script: str, told: Path) -> list[dict[str, Any]]:
    """What the script of an engine printed, or one entry with a reason."""
    try:
        done = subprocess.run(
            [python, HERE / script, told], capture_output=True, text=True, timeout=RUN_SECONDS, check=False,
            env={**os.environ, **ENVIRONMENT}, preexec_fn=bound_to_one_core(),
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return [{"variant": script, "reason": f"not finished within {RUN_SECONDS} s"}]
    answers = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"variant"')]
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        answers.append({"variant": script, "reason": last[:150]})
    return answers


def measure(case: Case, folder: Path, pythons: dict[str, Path], seconds: float) -> list[tuple[str, ...]]:
    """The rows of one case: l2l, then each peer with l2l's multiple of it."""
    weights, steps = network(case.nodes)
    arrays = folder / "network.npz"
    np.savez(arrays, weights=weights, steps=steps)
    told = folder / "case.json"
    told.write_text(json.dumps({**asdict(case), "network": str(arrays), "seconds": seconds}))
    before = run(sys.executable, "run_l2l.py", told)
    found = [answer for peer in case.peers if peer in pythons for answer in run(pythons[peer], f"run_{peer}.py", told)]
    after = run(sys.executable, "run_l2l.py", told)
    for answer in (*before, *after):
        if "rate" not in answer:
            raise SystemExit(f"l2l itself failed at {case.name}: {answer['reason']}")
    ours = max((one for one in before + after if one["variant"] == before[0]["variant"]), key=lambda one: one["rate"])
    rows = [(case.name, ours["variant"], f"{ours['rate'] / 1e6:.0f}", "1")]
    for answer in [*before[1:], *found]:
        if "rate" in answer:
            rows.append(("", answer["variant"], f"{answer['rate'] / 1e6:.3g}", _times(ours["rate"] / answer["rate"])))
        else:
            rows.append(("", answer["variant"], "-", answer["reason"]))
    return rows


def _times(ratio: float) -> str:
    return f"{ratio:.0f}" if ratio >= 10 else f"{ratio:.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, help="where environments are made and kept; default: a temporary one")
    parser.add_argument("--only", default="", help="cases whose name contains this")
    parser.add_argument("--peers", default=",".join(PEERS), help="which of them, separated by commas")
    parser.add_argument("--seconds", type=float, default=0.5, help="how long each measurement is repeated")
    options = parser.parse_args()
    chosen = [peer for peer in options.peers.split(",") if peer]
    for peer in chosen:
        if peer not in PEERS:
            parser.error(f"unknown peer {peer!r}; known: {', '.join(PEERS)}")
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        pythons, missing = {}, []
        for peer in chosen:
            python, reason = install(folder, peer)
            if python is None:
                missing.append(f"{PEERS[peer]}: {reason}")
            else:
                pythons[peer] = python
        header = ("case", "engine", "M node-steps/s", "l2l is faster by")
        rows = []
        for case in CASES:
            if options.only in case.name:
                rows += measure(case, folder, pythons, options.seconds)
                print(f"{case.name}: measured", file=sys.stderr, flush=True)
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(3)]
    for row in (header, *rows):
        print(" | ".join(cell.ljust(width) for cell, width in zip(row, [*widths, 0], strict=True)).rstrip())
    for line in missing:
        print(line)
    print("\none core, CPU time; additive noise; delays to 500 steps; l2l in float32, the others in their default;")
    print(
        "MPR and Epileptor with all their couplings non-zero; cuBNM's noise is drawn beforehand, neurolib's is coloured"
    )
    print(f"machine: {_processor()}, {os.cpu_count()} cores; python {platform.python_version()}")
    print(", ".join([f"l2l {importlib.metadata.version('l2l')}", *(PEERS[peer] for peer in pythons)]))
    print("command: " + shlex.join(["python", *sys.argv]))


if __name__ == "__main__":
    main()
