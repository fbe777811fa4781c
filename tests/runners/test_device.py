"""One GPU for each worker."""

import pytest

from l2l.errors import RunnerError
from l2l.individual import Individual
from l2l.optimizees import FunctionOptimizee
from l2l.runners import DaskRunner
from l2l.runners.device import VISIBLE, shares
from l2l.space import Real, Space


def test_without_gpus_nothing_is_set():
    assert shares(3, 0, {}) == [{}, {}, {}]


def test_one_worker_has_them_all():
    assert shares(1, 4, {}) == [{}]


def test_each_gets_one_and_the_rest_none():
    assert shares(3, 2, {}) == [{VISIBLE: "0"}, {VISIBLE: "1"}, {VISIBLE: ""}]
    assert shares(2, 2, {VISIBLE: "3,GPU-5f"}) == [{VISIBLE: "3"}, {VISIBLE: "GPU-5f"}]


@pytest.mark.parametrize("given", ["", "1"])
def test_more_than_are_visible(given):
    with pytest.raises(RunnerError, match="2 GPUs are to be dealt out"):
        shares(2, 2, {VISIBLE: given})


def test_local_workers_with_and_without_a_gpu_talk_in_secret(monkeypatch):
    """No GPU is needed to be told which to use."""
    import os
    import time

    def seen(x):
        time.sleep(0.05)
        return {"loss": x, "gpu": float(os.environ[VISIBLE] or -1)}

    monkeypatch.setenv(VISIBLE, "5,6")
    optimizee = FunctionOptimizee(seen, Space({"x": Real(0, 100)}), ["loss", "gpu"])
    asked = [Individual({"x": float(index)}, position=index) for index in range(40)]
    with DaskRunner(workers=2, gpus=1, tls=True) as runner:
        evaluations = list(runner.evaluate(optimizee, asked))
    assert all(evaluation.worker.startswith("tls://127.0.0.1") for evaluation in evaluations)
    assert {(evaluation.fitness["gpu"], evaluation.device) for evaluation in evaluations} == {
        (5.0, f"cpu ({VISIBLE}=5)"),
        (-1.0, "cpu"),
    }
