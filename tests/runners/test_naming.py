import pytest

from l2l.runners.naming import job_of, label


@pytest.mark.parametrize(
    ("address", "name", "job"),
    [
        ("tcp://10.0.0.7:41001", "job-17-0", "17"),
        ("tcp://10.0.0.7:41001", "job-3.1-12", "3.1"),  # HTCondor's cluster and process
        ("tcp://127.0.0.1:4000", 3, ""),
        ("inproc://job-1-0", "own", ""),
    ],
)
def test_a_label_tells_the_job(address, name, job):
    assert label(address, name).startswith(address)
    assert job_of(label(address, name)) == job
