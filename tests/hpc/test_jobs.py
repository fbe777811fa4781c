"""Jobs that do not start, that start in vain, that come and go; on a real Slurm."""

import os
import shlex
import signal
import sys
import textwrap
import threading
import time

import cloudpickle
import psutil
import pytest

from l2l.errors import RunnerError, StoreError
from l2l.experiment import Experiment
from l2l.individual import Individual, Status
from l2l.optimizees import FunctionOptimizee
from l2l.progress import Silent
from l2l.runners import DaskRunner, JobQueue, jobs
from l2l.space import Real, Space
from l2l.trajectory import Trajectory

cloudpickle.register_pickle_by_value(sys.modules[__name__])

LINE = Space({"x": Real(-1000, 1000)})

pytestmark = pytest.mark.usefixtures("nobody_left")


@pytest.fixture
def queue(tmp_path):
    """Makes settings with what all of them share here."""

    def make(**settings):
        return JobQueue(
            **{"memory": "300MB", "walltime": "0:10:00", "interface": "lo", "folder": str(tmp_path)} | settings
        )

    return make


def individuals(count):
    return [Individual({"x": float(index)}, position=index) for index in range(count)]


def slow(x):
    time.sleep(0.3)
    return x


def opened_in_vain(queue, **settings):
    """What the error says when the runner cannot be opened."""
    with pytest.raises(RunnerError) as caught, DaskRunner(queue=queue, **settings):
        pass
    return str(caught.value)


def test_a_job_that_never_starts_is_told_with_its_reason(slurm, queue):
    begun = time.monotonic()
    said = opened_in_vain(queue(queue="closed"), patience=3.0)
    assert "no worker for 3 s" in said
    assert "PENDING (PartitionDown)" in said
    assert time.monotonic() - begun < 20
    assert slurm.jobs() == []


def test_a_search_whose_jobs_never_start_goes_on_elsewhere(queue, tmp_path):
    """Also without the queue, and to the same bits as if nothing had been."""
    experiment = Experiment(bowl, space={"x": Real(-3, 3), "y": Real(-3, 3)}, generations=3, seed=5)
    closed = DaskRunner(queue=queue(queue="closed"), patience=1.0)
    with pytest.raises(RunnerError, match="PartitionDown"):
        experiment.run(store=tmp_path / "a.db", runner=closed, quiet=True)
    resumed = experiment.resume(store=tmp_path / "a.db", runner="serial", observer=Silent()).individuals()
    undisturbed = experiment.run(store=tmp_path / "b.db", runner="serial", quiet=True).individuals()
    columns = ["generation", "position", "status", "x", "y", "loss"]
    assert resumed[columns].equals(undisturbed[columns])


def bowl(x, y, rng):
    return x**2 + y**2 + rng.normal(0, 0.1)


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGINT])
def test_an_ended_driver_leaves_nobody_even_if_a_worker_is_stuck_in_c(slurm, driver, tools, tmp_path, sign):
    """Its program sees that the scheduler is gone, and kills the worker, which sees nothing: within 15 s."""
    (tmp_path / "fit.py").write_text(
        textwrap.dedent("""
        import ctypes, os
        from l2l import Experiment, Real
        from l2l.runners import DaskRunner, JobQueue

        def stuck(x):
            open("stuck", "w").close()
            ctypes.PyDLL(None).sleep(1000)  # a PyDLL keeps the interpreter lock

        queue = JobQueue(memory="300MB", walltime="0:10:00", interface="lo", folder="jobs", workers_per_job=2)
        experiment = Experiment(stuck, space={"x": Real(0, 1)}, generations=1, runner=DaskRunner(queue=queue))
        """)
    )
    started = driver(tmp_path, "run", "fit.py")
    assert tools.wait_until((tmp_path / "stuck").exists, 60), started.process.poll()
    family = tools.job_programs()
    assert len(family) >= 3  # the job's program and two workers
    started.process.send_signal(sign)
    assert tools.wait_until(lambda: not tools.job_programs() and not slurm.jobs(), 15), tools.job_programs()


def test_a_driver_that_is_a_job_itself_ends_with_its_wall_time_and_goes_on(slurm, driver, tools, tmp_path):
    """Its workers are other jobs. At its wall time Slurm cancels it, as is done here by hand."""
    (tmp_path / "fit.py").write_text(
        textwrap.dedent("""
        import time
        from l2l import Experiment, Real
        from l2l.runners import DaskRunner

        def bowl(x):
            time.sleep(0.2)
            return x ** 2

        runner = DaskRunner.slurm(jobs=2, memory="300MB", walltime="0:10:00", interface="lo", folder="jobs")
        experiment = Experiment(bowl, "random", space={"x": Real(-1, 1)}, generations=4, runner=runner)
        """)
    )
    command = shlex.join([sys.executable, "-m", "l2l.cli", "run", "fit.py", "--store", "l2l.db"])
    number = slurm.call(
        "sbatch",
        "--parsable",
        "--mem=500M",
        f"--chdir={tmp_path}",
        "-o",
        str(tmp_path / "driver.log"),
        "--wrap",
        command,
    )
    assert tools.wait_until(lambda: evaluated(tmp_path) > 5, 60), (tmp_path / "driver.log").read_text()
    slurm.call("scancel", number)
    assert tools.wait_until(lambda: not tools.job_programs() and not slurm.jobs(), 15), slurm.jobs()
    before = evaluated(tmp_path)
    code, said = driver(tmp_path, "resume").end()
    assert code == 0, said
    assert evaluated(tmp_path) > before


def evaluated(folder):
    """How many evaluations the database holds; 0 while there is none."""
    try:
        return int((Trajectory.open(folder / "l2l.db").individuals()["status"] == "ok").sum())
    except StoreError:
        return 0


def test_jobs_that_end_at_once_are_told_with_their_log(queue):
    begun = time.monotonic()
    said = opened_in_vain(queue(jobs=2, prologue=["echo module: no such module CUDA/99 >&2", "exit 3"]))
    assert "3 jobs in a row ended" in said or "4 jobs in a row ended" in said
    assert "no such module CUDA/99" in said
    assert time.monotonic() - begun < 30


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"queue": "bacth"}, "did you mean 'batch'"),
        ({"memory": "900GB"}, "refuses the job"),
        ({"gpus_per_job": 3}, "refuses the job"),
        ({"interface": "lo0"}, "did you mean 'lo'"),
        ({"python": "/usr/bin/no-python"}, "does not start here"),
    ],
)
def test_what_cannot_be_submitted_is_told_before(slurm, queue, settings, said):
    assert said in opened_in_vain(queue(**settings))
    assert slurm.jobs() == []
    assert any(said in problem for problem in queue(**settings).check())


def test_all_is_well_with_settings_that_work(slurm, queue):
    assert slurm.jobs() == []
    assert queue(jobs=4, gpus_per_job=1, queue="batch").check() == []


def test_another_environment_is_refused_before_anything_is_evaluated(queue, tmp_path):
    """numpy's metadata of another version comes first on the worker's path."""
    numpy = tmp_path / "other" / "numpy-1.0.dist-info"
    numpy.mkdir(parents=True)
    (numpy / "METADATA").write_text("Metadata-Version: 2.1\nName: numpy\nVersion: 1.0\n")
    said = opened_in_vain(queue(prologue=[f"export PYTHONPATH={numpy.parent}:$PYTHONPATH"]))
    assert "numpy is 1.0 there and " in said
    assert "another environment than the driver" in said


def test_gpus_tls_and_addresses(slurm, queue):
    """Each worker has one GPU of its own, as Slurm gives it; nothing is said in the clear, or to other hosts."""

    def seen(x):
        time.sleep(0.1)
        return {"loss": x, "gpu": float(os.environ["CUDA_VISIBLE_DEVICES"] or -1)}

    settings = queue(jobs=1, gpus_per_job=2, workers_per_job=3, tls=True)
    with DaskRunner(queue=settings) as runner:
        optimizee = FunctionOptimizee(seen, LINE, ["loss", "gpu"])
        evaluations = list(runner.evaluate(optimizee, individuals(60)))
        family = [psutil.Process(), *(each for each in psutil.process_iter() if "SLURM_JOB_ID" in environment(each))]
        connections = [connection for process in family for connection in process.net_connections("tcp")]
        folder = runner._cluster.folder
        assert os.stat(folder).st_mode & 0o077 == 0
        keys = [os.path.join(folder, name) for name in os.listdir(folder) if name.endswith(".pem")]
        assert len(keys) == 3
        assert all(os.stat(key).st_mode & 0o077 == 0 for key in keys)
    assert not any(os.path.exists(key) for key in keys)
    assert {evaluation.status for evaluation in evaluations} == {Status.OK}
    assert all(evaluation.worker.startswith("tls://127.0.0.1:") for evaluation in evaluations)
    gpus = {evaluation.worker: (evaluation.fitness["gpu"], evaluation.device) for evaluation in evaluations}
    assert sorted(gpus.values()) == [
        (-1.0, "cpu"),
        (0.0, "cpu (CUDA_VISIBLE_DEVICES=0)"),
        (1.0, "cpu (CUDA_VISIBLE_DEVICES=1)"),
    ]
    listening = {connection.laddr.ip for connection in connections if connection.status == psutil.CONN_LISTEN}
    assert listening == {"127.0.0.1"}
    assert slurm.jobs("PENDING") == []


def environment(process):
    try:
        return process.environ()
    except (psutil.Error, OSError):
        return {}


def test_as_many_jobs_as_there_is_work(slurm, queue, tools, tmp_path, monkeypatch):
    monkeypatch.setattr(jobs, "_IDLE", 1.0)
    with DaskRunner(queue=queue(minimum_jobs=1, maximum_jobs=3)) as runner:
        assert len(slurm.jobs()) == 1
        most = 0
        for _ in runner.evaluate(FunctionOptimizee(slow, LINE), individuals(60)):
            most = max(most, len(slurm.jobs()))
        assert most == 3
        # An evaluation alone, which ends when one job is left.
        alone = str(tmp_path / "alone")
        watch = threading.Thread(target=lambda: tools.wait_until(lambda: len(slurm.jobs()) == 1, 30) and touch(alone))
        watch.start()
        begun = time.monotonic()
        (evaluation,) = runner.evaluate(FunctionOptimizee(lambda x: wait_for(alone) or x, LINE), individuals(1))
        watch.join()
    assert evaluation.ok
    assert evaluation.attempt == 1
    assert time.monotonic() - begun < 30


def touch(path):
    with open(path, "w"):
        pass


def wait_for(path):
    end = time.monotonic() + 40
    while not os.path.exists(path) and time.monotonic() < end:
        time.sleep(0.05)


def test_a_job_gets_no_work_before_its_wall_time_and_is_replaced(queue):
    """A wall time of a minute, of which the job may use three seconds: several jobs, and no evaluation is cut off."""
    with DaskRunner(queue=queue(walltime="0:01:00", drain=57.0)) as runner:
        evaluations = list(runner.evaluate(FunctionOptimizee(slow, LINE), individuals(26)))
    assert {evaluation.status for evaluation in evaluations} == {Status.OK}
    assert {evaluation.attempt for evaluation in evaluations} == {1}
    assert len({evaluation.worker for evaluation in evaluations}) >= 2
