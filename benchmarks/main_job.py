"""The main job over several seeds: how well it fits, how long it takes, beside what needs no neural model.

python benchmarks/main_job.py --seeds 1 2 3 4 5
"""

from __future__ import annotations

import argparse
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path

from l2l import datasets
from l2l.observables.linear import best_diffusive_network
from l2l.script import load_experiment

EXAMPLE = Path(__file__).parents[1] / "examples" / "fit_resting_state.py"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    seeds = parser.parse_args().seeds
    validated = []
    print("seed  best fit  validated  best validated of 5  not ok  seconds", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for seed in seeds:
            experiment = load_experiment(EXAMPLE)
            experiment.seed = seed
            started = time.perf_counter()
            trajectory = experiment.run(store=Path(folder) / "l2l.db", quiet=True)
            seconds = time.perf_counter() - started
            best = trajectory.best(5)
            failures = len(trajectory.failures())
            validated.append(best["validated_fc_corr"].iloc[0])
            most = best["validated_fc_corr"].max()
            print(
                f"{seed:4}  {best['fc_corr'].iloc[0]:8.3f}  {validated[-1]:9.3f}  {most:19.3f}"
                f"  {failures:6}  {seconds:7.1f}",
                flush=True,
            )
        baselines = trajectory.run.summary["baselines"]
        data = datasets.load("dk-average")
        raw = best_diffusive_network(data.connectome.weights, data.fc)
    if len(validated) > 1:
        print(
            f"validated: mean {statistics.mean(validated):.3f}, sd {statistics.stdev(validated):.3f}, "
            f"from {min(validated):.3f} to {max(validated):.3f}"
        )
    for name, value in baselines.items():
        print(f"baseline {value:.3f}: {name}")
    print(f"baseline {raw.correlation:.3f}: best diffusive network on the raw weights (b = {raw.parameter:.3g})")
    print(f"machine: {platform.machine()}, Python {platform.python_version()}; command: python {' '.join(sys.argv)}")


if __name__ == "__main__":
    main()
