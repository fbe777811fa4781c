"""Progress: counts, estimates, and what a terminal and a log show."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from l2l.experiment import Experiment
from l2l.individual import Evaluation, Individual, Status
from l2l.objective import Objective
from l2l.optimizers import create
from l2l.progress import Lines, Observer, Silent, observer_for
from l2l.space import Real


def experiment(generations: int = 10) -> Experiment:
    return Experiment(
        lambda x: {"score": x},
        create({"name": "random", "population": 4}),
        space={"x": Real(0, 1)},
        objectives=Objective("score", maximize=True),
        generations=generations,
        runner="serial",
        name="small",
    )


def evaluation(score: float | None, position: int = 0) -> Evaluation:
    individual = Individual({"x": 0.5}, position=position)
    if score is None:
        return Evaluation(individual, Status.FAILED, error="broke")
    return Evaluation(individual, Status.OK, {"score": score})


@pytest.fixture
def observer(monkeypatch: pytest.MonkeyPatch) -> Observer:
    """Half-way through generation 2 of 10, of 4 individuals each, after 5 seconds."""
    now = iter([100.0])
    monkeypatch.setattr("l2l.progress.time.monotonic", lambda: next(now, 105.0))
    observer = Silent()
    observer.begins(7, experiment(), "l2l.db", resumed=False)
    for number in range(3):
        observer.generation_begins(number, 4, [])
        for position, score in enumerate([0.3, None, 0.9, 0.1][: 4 if number < 2 else 2]):
            observer.evaluated(evaluation(score, position))
        if number < 2:
            observer.generation_ends(number)
    return observer


def test_rate_best_failures_and_time_left_are_counted(observer: Observer) -> None:
    assert observer.rate == 2.0  # 10 evaluations in 5 seconds
    assert observer.best == 0.9
    assert observer.failures == 3
    assert observer.seconds_left == (2 + 7 * 4) / 2.0
    assert observer.line() == "generation 2/10 · 2 evaluations/s · best score 0.9 · 3 failed · 0:15 left"


def test_what_was_recorded_before_counts_for_the_best_but_not_for_the_rate(observer: Observer) -> None:
    observer.generation_begins(3, 4, [evaluation(0.95)])
    assert observer.best == 0.95
    assert observer.rate == 2.0


def test_a_log_gets_plain_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert isinstance(observer_for(), Lines)  # under pytest, standard output is no terminal
    experiment(3).start(store=tmp_path / "l2l.db", observer=Lines())
    shown = capsys.readouterr().out
    assert "run 1 (small) started" in shown
    assert "generation 3/3" in shown
    assert "run 1 finished" in shown
    assert "\x1b" not in shown


def test_quiet_says_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    experiment(3).run(store=tmp_path / "l2l.db", quiet=True)
    assert capsys.readouterr().out == ""


def test_a_terminal_gets_a_bar_and_the_table(tmp_path: Path) -> None:
    (tmp_path / "fit.py").write_text(
        "import time\nfrom l2l import Experiment, Real\n"
        "def loss(x):\n    time.sleep(0.01)\n    return x\n"
        "experiment = Experiment(loss, space={'x': Real(0, 1)}, generations=4, runner='serial')\n"
    )
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "l2l.cli", "run", "fit.py"],
        cwd=tmp_path,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "120"},
    ) as process:
        os.close(theirs)
        shown = b""
        while True:
            try:
                piece = os.read(ours, 4096)
            except OSError:  # the other end is closed
                break
            if not piece:
                break
            shown += piece
        os.close(ours)
    assert process.returncode == 0, shown.decode()
    assert "━" in shown.decode()
    assert "generation 4/4" in shown.decode()
    assert "more: l2l best 1" in shown.decode()
