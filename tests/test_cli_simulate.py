"""`l2l simulate` and `l2l plot` as a user meets them: real processes, real files."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from l2l import Connectome, Experiment, RandomSearch, Real
from l2l.datasets import synthetic
from l2l.simulator import monitors, simulate
from l2l.simulator.models import ReducedWongWang
from l2l.simulator.noise import Additive

SHORT = ("--connectome", "synthetic:6", "--duration", "100ms", "--backend", "reference")


def l2l(*arguments: object, cwd: Path, expect: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "l2l.cli", *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "COLUMNS": "200"},
        check=False,
    )
    assert done.returncode == expect, done.stdout + done.stderr
    return done


def test_a_sweep_gives_what_the_library_gives(tmp_path: Path) -> None:
    done = l2l(
        "simulate", "ReducedWongWang", *SHORT, "--set", "G=0:1:3", "--set", "w=0.5,0.9", "--noise", "S=0.01",
        "--speed", "4", "--seed", "3", "--monitor", "raw:1ms", "--monitor", "bold:50ms", "--out", "result.npz",
        "--plot", "result.png", "--json", cwd=tmp_path,
    )  # fmt: skip
    told = json.loads(done.stdout)
    G, w = (each.reshape(-1, 1) for each in np.meshgrid([0.0, 0.5, 1.0], [0.5, 0.9], indexing="ij"))
    expected = simulate(
        ReducedWongWang, synthetic(6).connectome, duration=100.0, dt=0.1, parameters={"G": G, "w": w}, speed=4.0,
        noise=Additive(sigma={"S": 0.01}), monitors=[monitors.Raw(period=1.0), monitors.Bold(tr=50.0)], seed=3,
        backend="reference",
    )  # fmt: skip
    rows = told["simulations"]
    assert [(row["G"], row["w"]) for row in rows] == list(zip(G.ravel(), w.ravel(), strict=True))
    assert [row["S mean"] for row in rows] == pytest.approx(expected.array("raw").mean(axis=(1, 2, 3)).tolist())
    assert [row["S sd"] for row in rows] == pytest.approx(expected.array("raw").std(axis=(1, 2, 3)).tolist())
    assert {row["status"] for row in rows} == {"ok"}
    assert told["node_steps_per_second"] == pytest.approx(6 * 6 * 1000 / told["seconds"])
    with np.load(tmp_path / "result.npz", allow_pickle=False) as kept:
        assert np.array_equal(kept["raw"], expected.array("raw"))
        assert np.array_equal(kept["bold"], expected.array("bold"))
        assert np.array_equal(kept["bold_time_ms"], [50.0, 100.0])
        assert kept["raw_variables"].tolist() == ["S"]
        assert np.array_equal(kept["parameter_G"], G.ravel())
        assert kept["labels"].tolist() == list(synthetic(6).connectome.labels)
    assert (tmp_path / "result.png").read_bytes().startswith(b"\x89PNG")


def test_a_table_is_printed_even_if_only_bold_is_kept(tmp_path: Path) -> None:
    done = l2l("simulate", "MontbrioPazoRoxin", *SHORT, "--monitor", "bold:50ms", cwd=tmp_path)
    for part in ("status", "r mean", "V sd", "ok", "million node-steps/s"):
        assert part in done.stdout


def test_a_diverged_simulation_is_told_and_its_neighbour_is_not_touched(tmp_path: Path) -> None:
    done = l2l("simulate", "MontbrioPazoRoxin", *SHORT, "--set", "eta=-5,1e20", "--json", cwd=tmp_path)
    good, bad = json.loads(done.stdout)["simulations"]
    assert good["status"] == "ok"
    assert bad["status"].startswith("diverged at step")
    assert bad["r mean"] is None


@pytest.mark.parametrize("suffix", [".npz", ".csv", ".zip", ".mat"])
def test_connectomes_come_from_files(suffix: str, tmp_path: Path) -> None:
    import zipfile

    import scipy.io

    original = synthetic(6).connectome
    assert isinstance(original, Connectome)
    lengths = original.tract_lengths
    assert lengths is not None
    file = tmp_path / f"network{suffix}"
    more: tuple[object, ...] = ()
    if suffix == ".npz":
        np.savez(file, weights=original.weights, tract_lengths=lengths)
    elif suffix == ".mat":
        scipy.io.savemat(file, {"weights": original.weights, "fibres": lengths})
        more = ("--lengths", "fibres")
    elif suffix == ".csv":
        np.savetxt(file, original.weights, delimiter=",", fmt="%.17g")
        np.savetxt(tmp_path / "lengths.csv", lengths, delimiter=",", fmt="%.17g")
        more = ("--lengths", "lengths.csv")
    else:
        for name, matrix in (("weights", original.weights), ("tract_lengths", lengths)):
            np.savetxt(tmp_path / f"{name}.txt", matrix, fmt="%.17g")
        with zipfile.ZipFile(file, "w") as archive:
            for name in ("weights", "tract_lengths"):
                archive.write(tmp_path / f"{name}.txt", f"{name}.txt")
    common = ("simulate", "ReducedWongWang", "--duration", "20ms", "--speed", "4", "--backend", "reference", "--json")
    told = json.loads(l2l(*common, "--connectome", file, *more, cwd=tmp_path).stdout)
    by_name = json.loads(l2l(*common, "--connectome", "synthetic:6", cwd=tmp_path).stdout)
    assert told["simulations"] == by_name["simulations"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ReducedWongWong"], "did you mean 'ReducedWongWang'"),
        (["ReducedWongWang", "--set", "tua_s=90"], "did you mean 'tau_s'"),
        (["ReducedWongWang", "--set", "G"], "--set takes NAME=VALUE"),
        (["ReducedWongWang", "--set", "G=1:2"], "n >= 2"),
        (["ReducedWongWang", "--set", "G=0:1:2000000"], "n >= 2"),
        (["ReducedWongWang", "--set", "G=0:1:2000", "--set", "w=0:1:2000"], "at most 1,048,576 simulations"),
        (["ReducedWongWang", "--set", "G=1", "--set", "G=2"], "each parameter once"),
        (["ReducedWongWang", "--noise", "Q=0.1"], "unknown state variable 'Q'"),
        (["ReducedWongWang", "--noise", "much"], "--noise takes SIGMA"),
        (["ReducedWongWang", "--monitor", "blod:1s"], "did you mean 'bold'"),
        (["ReducedWongWang", "--monitor", "raw:often"], "the period of monitor raw"),
        (["ReducedWongWang", "--dt", "0"], "dt > 0 must hold"),
        (["ReducedWongWang", "--dt", "0.3"], "dt must divide the duration"),
        (["ReducedWongWang", "--backend", "cpuu"], "did you mean 'cpu'"),
        (["ReducedWongWang", "--normalise", "maxx"], "did you mean 'max'"),
        (["ReducedWongWang", "--out", "result.csv"], "ends in .npz"),
        (["ReducedWongWang", "--plot", "result.gif"], "must end in one of .png"),
        (["ReducedWongWang", "--connectome", "tvb-767"], "did you mean 'tvb-76'"),
        (["ReducedWongWang", "--connectome", "missing.npz"], "must be an existing file"),
        (["ReducedWongWang", "--connectome", "synthetic:many"], "even number of regions"),
    ],
)
def test_a_mistake_gets_one_clear_line(arguments: list[str], message: str, tmp_path: Path) -> None:
    # The command is called in this process: twenty starts of Python would take a minute.
    from typer.testing import CliRunner

    from l2l.cli import app

    done = CliRunner().invoke(app, ["simulate", arguments[0], *SHORT, *arguments[1:]])
    assert done.exit_code == 1
    assert message in str(done.exception)
    assert list(tmp_path.iterdir()) == []


def test_a_run_is_drawn(tmp_path: Path) -> None:
    experiment = Experiment(
        lambda x, y: x * x + y, RandomSearch(population=8), space={"x": Real(-1, 1), "y": Real(0, 1)}, generations=3,
        runner="serial", seed=1, name="bowl",
    )  # fmt: skip
    experiment.run(store=tmp_path / "l2l.db")
    assert "written: bowl.png" in l2l("plot", "bowl", "--to", "bowl.png", cwd=tmp_path).stdout
    assert (tmp_path / "bowl.png").read_bytes().startswith(b"\x89PNG")
    assert "--to" in l2l("plot", "bowl", cwd=tmp_path, expect=2).stderr
    assert "has none" in l2l("plot", "--to", "a.png", "--target", "synthetic", cwd=tmp_path, expect=1).stderr
    assert "no run" in l2l("plot", "9", "--to", "a.png", cwd=tmp_path, expect=1).stderr


PAGE = Path(__file__).parents[1] / "docs" / "simulator.md"


def test_the_page_on_the_simulator_runs() -> None:
    text = PAGE.read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) >= 5
    names: dict[str, Any] = {}
    exec(compile("\n".join(blocks), str(PAGE), "exec"), names)
    assert names["result"].status[0] == "ok"
    assert names["result"].array("raw").shape == (1, 200, 2, 68)
    assert names["sweep"].status.ok.all()
    assert names["matrices"].shape == (16, 68, 68)
    assert names["similarity"][3] == pytest.approx(1.0)
    assert names["rest"].final.step == 150


def test_the_command_on_the_page_runs(tmp_path: Path) -> None:
    (block,) = re.findall(r"```sh\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    program, *arguments = shlex.split(block.replace("\\\n", " "))
    assert program == "l2l"
    l2l(*arguments, cwd=tmp_path)
    assert {file.name for file in tmp_path.iterdir()} == {"sweep.npz", "sweep.png"}
