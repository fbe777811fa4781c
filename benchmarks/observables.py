"""What FC, FCD and their scores cost beside the simulation whose BOLD they are taken of.

    python benchmarks/observables.py [--simulations 32] [--minutes 10] [--nodes 100] [--window "30 s"] [--step "5 s"]

ReducedWongWang, dt 1 ms, Heun, additive noise, no delays, BOLD each 0.72 s, float32. The windows default to cuBNM's.
All figures are CPU time of the whole process (time.process_time: all threads together), of one run, side by side; each
part is the least of three calls, the simulation of one. With --gpu the simulation, and the scores of the BOLD that it
left on the device, are timed by the clock.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from l2l.observables.connectivity import Comparison, scores
from l2l.observables.distances import ks
from l2l.observables.fc import fc, fc_corr, partial_correlation
from l2l.observables.fcd import fcd
from l2l.observables.pairs import triangle
from l2l.simulator import Connectome, monitors, noise, simulate

TR = 0.72


def network(nodes: int) -> Connectome:
    rng = np.random.default_rng(0)
    weights = rng.lognormal(-1, 1, (nodes, nodes))
    weights = (weights + weights.T) / 2
    np.fill_diagonal(weights, 0)
    return Connectome(weights=weights / weights.sum(1).mean())


def timed(run: Callable[[], Any], clock: Callable[[], float], times: int) -> tuple[float, Any]:
    least, result = np.inf, None
    for _ in range(times):
        before = clock()
        result = run()
        least = min(least, clock() - before)
    return least, result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--simulations", type=int, default=32)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--nodes", type=int, default=100)
    parser.add_argument("--window", default="30 s")
    parser.add_argument("--step", default="5 s")
    parser.add_argument("--gpu", action="store_true", help="simulate and score on the GPU")
    options = parser.parse_args()
    connectome, count = network(options.nodes), options.simulations
    clock = time.perf_counter if options.gpu else time.process_time

    def ensemble(minutes: float) -> Any:
        done = simulate(
            "ReducedWongWang", connectome, duration=minutes * 60e3, dt=1.0,
            parameters={"G": np.linspace(0.1, 2.0, count)[:, None]}, noise=noise.Additive(D=1e-5),
            monitors=[monitors.Bold(tr=TR * 1e3)], backend="cuda" if options.gpu else "cpu", on_device=options.gpu,
        )  # fmt: skip
        assert done.status.ok.all()
        return done.array("bold")

    ensemble(TR / 60)  # compiled
    simulation, recorded = timed(lambda: ensemble(options.minutes), clock, 1)
    on_host = recorded.copy_to_host() if options.gpu else recorded
    bold = on_host.reshape(count, -1, options.nodes)
    measured = bold[count // 2].astype(np.float64)
    windows = {"window": options.window, "step": options.step}
    comparison = Comparison(fc(measured), triangle(fcd(measured, TR, **windows)), TR, **windows)
    whole = recorded if options.gpu else bold
    scores(whole, comparison)  # compiled
    rows = [("simulation with BOLD", simulation, "")]
    took, result = timed(lambda: scores(whole, comparison), clock, 3)
    rows.append(("all scores of FC and FCD", took, f"KS {result['fcd_ks'].min():.2f} ... {result['fcd_ks'].max():.2f}"))
    if not options.gpu:
        took, connectivity = timed(lambda: fc(bold), clock, 3)
        rows.append(("  FC", took, f"{connectivity.shape[1:]}"))
        took, _ = timed(lambda: fc_corr(connectivity, comparison.fc), clock, 3)
        rows.append(("  FC correlation", took, ""))
        took, dynamics = timed(lambda: fcd(bold, TR, **windows), clock, 3)
        rows.append(("  FCD", took, f"{dynamics.shape[1:]}"))
        took, _ = timed(lambda: ks(triangle(dynamics), comparison.fcd), clock, 3)
        rows.append(("  FCD KS", took, ""))
        took, _ = timed(lambda: partial_correlation(bold), clock, 3)
        rows.append(("partial correlation", took, "not among the scores"))
    print(f"{'':26} | ms a simulation | share of the simulation |")
    for name, seconds, note in rows:
        print(f"{name:26} | {1e3 * seconds / count:15.2f} | {100 * seconds / simulation:21.2f} % | {note}")
    print(f"\n{count} simulations of {options.nodes} nodes, {options.minutes:g} min: {bold.shape[1]} volumes")
    print(f"machine: {processor()}, {os.cpu_count()} cores{', GPU by the clock' if options.gpu else ''}")
    print(f"python {platform.python_version()}, numpy {np.__version__}")
    print("command: " + " ".join(["python", *sys.argv]))


def processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return next(line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


if __name__ == "__main__":
    main()
