"""`l2l recover`, run as a user runs it: a table, JSON, a picture, and errors of one line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from l2l.cli import main
from l2l.cli.options import named_values
from l2l.errors import L2LError

SCRIPT = """
import numpy as np
from l2l import CMAES, BrainNetwork, Experiment, Real, datasets

network = BrainNetwork(
    "ReducedWongWang", datasets.synthetic(8).connectome.normalised("spectral"), np.eye(8),
    {"G": Real(0.0, 2.0), "w": Real(0.2, 0.7)}, duration="30 s", transient="5 s", objectives="fc_corr",
    parameters={"I_o": 0.32},
)
experiment = Experiment(network, CMAES(population=8), generations=2, runner="serial", seed=1)
"""
PLAIN = """
from l2l import Experiment, Real
experiment = Experiment(lambda x: x**2, space={"x": Real(0, 1)}, generations=2, runner="serial")
"""


def recover(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "l2l.cli", "recover", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_network_s_parameters_are_recovered_printed_and_drawn(tmp_path: Path) -> None:
    (tmp_path / "fit.py").write_text(SCRIPT)
    options = ("fit.py", "--at", "G=1.5", "--replicates", "2", "--points", "3")
    done = recover(*options, "--plot", "profiles.png", folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    for expected in ("hidden", "verdict", "noise of one evaluation", "runs 1 (search) and 2 (profiles)"):
        assert expected in done.stdout
    assert (tmp_path / "profiles.png").read_bytes().startswith(b"\x89PNG")

    again = recover(*options, "--json", folder=tmp_path)
    told = json.loads(again.stdout)
    assert [each["name"] for each in told["parameters"]] == ["G", "w"]
    assert told["parameters"][0]["hidden"] == 1.5
    assert (told["fit_run"], told["profile_run"]) == (3, 4)


@pytest.mark.parametrize(
    ("script", "arguments", "message"),
    [
        (PLAIN, (), "FunctionOptimizee cannot: use a BrainNetwork"),
        (SCRIPT, ("--at", "g=1"), "did you mean 'G'"),
        (SCRIPT, ("--at", "G=3"), "must lie in [0.0, 2.0]"),
        (SCRIPT, ("--plot", "profiles.doc"), "a picture must end in one of"),
    ],
)
def test_bad_input_is_one_clear_line(
    script: str,
    arguments: tuple[str, ...],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "fit.py").write_text(script)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("signal.signal", lambda *_: None)  # the handler of a process must not stay in this one
    monkeypatch.setattr(sys, "argv", ["l2l", "recover", "fit.py", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert message in said
    assert not (tmp_path / "l2l.db").exists()


def test_values_on_the_command_line_are_numbers_lists_or_names() -> None:
    assert named_values(["G=1.5", "w=[0.1, 0.2]", "rule=fast"]) == {"G": 1.5, "w": [0.1, 0.2], "rule": "fast"}
    for text in ("G", "=1", "G="):
        with pytest.raises(L2LError, match="NAME=VALUE"):
            named_values([text])
    with pytest.raises(L2LError, match="named twice"):
        named_values(["G=1", "G=2"])
