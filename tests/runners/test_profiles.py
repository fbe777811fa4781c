import pytest

from l2l import runners
from l2l.errors import RunnerError
from l2l.runners import profiles

JUWELS = """
runner = "slurm"
jobs = 16
gpus_per_job = 4
walltime = "2:00:00"
queue = "booster"
prologue = ["module load CUDA"]
deadline = 60

[driver]
walltime = "24:00:00"
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "l2l").mkdir()
    return tmp_path / "l2l"


def test_a_profile_is_found_by_name_and_by_path(folder):
    (folder / "juwels.toml").write_text(JUWELS)
    named, by_path = profiles.read("juwels"), profiles.read(str(folder / "juwels.toml"))
    assert named.settings == by_path.settings
    assert named.driver == {"walltime": "24:00:00"}
    runner = runners.create(named.settings)
    assert runner.deadline == 60
    assert (runner.queue.system, runner.queue.jobs, runner.queue.workers) == ("slurm", 16, 4)
    assert runner.queue.prologue == ("module load CUDA",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('runner = "slurm"\nquue = "batch"', "unknown key 'quue': did you mean 'queue'"),
        ('runner = "slrum"', "did you mean 'slurm'"),
        ('runner = "dask"\nqueue = "batch"', "unknown key 'queue'"),
        ("jobbs = 4", "did you mean 'jobs'"),
        (
            'runner = "slurm"\n[driver]\nwaltime = "1:00:00"',
            "unknown key of [driver] 'waltime': did you mean 'walltime'",
        ),
        ('runner = "slurm"\ndriver = 3', "must be a table"),
        ("runner = slurm", "not valid TOML"),
    ],
)
def test_a_mistake_in_a_profile_is_told_with_its_place(folder, text, said):
    (folder / "bad.toml").write_text(text)
    with pytest.raises(RunnerError) as caught:
        profiles.read("bad")
    assert said in str(caught.value)
    assert str(folder / "bad.toml") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_profile_is_told_with_the_nearest(folder):
    (folder / "juwels.toml").write_text(JUWELS)
    with pytest.raises(RunnerError, match="did you mean 'juwels'"):
        profiles.read("jewels")
    with pytest.raises(RunnerError, match="no such file"):
        profiles.read(str(folder / "nowhere.toml"))


@pytest.mark.parametrize("runner", ["serial", "dask", "slurm", "pbs", "moab", "sge", "lsf", "oar", "htcondor"])
def test_what_a_profile_may_say_is_what_runners_take(runner):
    """Every setting is accepted by name: a wrong value of each is complained about as a value, if at all."""
    refused = []
    for setting in profiles.known_settings(runner):
        try:
            runners.create({"runner": runner, setting: None})
        except (RunnerError, TypeError) as error:
            refused += [setting] if "has no setting" in str(error) else []
    assert refused == []
