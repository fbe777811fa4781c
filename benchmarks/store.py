"""What the store takes and gives a second: python benchmarks/store.py [URL] [--individuals 100000]

Individuals have 5 parameters and 2 fitness values. Without a URL: SQLite in a temporary folder.
"""

from __future__ import annotations

import argparse
import os
import platform
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from l2l.individual import Evaluation, Individual, Status
from l2l.store import RunSpec, RunWriter, Store
from l2l.trajectory import Trajectory

NAMES = ("G", "w", "I0", "sigma", "tau")
SPEC: dict[str, Any] = {
    "name": "benchmark",
    "seed": 1,
    "space": {name: {"kind": "real", "low": 0.0, "high": 1.0} for name in NAMES},
    "objectives": [{"name": "fc_corr", "maximize": True}, {"name": "fcd_ks", "maximize": False}],
    "provenance": {"script": "x = 1\n" * 500},
}
RNG = np.random.default_rng(0)


def generation(number: int, size: int) -> list[Individual]:
    points = RNG.random((size, len(NAMES))).tolist()
    seeds = RNG.integers(2**64, size=size, dtype=np.uint64).tolist()
    return [
        Individual(dict(zip(NAMES, point, strict=True)), number, place, seed=seed)
        for place, (point, seed) in enumerate(zip(points, seeds, strict=True))
    ]


def evaluation(individual: Individual, recordings: dict[str, np.ndarray] | None = None) -> Evaluation:
    return Evaluation(
        individual,
        Status.OK,
        {"fc_corr": RNG.random(), "fcd_ks": RNG.random()},
        {},
        recordings or {},
        started=time.time(),
        seconds=0.1,
        worker="tcp://127.0.0.1:34567",
        host="node",
    )


def rate(count: int, action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return count / (time.perf_counter() - start)


def best_ms(action: Callable[[], object]) -> float:
    return 1000 / max(rate(1, action) for _ in range(3))


def single(writer: RunWriter) -> Iterator[tuple[str, float, str]]:
    individuals = generation(0, 2000)
    writer.record_generation(0, individuals, None)
    evaluations = [evaluation(individual) for individual in individuals]

    def record() -> None:
        for one in evaluations:
            writer.record_evaluations([one])

    yield "evaluations, one a commit", rate(len(evaluations), record), "/s"
    individuals = generation(1, 300)
    writer.record_generation(1, individuals, None)
    series = RNG.standard_normal((300, 100, 200), dtype=np.float32)
    matrices = [np.corrcoef(one).astype(np.float32) for one in series]
    evaluations = [evaluation(one, {"fc": fc}) for one, fc in zip(individuals, matrices, strict=True)]
    yield "evaluations with an FC (100 x 100), one a commit", rate(len(evaluations), record), "/s"


def batched(writer: RunWriter, count: int) -> Iterator[tuple[str, float, str]]:
    asking = recording = telling = 0.0
    size = 2000
    for number in range(2, 2 + count // size):
        individuals = generation(number, size)
        evaluations = [evaluation(individual) for individual in individuals]
        asking += 1 / rate(1, lambda: writer.record_generation(number, individuals, None))  # noqa: B023
        recording += 1 / rate(1, lambda: writer.record_evaluations(evaluations))  # noqa: B023
        telling += 1 / rate(1, lambda: writer.record_told(number, {}))  # noqa: B023
    yield "individuals asked, batched", count / asking, "/s"
    yield "evaluations, batched", count / recording, "/s"
    yield "individuals told", count / telling, "/s"


def reading(store: Store, count: int) -> Iterator[tuple[str, float, str]]:
    trajectory = Trajectory.open(store, 1)
    trajectory.best(1)
    yield f"best(20) of {count:,}", best_ms(lambda: trajectory.best(20)), "ms"
    yield f"individuals() of {count:,}", best_ms(trajectory.individuals), "ms"
    yield f"generations() of {count:,}", best_ms(trajectory.generations), "ms"
    yield "recording()", best_ms(lambda: trajectory.recording((1, 7), "fc")), "ms"


def many_runs(store: Store) -> Iterator[tuple[str, float, str]]:
    for _ in range(999):
        store.create_run(RunSpec(**SPEC)).finish("finished", "budget")
    code = "import sys; from l2l.store import Store\nwith Store.open(sys.argv[1], read_only=True) as s: len(s.runs())"
    empty = best_ms(lambda: subprocess.run([sys.executable, "-c", ""], check=True))
    taken = best_ms(lambda: subprocess.run([sys.executable, "-c", code, store.url], check=True))
    yield "a process that lists 1,000 runs, above an empty one", taken - empty, "ms"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", nargs="?")
    parser.add_argument("--individuals", type=int, default=100_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Store.open(given.url or Path(folder) / "l2l.db") as store:
        with store.create_run(RunSpec(**SPEC)) as writer:
            results = [*single(writer), *batched(writer, given.individuals)]
        results += reading(store, given.individuals)
        results += many_runs(store)
        print(
            f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
            f"SQLite {sqlite3.sqlite_version}, {store.label.partition(':')[0]}"
        )
        for what, figure, unit in results:
            print(f"{what:<55} {figure:>12,.1f} {unit}")
        if given.url is None:
            print(f"{'size, all included':<55} {os.path.getsize(Path(folder) / 'l2l.db') / 1e6:>12,.1f} MB")


if __name__ == "__main__":
    main()

# Measured: 2 cores (virtual, shared with other work, load 4), Linux 6.18, Python 3.11.7, SQLAlchemy 2.1
# Command:  python benchmarks/store.py [URL] --individuals 60000
#                                                      SQLite 3.40   PostgreSQL 15 (Unix socket, fsync off)
# evaluations, one a commit                                2,979 /s         1,162 /s
# evaluations with an FC (100 x 100), one a commit           616 /s           396 /s
# individuals asked, batched                              75,106 /s        23,671 /s
# evaluations, batched                                    39,159 /s        13,100 /s
# individuals told                                       336,085 /s        88,696 /s
# best(20)                                                   2.4 ms           3.4 ms
# individuals()                                              577 ms         1,217 ms
# generations()                                              244 ms         1,006 ms
# recording()                                                0.8 ms           2.3 ms
# a process that lists 1,000 runs, above an empty one        533 ms           878 ms
# size: 353 bytes an individual on SQLite (5 parameters, 2 fitness values, worker and host)
