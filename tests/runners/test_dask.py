"""What only workers can do: die, hang, and be started again."""

import ctypes
import os
import signal
import sys
import threading
import time

import cloudpickle
import numpy as np
import psutil
import pytest

from l2l.errors import RunnerError
from l2l.individual import Individual, Outcome, Status
from l2l.objective import Objective
from l2l.optimizees import FunctionOptimizee, Optimizee
from l2l.runners import DaskRunner
from l2l.space import Real, Space

cloudpickle.register_pickle_by_value(sys.modules[__name__])

LINE = Space({"x": Real(-10, 10)})
DEADLINE = 1.5


@pytest.fixture(scope="module")
def runner():
    with DaskRunner(workers=2, deadline=DEADLINE, attempts=2) as opened:
        yield opened


def individuals(count):
    return [Individual({"x": float(index)}, position=index) for index in range(count)]


def end(how):
    if how == "exit":
        os._exit(3)
    elif how == "segfault":
        ctypes.string_at(0)
    elif how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif how == "hang in C":
        ctypes.PyDLL(None).sleep(1000)  # a PyDLL keeps the interpreter lock
    elif how == "hang":
        while True:
            pass


def statuses(evaluations):
    found = sorted(evaluations, key=lambda evaluation: evaluation.individual.position)
    return [evaluation.status.value for evaluation in found], found


@pytest.mark.parametrize("how", ["exit", "segfault", "kill"])
def test_who_kills_its_worker_is_lost_and_nobody_else(runner, how):
    def function(x):
        if x == 7.0:
            end(how)
        return x

    found, evaluations = statuses(runner.evaluate(FunctionOptimizee(function, LINE), individuals(20)))
    assert found == ["ok"] * 7 + ["lost"] + ["ok"] * 12
    lost = evaluations[7]
    assert "its worker died 2 times" in lost.error
    assert lost.attempt >= 2
    assert lost.worker.startswith("tcp://127.0.0.1")
    if how == "segfault":
        assert "Segmentation fault" in lost.error
        assert "in end" in lost.traceback


@pytest.mark.parametrize("how", ["hang in C", "hang"])
def test_a_deadline_ends_even_what_holds_the_interpreter_lock(runner, how):
    def function(x):
        if x == 3.0:
            end(how)
        return x

    begun = time.monotonic()
    found, evaluations = statuses(runner.evaluate(FunctionOptimizee(function, LINE), individuals(12)))
    assert found == ["ok"] * 3 + ["timeout"] + ["ok"] * 8
    assert "in end" in evaluations[3].traceback
    assert f"{DEADLINE} s" in evaluations[3].error
    assert evaluations[3].attempt == 1  # a deadline is not tried twice
    assert time.monotonic() - begun < 20


class Lanes(Optimizee):
    """An engine with batches that one individual takes down."""

    def __init__(self, how):
        self.space, self.objectives, self.batch_size, self.how = LINE, (Objective("loss"),), 16, how

    def simulate(self, individual):
        raise NotImplementedError

    def simulate_batch(self, individuals):
        if any(individual["x"] == 5.0 for individual in individuals):
            end(self.how)
        return [Outcome({"loss": individual["x"]}) for individual in individuals]


@pytest.mark.parametrize(("how", "status"), [("kill", "lost"), ("hang in C", "timeout")])
def test_a_batch_that_dies_is_split_until_the_guilty_is_alone(runner, how, status):
    found, _ = statuses(runner.evaluate(Lanes(how), individuals(32)))
    assert found == ["ok"] * 5 + [status] + ["ok"] * 26


def _is_worker(process):
    try:
        return "spawn_main" in " ".join(process.cmdline())
    except psutil.Error:  # it has ended, or is about to
        return False


def test_innocents_of_a_killed_worker_are_evaluated_again(runner):
    """A worker killed from outside, once: nobody is lost."""
    workers = []
    while len(workers) < 2 or runner._look(at_once=True) < 2:  # the test before took one down
        time.sleep(0.05)
        children = psutil.Process().children(recursive=True)
        workers = [each for each in children if _is_worker(each)]
    evaluations = []
    for evaluation in runner.evaluate(FunctionOptimizee(lambda x: time.sleep(0.2) or x, LINE), individuals(12)):
        evaluations.append(evaluation)
        if len(evaluations) == 2:
            workers[0].kill()
    found, evaluations = statuses(evaluations)
    assert found == ["ok"] * 12
    assert max(evaluation.attempt for evaluation in evaluations) == 2


def test_work_is_spread_over_all_workers(runner):
    evaluations = list(runner.evaluate(FunctionOptimizee(lambda x: time.sleep(0.02) or x, LINE), individuals(24)))
    assert len({evaluation.worker for evaluation in evaluations}) == 2


def test_results_stream_back(runner):
    optimizee = FunctionOptimizee(lambda x: time.sleep(0.05) or x, LINE)
    begun = time.monotonic()
    stream = runner.evaluate(optimizee, individuals(40))
    next(stream)
    first = time.monotonic() - begun
    list(stream)
    assert first < (time.monotonic() - begun) / 2


def test_an_optimizee_travels_to_each_worker_once(runner):
    class Heavy(Optimizee):
        def __init__(self):
            self.space, self.objectives = LINE, (Objective("loss"),)
            self.weights = np.ones(1_000_000)

        def __setstate__(self, state):
            self.__dict__.update(state)
            self.born = (os.getpid(), time.time_ns())

        def simulate(self, individual):
            return Outcome({"loss": individual["x"]}, {"born": list(self.born)})

    optimizee = Heavy()
    births = set()
    for _ in range(3):
        births |= {tuple(each.measurements["born"]) for each in runner.evaluate(optimizee, individuals(40))}
    assert len(births) == len({process for process, _ in births}) <= 2


def test_engines_get_the_threads_of_their_worker(runner):
    def threads():
        names = ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS")
        return Outcome({"loss": 0.0}, {name: os.environ[name] for name in names})

    optimizee = FunctionOptimizee(lambda x: threads(), LINE)  # noqa: ARG005
    (evaluation,) = runner.evaluate(optimizee, individuals(1))
    assert set(evaluation.measurements.values()) == {"1"}


def test_an_optimizee_that_cannot_travel_is_named_before_anything_is_sent(runner):
    lock = threading.Lock()
    optimizee = FunctionOptimizee(lambda x: lock and x, LINE)
    with pytest.raises(RunnerError, match="cannot be sent to workers"):
        runner.evaluate(optimizee, individuals(1))


def test_an_optimizee_that_cannot_be_loaded_ends_the_run(runner):
    class Fragile(Optimizee):
        space, objectives = LINE, (Objective("loss"),)

        def __setstate__(self, state):
            raise ModuleNotFoundError("No module named 'engine'")

        def __getstate__(self):
            return {"a": 1}

        def simulate(self, individual):
            raise NotImplementedError

    with pytest.raises(RunnerError, match="No module named 'engine'"):
        list(runner.evaluate(Fragile(), individuals(3)))
    assert len(list(runner.evaluate(FunctionOptimizee(lambda x: x, LINE), individuals(3)))) == 3


def test_user_errors_that_look_like_interrupts_are_failures(runner):
    def function(x):
        raise KeyboardInterrupt(f"{x}")

    (evaluation,) = runner.evaluate(FunctionOptimizee(function, LINE), individuals(1))
    assert evaluation.status is Status.FAILED


def test_everything_listens_on_loopback_only(runner):
    assert runner.describe()["workers"] == 2
    me = psutil.Process()
    listening = [
        connection.laddr.ip
        for process in [me, *me.children(recursive=True)]
        for connection in process.net_connections(kind="tcp")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert listening
    assert set(listening) == {"127.0.0.1"}


def test_the_drivers_environment_is_left_alone(runner):
    assert runner.workers == 2
    import dask

    assert "MALLOC_TRIM_THRESHOLD_" not in os.environ
    runner_of_one = DaskRunner(workers=1)
    before = dict(os.environ), dask.config.get("distributed.comm.retry.count")
    with runner_of_one:
        pass
    assert (dict(os.environ), dask.config.get("distributed.comm.retry.count")) == before


def test_the_workers_of_a_running_scheduler(runner):
    """Beside the runner that owns it; also through a scheduler file."""
    address = runner._cluster._scheduler.address
    with DaskRunner(address=address) as guest:
        evaluations = list(guest.evaluate(FunctionOptimizee(lambda x: 2 * x, LINE), individuals(5)))
    assert sorted(evaluation.fitness["loss"] for evaluation in evaluations) == [0.0, 2.0, 4.0, 6.0, 8.0]


def test_a_scheduler_with_settings_of_its_own():
    """It sends a task to other workers, up to three times by default, before it reports that they died."""
    import dask
    import distributed

    def function(x):
        if x == 3.0:
            end("kill")
        return x

    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 3}),
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0") as cluster,
        DaskRunner(address=cluster.scheduler_address) as guest,
    ):
        found, evaluations = statuses(guest.evaluate(FunctionOptimizee(function, LINE), individuals(10)))
    assert found == ["ok"] * 3 + ["lost"] + ["ok"] * 6
    assert "its worker died 4 times" in evaluations[3].error


def test_no_scheduler_there():
    with (
        pytest.raises(RunnerError, match="no scheduler answers at tcp://127"),
        DaskRunner(address="tcp://127.0.0.1:9", patience=1.0),
    ):
        pass


def test_no_workers_there():
    import distributed

    with distributed.LocalCluster(n_workers=0, dashboard_address="127.0.0.1:0") as cluster:
        begun = time.monotonic()
        with (
            pytest.raises(RunnerError, match=r"no worker for 1 s.*dask worker tcp://"),
            DaskRunner(address=cluster.scheduler_address, patience=1.0),
        ):
            pass
    assert time.monotonic() - begun < 15


def test_a_closed_runner_says_so():
    closed = DaskRunner(workers=1)
    with pytest.raises(RunnerError, match="with DaskRunner"):
        closed.evaluate(FunctionOptimizee(lambda x: x, LINE), individuals(1))
    closed.close()
