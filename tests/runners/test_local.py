"""The local workers as processes: scripts without a guard, Ctrl-C, and drivers that are killed."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parents[2]

# At module level and without `if __name__ == "__main__"`, as users write it.
SCRIPT = """
    import ctypes, os, sys, time
    print("the script runs in", os.getpid(), flush=True)
    import beside
    from l2l.individual import Individual
    from l2l.optimizees import FunctionOptimizee
    from l2l.runners import DaskRunner
    from l2l.space import Real

    class Offset:
        def __init__(self, value):
            self.value = value

    offset = Offset(0.5)

    def function(x):
        if BODY:
            print("evaluating", flush=True)
        BODY
        return beside.double(x) + offset.value

    optimizee = FunctionOptimizee(function, {"x": Real(0, 100)})
    asked = [Individual({"x": float(index)}, position=index) for index in range(COUNT)]
    with DaskRunner(workers=2) as runner:
        evaluations = list(runner.evaluate(optimizee, asked))
    print(sorted(evaluation.fitness["loss"] for evaluation in evaluations))
"""


@pytest.fixture
def script(tmp_path):
    """Starts a script whose function does `body`; whatever it started is killed in the end."""
    started = []

    def start(body, count=4):
        (tmp_path / "beside.py").write_text("def double(x):\n    return 2 * x\n")
        text = textwrap.dedent(SCRIPT).replace("    if BODY:\n", f"    if {body != 'pass'}:\n")
        path = tmp_path / "fit.py"
        path.write_text(text.replace("BODY", body).replace("COUNT", str(count)))
        process = subprocess.Popen(
            [sys.executable, str(path)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)},
            cwd=tmp_path.parent,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        family = family_of(process) if process.poll() is None else []
        for each in family:
            each.kill()
        process.kill()
        process.communicate()


def family_of(process):
    driver = psutil.Process(process.pid)
    return [driver, *driver.children(recursive=True)]


def wait_for_line(process, text):
    for line in process.stdout:
        if text in line:
            return
    raise AssertionError(process.stderr.read())


def left_after(processes, seconds):
    _, alive = psutil.wait_procs(processes, timeout=seconds)
    return alive


def test_a_script_without_a_guard_runs_once(script, tmp_path):
    process = script("pass")
    out, err = process.communicate(timeout=60)
    assert out.splitlines()[-1] == "[0.5, 2.5, 4.5, 6.5]", err
    assert out.count("the script runs") == 1
    assert err == ""
    assert not list(tmp_path.glob("l2l-*"))


def test_prints_and_warnings_of_the_users_code_are_seen(script):
    process = script("import warnings; warnings.warn('watch out')", count=1)
    out, err = process.communicate(timeout=60)
    assert "evaluating" in out
    assert "watch out" in err


def test_a_killed_driver_leaves_nobody_even_if_a_worker_is_stuck_in_c(script):
    process = script("ctypes.PyDLL(None).sleep(1000)")
    wait_for_line(process, "evaluating")
    family = family_of(process)
    assert len(family) >= 4  # driver, host, two workers
    process.send_signal(signal.SIGKILL)
    assert left_after(family[1:], 10) == []


@pytest.mark.parametrize("body", ["time.sleep(1000)", "ctypes.PyDLL(None).sleep(1000)"])
def test_ctrl_c_ends_at_once(script, tmp_path, body):
    process = script(body)
    wait_for_line(process, "evaluating")
    family = family_of(process)
    begun = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert time.monotonic() - begun < 3
    assert left_after(family, 2) == []
    assert err.rstrip().endswith("KeyboardInterrupt")
    assert "distributed" not in err.splitlines()[-1]
    assert not list(tmp_path.glob("l2l-*"))


def test_a_killed_host_ends_the_run_with_an_error(script):
    process = script("time.sleep(1000)")
    wait_for_line(process, "evaluating")
    children = psutil.Process(process.pid).children()
    (host,) = [each for each in children if "l2l.runners.host" in " ".join(each.cmdline())]
    host.kill()
    _, err = process.communicate(timeout=30)
    assert "RunnerError: the process that holds the workers ended with code -9" in err
