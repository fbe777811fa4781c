"""A search in Slurm's jobs while everything goes wrong that can; it ends as the undisturbed one, bit for bit."""

import collections
import os
import signal
import sys
import textwrap

import pytest

from l2l.trajectory import Trajectory

GENERATIONS, POPULATION, DEADLINE, ATTEMPTS = 10, 20, 2.0, 3
DEADLY = {(2, 7): "segfault", (4, 3): "hang in C", (5, 11): "poison", (7, 0): "poison"}

SCRIPT = f"""
    import ctypes, os, signal, time
    import numpy as np
    from l2l import Experiment, Objective, Optimizee, Outcome, Real, Space
    from l2l.optimizers import CMAES
    from l2l.runners import DaskRunner, JobQueue

    DEADLY = {DEADLY!r}

    class Rugged(Optimizee):
        space = Space({{"x": Real(-3, 3), "y": Real(0.01, 10, log=True)}})
        objectives = (Objective("loss"),)

        def simulate(self, individual):
            place = (individual.generation, individual.position)
            calm = "CALM" in os.environ
            time.sleep(0 if calm else 0.2)
            if place in DEADLY:
                if calm:
                    raise ValueError("an undisturbed run lives to tell")
                self.die(DEADLY[place])
            noise = individual.rng().normal(0, 0.01, 100)
            loss = (individual["x"] - 1) ** 2 + np.log(individual["y"]) ** 2 + float(np.sin(noise).sum())
            with open(os.environ["FINISHED"], "a") as file:
                file.write(f"{{place[0]}} {{place[1]}} {{os.getpid()}}\\n")
            return Outcome({{"loss": loss}}, recordings={{"noise": noise}})

        def die(self, how):
            if how == "segfault":
                ctypes.string_at(0)
            elif how == "hang in C":
                ctypes.PyDLL(None).sleep(1000)  # a PyDLL keeps the interpreter lock
            else:
                os.kill(os.getpid(), signal.SIGKILL)

    experiment = Experiment(
        Rugged(), CMAES(population={POPULATION}), generations={GENERATIONS}, seed=11, name="rugged",
        runner=DaskRunner(
            queue=JobQueue(jobs=4, memory="300MB", walltime="0:10:00", interface="lo", folder="jobs", grace=10.0),
            deadline={DEADLINE}, attempts={ATTEMPTS},
        ),
    )
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    path = tmp_path_factory.mktemp("script") / "fit.py"
    path.write_text(textwrap.dedent(SCRIPT))
    return path


@pytest.fixture(scope="module")
def undisturbed(script, tmp_path_factory):
    """The table of the run in one process, in which nobody dies: those who would only fail."""
    import subprocess

    folder = tmp_path_factory.mktemp("calm")
    environment = os.environ | {"CALM": "1", "FINISHED": str(folder / "finished")}
    command = [
        sys.executable,
        "-m",
        "l2l.cli",
        "run",
        str(script),
        "--runner",
        "serial",
        "--store",
        str(folder / "l2l.db"),
    ]
    subprocess.run(command, check=True, capture_output=True, env=environment, cwd=folder)
    return table(folder)


def table(folder):
    """Every individual with what was asked and what came of it, if it is ok."""
    frame = Trajectory.open(folder / "l2l.db").individuals()
    frame = frame.sort_values(["generation", "position"])
    assert len(frame) <= GENERATIONS * POPULATION
    return [
        (row.generation, row.position, row.x, row.y, row.loss if row.status == "ok" else None)
        for row in frame.itertuples()
    ]


def recorded(folder):
    """The statuses that are in the database, by place; {} while there is none."""
    try:
        frame = Trajectory.open(folder / "l2l.db").individuals()
    except Exception:
        return {}
    frame = frame[frame["status"].isin(["ok", "failed", "timeout", "lost", "invalid"])]
    return {(row.generation, row.position): row.status for row in frame.itertuples()}


def finished(folder):
    """The places of all evaluations that ran to their end, in the order in which they did."""
    lines = (folder / "finished").read_text().splitlines()
    return [tuple(map(int, line.split()[:2])) for line in lines]


@pytest.mark.usefixtures("nobody_left")
def test_nothing_is_lost_and_nothing_hangs(slurm, driver, tools, script, undisturbed, tmp_path):
    """scancel, kill -9 of a worker, a segfault, a hang in C, poison; then kill -9 of the driver, and resume."""
    environment = {"FINISHED": str(tmp_path / "finished")}
    first = driver(tmp_path, "run", str(script), **environment)

    assert tools.wait_until(lambda: len(recorded(tmp_path)) > 20, 60), first.end()
    jobs = set(slurm.jobs())
    slurm.call("scancel", sorted(jobs)[0])
    assert tools.wait_until(lambda: len(set(slurm.jobs()) - jobs) >= 1, 20), "the cancelled job was not replaced"
    os.kill(tools.workers_of_jobs()[0].pid, signal.SIGKILL)

    # In generation 7 the driver dies as well, while the last of the deadly is about.
    assert tools.wait_until(lambda: max(recorded(tmp_path), default=(0,))[0] >= 7, 90), first.process.poll()
    assert first.process.poll() is None, first.end()
    first.kill()
    # Their connection to the scheduler breaks with its process: each job's program sees that and ends at once.
    assert tools.wait_until(lambda: not slurm.jobs() and not tools.job_programs(), 15), tools.job_programs()

    before = recorded(tmp_path)
    count = len(finished(tmp_path))
    code, said = driver(tmp_path, "resume", **environment).end()
    assert code == 0, said
    # What is in the database is not evaluated again. What finished without being recorded was in flight: one result on
    # its way from each of four workers, and the evaluation that each was at when the driver died.
    assert not set(finished(tmp_path)[count:]) & set(before)
    assert len({place for place in finished(tmp_path)[:count] if place not in before}) <= 8

    assert table(tmp_path) == undisturbed
    after = recorded(tmp_path)
    statuses = collections.Counter(after.values())
    assert {place: after[place] for place in DEADLY} == {
        place: "timeout" if how == "hang in C" else "lost" for place, how in DEADLY.items()
    }
    assert statuses == {"ok": GENERATIONS * POPULATION - len(DEADLY), "lost": 3, "timeout": 1}

    told_where_it_happened(tmp_path)


def told_where_it_happened(folder):
    """Host, worker, job, attempts and last words are in the database."""
    with Trajectory.open(folder / "l2l.db") as trajectory:
        frame = trajectory.individuals().set_index(["generation", "position"])
        traces = trajectory.failures().set_index(["generation", "position"])["traceback"]
    ok = frame[frame["status"] == "ok"]
    assert ok["worker"].str.contains(r"tcp://127\.0\.0\.1:\d+ job-\d+-0").all()
    assert ok["job"].tolist() == ok["worker"].str.extract(r"job-(\d+)")[0].tolist()
    assert ok["job"].nunique() > 4  # the first four, and some that came after them
    assert (ok["seconds"] > 0.2).all()
    segfault, hang, poison = frame.loc[(2, 7)], frame.loc[(4, 3)], frame.loc[(5, 11)]
    assert (segfault["status"], segfault["attempt"]) == ("lost", ATTEMPTS)
    assert "Segmentation fault" in segfault["error"]
    assert (hang["status"], hang["attempt"], hang["seconds"]) == ("timeout", 1, DEADLINE)
    for each in (segfault, hang, poison):
        assert f" job-{each['job']}-0" in each["worker"]
        assert each["host"] == ok["host"].iloc[0]
    # Stacks come from the dying process itself; SIGKILL leaves none, so there the job's log speaks.
    assert "in die" in traces[2, 7]
    assert "in die" in traces[4, 3]
    assert "signal 9" in traces[5, 11]
