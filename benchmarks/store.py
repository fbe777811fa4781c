"""What the store takes and gives: python benchmarks/store.py [--postgresql URL] [--scale 1.0] [--optuna PYTHON]

Individuals have 5 parameters and 2 fitness values. SQLite lies in a temporary folder, and PostgreSQL is the database at
URL, or that of a server of its own, with its default settings, where Debian's package is installed. Optuna's RDB
storage (ask and tell of a trial) is measured in the same run, by a Python that has Optuna. --scale 0.01 takes a minute.
"""

from __future__ import annotations

import argparse
import os
import platform
import pwd
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import text

from l2l.individual import Evaluation, Individual, Status
from l2l.store import RunSpec, RunWriter, Store
from l2l.trajectory import Trajectory

NAMES = ("G", "w", "I0", "sigma", "tau")
SPEC: dict[str, Any] = {
    "name": "benchmark",
    "seed": 1,
    "space": {name: {"kind": "real", "low": 0.0, "high": 1.0} for name in NAMES},
    "objectives": [{"name": "fc_corr", "maximize": True}, {"name": "fcd_ks", "maximize": False}],
    "provenance": {"script": {"text": "x = 1\n" * 500}},
}
SIZE = 1000  # of a generation
RNG = np.random.default_rng(0)

Figures = Iterator[tuple[str, str, float, str]]  # what, what must be reached, measured, unit

OPTUNA = """
import sys, time
import optuna
optuna.logging.set_verbosity(optuna.logging.ERROR)
study = optuna.create_study(storage=sys.argv[1], directions=["maximize", "minimize"],
                            sampler=optuna.samplers.RandomSampler(0))
names = ("G", "w", "I0", "sigma", "tau")
begun = time.perf_counter()
for _ in range(int(sys.argv[2])):
    trial = study.ask({name: optuna.distributions.FloatDistribution(0, 1) for name in names})
    study.tell(trial, (0.5, 0.5))
print(int(sys.argv[2]) / (time.perf_counter() - begun))
"""


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


def best_ms(action: Callable[[], object], times: int = 3) -> float:
    return 1000 / max(rate(1, action) for _ in range(times))


def one_by_one(writer: RunWriter, number: int, evaluations: list[Evaluation]) -> float:
    def record() -> None:
        for one in evaluations:
            writer.record_evaluations([one])

    writer.record_generation(number, [one.individual for one in evaluations])
    return rate(len(evaluations), record)


def writing(store: Store) -> Figures:
    with store.create_run(RunSpec(**SPEC)) as writer:
        for number in range(3):  # the first ones warm it up
            speed = one_by_one(writer, number, [evaluation(item) for item in generation(number, SIZE)])
        yield "evaluations, one commit each", ">= 1,500", speed, "/s"
        asking = recording = 0.0
        for number in range(3, 13):
            individuals = generation(number, SIZE)
            evaluations = [evaluation(individual) for individual in individuals]
            asking += 1 / rate(1, lambda: writer.record_generation(number, individuals))  # noqa: B023
            recording += 1 / rate(1, lambda: writer.record_evaluations(evaluations))  # noqa: B023
        yield "individuals asked, batched", "", 10 * SIZE / asking, "/s"
        yield "evaluations, batched", ">= 30,000", 10 * SIZE / recording, "/s"


def many(store: Store, scale: float) -> Figures:
    """100 runs of 10,000 individuals."""
    count = max(SIZE, int(10_000 * scale))
    before = size_of(store)
    for _ in range(100):
        with store.create_run(RunSpec(**SPEC)) as writer:
            for number in range(count // SIZE):
                individuals = generation(number, SIZE)
                writer.record_generation(number, individuals)
                writer.record_evaluations([evaluation(individual) for individual in individuals])
                writer.record_told(number, {})
            writer.finish("finished", "")
    whole = 100 * (count // SIZE) * SIZE
    yield "size of an individual, as written", "< 300", (size_of(store) - before) / whole, "bytes"
    trajectory = Trajectory.open(store)
    yield f"best 20 of a run, among {whole:,}", "< 50", best_ms(lambda: trajectory.best(20)), "ms"
    yield "a generation, to pandas", "< 50", best_ms(lambda: one_generation(store)), "ms"
    yield "a range of a parameter over all runs, to pandas", "< 1,000", best_ms(lambda: in_range(store)), "ms"


def one_generation(store: Store) -> object:
    return store.query("generation == 0", runs="last")


def in_range(store: Store) -> object:
    return store.query("G > 0.3 and G < 0.31")


def matrices(store: Store, scale: float) -> Figures:
    count = max(300, int(100_000 * scale))
    series = np.cumsum(RNG.standard_normal((50, 100, 400)), axis=2)
    fcs = [np.corrcoef(one).astype(np.float32) for one in series]
    spent, before = 0.0, size_of(store)
    with store.create_run(RunSpec(**SPEC)) as writer:
        for number in range(count // 100):
            individuals = generation(number, 100)
            writer.record_generation(number, individuals)
            evaluations = [evaluation(one, {"fc": fcs[one.position % 50]}) for one in individuals]
            spent += 1 / rate(1, lambda: writer.record_evaluations(evaluations))  # noqa: B023
        speed = one_by_one(writer, number + 1, [evaluation(one, {"fc": fcs[0]}) for one in generation(number + 1, 300)])
        writer.finish("finished", "")
    stored = count // 100 * 100 + 300
    yield f"FC (100 x 100, float32), {count:,}, batched", ">= 500", count // 100 * 100 / spent, "/s"
    yield "FC, one commit each", ">= 500", speed, "/s"
    yield "FC on disk, of its raw size", "<= 60", 100 * (size_of(store) - before) / stored / fcs[0].nbytes, "%"
    trajectory, places = Trajectory.open(store), iter(RNG.integers(count // 100, size=1000).tolist())
    yield "FC, read one", "< 5", best_ms(lambda: trajectory.recording((next(places), 7), "fc"), 20), "ms"


def a_thousand_runs(store: Store, url: str) -> Figures:
    for _ in range(1000 - len(store.runs())):
        store.create_run(RunSpec(**SPEC)).finish("finished", "budget")
    empty = best_ms(lambda: subprocess.run([sys.executable, "-c", ""], check=True))
    code = "import sys; from l2l.store import Store\nwith Store.open(sys.argv[1], read_only=True) as s: len(s.runs())"
    for what, command in (
        ("opening a store, 1,000 runs", ["-c", code, url]),
        ("l2l runs, 1,000 runs", ["-m", "l2l.cli", "runs", "--store", url]),
    ):
        taken = best_ms(
            lambda: subprocess.run([sys.executable, *command], check=True, stdout=subprocess.DEVNULL),  # noqa: B023
            5,
        )
        yield what, "< 300", taken - empty, "ms"
    taken = best_ms(lambda: subprocess.run([sys.executable, "-c", "import l2l"], check=True), 5)
    yield "import l2l", "< 400", taken - empty, "ms"


def size_of(store: Store) -> float:
    if store.path is None:
        return float(store.read(lambda c: c.execute(text("SELECT pg_database_size(current_database())")).scalar()) or 0)
    with store.alone() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    return float(store.path.stat().st_size)


def optuna(python: str, url: str, scale: float) -> Figures:
    trials = max(100, int(2000 * scale))
    done = subprocess.run([python, "-c", OPTUNA, url, str(trials)], capture_output=True, text=True)
    if done.returncode:
        print(f"Optuna on {url.partition(':')[0]}: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
        return
    yield "Optuna: trials asked and told", "", float(done.stdout), "/s"


def syncs_of(folder: str) -> float:
    """How often a second this disk syncs: a law for every commit that waits for it."""
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:

        def write() -> None:
            for _ in range(100):
                file.write(bytes(4096))
                os.fsync(file.fileno())

        return rate(100, write)


@contextmanager
def server() -> Iterator[str | None]:
    """The URL of a database of a throw-away PostgreSQL; None where none is installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parts[4]))
    if not found:
        yield None
        return
    folder = tempfile.mkdtemp(prefix="l2l-bench-")
    run: list[str] = []
    if os.geteuid() == 0:
        pwd.getpwnam("postgres")
        shutil.chown(folder, "postgres")
        run = ["runuser", "-u", "postgres", "--"]
    Path(folder).chmod(0o755)

    def call(*command: str) -> None:
        subprocess.run(
            [*run, str(found[-1] / command[0]), *command[1:]], check=True, cwd="/", stdout=subprocess.DEVNULL
        )

    data, log = f"{folder}/data", f"{folder}/log"
    try:
        call("initdb", "-D", data, "-U", "postgres", "--auth=trust", "-E", "UTF8", "--locale=C")
        call("pg_ctl", "-D", data, "-l", log, "-w", "-o", f"-k {folder} -p 54388 -c listen_addresses=", "start")
        for name in ("l2l", "optuna"):
            call("createdb", "-h", folder, "-p", "54388", "-U", "postgres", name)
        yield f"postgresql+psycopg://postgres@/l2l?host={folder}&port=54388"
    finally:
        call("pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
        shutil.rmtree(folder, ignore_errors=True)


def measure(url: str, given: argparse.Namespace) -> dict[str, tuple[str, float, str]]:
    with Store.open(url) as store:
        parts = [writing(store), many(store, given.scale), matrices(store, given.scale), a_thousand_runs(store, url)]
        figures = {what: (must, value, unit) for part in parts for what, must, value, unit in part}
    if given.optuna:
        other = url.replace("/l2l.db", "/optuna.db").replace("/l2l?", "/optuna?")
        figures |= {what: (must, value, unit) for what, must, value, unit in optuna(given.optuna, other, given.scale)}
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--postgresql", metavar="URL", help="an empty database; for Optuna none is measured then")
    parser.add_argument("--sqlite-only", action="store_true")
    parser.add_argument("--scale", type=float, default=1.0, help="1: 1,000,000 individuals and 100,000 matrices")
    parser.add_argument("--optuna", metavar="PYTHON", help="a Python that has Optuna (and psycopg)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, server() as url:
        found = {"SQLite": measure(f"sqlite:///{folder}/l2l.db", given)}
        url = given.postgresql or url
        if url is not None and not given.sqlite_only:
            found["PostgreSQL"] = measure(url, given)
        print(
            f"{platform.platform()}, {os.cpu_count()} cores (load {os.getloadavg()[0]:.1f}), "
            f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, the disk syncs "
            f"{syncs_of(folder):,.0f} times a second\npython {' '.join(sys.argv)}"
        )
    print(f"{'':<52}{'must reach':>12}" + "".join(f"{name:>15}" for name in found))
    for what, (must, _, unit) in found["SQLite"].items():
        values = (f"{part[what][1]:>15,.1f}" if what in part else f"{'':>15}" for part in found.values())
        print(f"{what:<52}{must:>12}{''.join(values)} {unit}")


if __name__ == "__main__":
    main()

# Measured: 2 cores (virtual, shared with other work, load 2), Linux 6.18, Python 3.11.7, SQLite 3.40.1, PostgreSQL 15
# with its default settings (fsync on); the disk synced 3,153 times a second
# Command:  python benchmarks/store.py --scale 0.1 --optuna PYTHON
#                                                       must reach         SQLite     PostgreSQL
# evaluations, one commit each                            >= 1,500        5,373.3        1,784.6 /s
# individuals asked, batched                                            127,822.3       57,145.6 /s
# evaluations, batched                                   >= 30,000       76,832.5       51,099.3 /s
# size of an individual, as written                          < 300          296.4          434.0 bytes
# best 20 of a run, among 100,000                             < 50            3.4            4.6 ms
# a generation, to pandas                                     < 50           13.1           19.8 ms
# a range of a parameter over all runs, to pandas          < 1,000          141.1          473.2 ms
# FC (100 x 100, float32), 10,000, batched                  >= 500        5,741.8        2,718.7 /s
# FC, one commit each                                       >= 500        2,500.8        1,000.2 /s
# FC on disk, of its raw size                                <= 60           51.6           53.4 %
# FC, read one                                                 < 5            1.0            2.2 ms
# opening a store, 1,000 runs                                < 300          492.3          428.3 ms
# l2l runs, 1,000 runs                                       < 300          617.0          551.7 ms
# import l2l                                                 < 400           11.0           11.4 ms
# Optuna: trials asked and told                                              31.2           43.6 /s
