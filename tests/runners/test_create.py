"""Runners by name."""

import pytest

from l2l import runners
from l2l.errors import RunnerError
from l2l.runners import DaskRunner, JobQueue, SerialRunner, create


def test_names():
    assert isinstance(create("serial"), SerialRunner)
    assert isinstance(create("dask"), DaskRunner)
    assert create("dask:4").describe()["workers"] == 4
    assert create("tcp://node1:8786").describe()["address"] == "tcp://node1:8786"
    assert create({"runner": "dask", "workers": 3, "deadline": 10.0}).describe()["deadline"] == 10.0


def test_job_queues_by_name():
    assert create("slurm").queue == JobQueue()
    assert create("lsf:3").queue == JobQueue(system="lsf", jobs=3)
    runner = create({"runner": "pbs", "jobs": 2, "walltime": "90 min", "deadline": 5.0})
    assert runner.queue == JobQueue(system="pbs", jobs=2, walltime="90 min")
    assert runner.deadline == 5.0


def test_creating_a_runner_imports_no_dask():
    import subprocess
    import sys

    program = "import sys; from l2l.runners import create; create('dask:2'); print('distributed' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("dusk", "did you mean 'dask'"),
        ("serial:2", "written like 'dask:4'"),
        ("dask:many", "written like 'dask:4'"),
        ("slurm:many", "or 'slurm:4'"),
        ("slrum", "did you mean 'slurm'"),
        ({"runner": "pbs", "job": 2}, "did you mean 'jobs'"),
        ({"runner": "pbs", "jobs": 2, "system": "slurm"}, "has no setting 'system'"),
        ("dask:0", "workers must be an integer >= 1"),
        (7, "given by its name"),
        ({"workers": 2}, "given by its name"),
        ({"runner": "dask", "worker": 2}, "did you mean 'workers'"),
        ({"runner": "dask", "attempts": 0}, "attempts must be"),
        ({"runner": "dask", "deadline": -1}, "deadline must be"),
        ({"runner": "dask", "workers": 2, "address": "tcp://a:1"}, "its own workers"),
        ({"runner": "dask", "scheduler_file": "s.json", "address": "tcp://a:1"}, "both were given"),
    ],
)
def test_bad_specs_name_the_remedy(spec, said):
    with pytest.raises(RunnerError, match=said.replace("(", r"\(")):
        create(spec)


def test_an_unknown_name_of_the_module():
    with pytest.raises(AttributeError, match="did you mean 'DaskRunner'"):
        _ = runners.DuskRunner
