"""Scripts: found, loaded, and refused with a reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from l2l.errors import ScriptError, SpaceError
from l2l.script import load_experiment

HEAD = """
from l2l import Experiment, Real
def loss(x):
    return x * x
"""
BUILD = "Experiment(loss, 'random', space={'x': Real(-1, 1)}, generations=2, runner='serial', seed=SEED)"


def write(folder: Path, body: str, name: str = "fit.py") -> Path:
    path = folder / name
    path.write_text(HEAD + body)
    return path


@pytest.mark.parametrize(
    "body",
    [
        f"experiment = {BUILD}",
        f"def main():\n    return {BUILD}",
        f"experiment = {BUILD}\nif __name__ == '__main__':\n    experiment.run()",
        f"experiment = {BUILD}\nexperiment.run()",
        f"def main():\n    {BUILD}.run()",
        f"first = second = {BUILD}",
    ],
    ids=["module level", "main returns it", "guarded run", "unguarded run", "main runs it", "two names of one"],
)
def test_an_experiment_is_found_wherever_a_script_builds_it(body: str, tmp_path: Path) -> None:
    assert load_experiment(write(tmp_path, body.replace("SEED", "7"))).seed == 7


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("x = 1", "holds no experiment: build one at module level"),
        ("def main():\n    return 3", "holds no experiment"),
        ("def broken(:", r"is not valid Python: .* \(line 5\)"),
        ("import no_such_module_anywhere", "raised ModuleNotFoundError"),
        ("1 / 0", r"raised ZeroDivisionError: division by zero \(fit.py, line 5\)"),
        ("raise SystemExit(4)", "ended itself with exit status 4"),
        (f"a = {BUILD}\nb = {BUILD}".replace("SEED", "1"), r"several experiments \(a, b\)"),
    ],
)
def test_a_script_without_one_experiment_is_refused(body: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ScriptError, match=message):
        load_experiment(write(tmp_path, body))


def test_one_of_several_is_chosen_by_name(tmp_path: Path) -> None:
    path = write(tmp_path, f"a = {BUILD.replace('SEED', '1')}\nb = {BUILD.replace('SEED', '2')}")
    assert load_experiment(path, "b").seed == 2
    with pytest.raises(ScriptError, match="no experiment 'c'"):
        load_experiment(path, "c")


def test_a_missing_script_suggests_the_nearest(tmp_path: Path) -> None:
    write(tmp_path, "", "fit_resting.py")
    with pytest.raises(ScriptError, match=r"did you mean 'fit_resting.py'"):
        load_experiment(tmp_path / "fit_restin.py")


def test_the_errors_of_l2l_pass_through(tmp_path: Path) -> None:
    with pytest.raises(SpaceError, match="low < high"):
        load_experiment(write(tmp_path, "Real(1, 0)"))
