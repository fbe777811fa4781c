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
from l2l.simulator import coupling, monitors, simulate, stimulus
from l2l.simulator.models import ReducedWongWang
from l2l.simulator.noise import Additive, Coloured

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


def test_everything_that_the_library_takes_can_be_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from typer.testing import CliRunner

    from l2l.cli import app

    monkeypatch.chdir(tmp_path)
    network = synthetic(6).connectome
    rng = np.random.default_rng(0)
    gain = rng.normal(size=(3, 6))
    np.savetxt("gain.csv", gain, delimiter=",", fmt="%.17g")
    np.savez("gain.npz", meg=gain[:2])
    Path("sensors.txt").write_text("Cz\nPz\nOz\n")
    Path("groups.txt").write_text("\n".join(f"{label}, {'ab'[i % 2]}" for i, label in enumerate(network.labels)))
    series = rng.normal(size=(6, 40))
    np.save("series.npy", series)
    arguments = (
        "--monitor", "global:2", "--monitor", "spatial:2ms,groups=groups.txt,variables=r,V",
        "--monitor", "spatial:2ms,groups=hemispheres,name=sides",
        "--monitor", "eeg:4,gain=gain.csv,variables=where(V >= 0, V, 0),sensors=sensors.txt,reference=Pz",
        "--monitor", "meg:4,gain=gain.npz,variables=V",
        "--monitor", "seeg:2,gain=gain.csv,variables=r,reference=average",
        "--monitor", "average:2,variables=r", "--monitor", "subsample:1", "--monitor", "bold:4,step=1,drive=V,skip=4",
        "--monitor", "convolved:4,interim=2ms,drive=r,response=Gamma,skip=4,name=linear",
        "--monitor", "bold:4,constants=stephan2007,name=stephan",
        "--stimulus", "V:step,amplitude=0.5,onset=1,end=3ms,nodes=0,L.02",
        "--stimulus", "V:pulses,width=0.2,period=1,amplitude=2",
        "--stimulus", "r:sinusoid,frequency=200,amplitude=0.01",
        "--stimulus", "r:series,file=series.npy,amplitude=0.01",
        "--coupling", "c_r=Difference", "--coupling", "c_V=HyperbolicTangent", "--set", "coupling.c_r.a=0.2",
        "--set", "cv=0.5", "--coupling-per-stage", "--noise", "V=0.1,tau=2ms,factor=where(V > 0, V, 1)",
        "--noise", "r=0.01,tau=3", "--speed", "10", "--seed", "4",
    )  # fmt: skip
    done = CliRunner().invoke(
        app, ["simulate", "MontbrioPazoRoxin", "--connectome", "synthetic:6", "--duration", "8ms", "--dt", "0.2",
              "--backend", "reference", "--out", "out.npz", *arguments],
    )  # fmt: skip
    assert done.exit_code == 0, done.exception
    groups = ("a", "b", "a", "b", "a", "b")
    expected = simulate(
        "MontbrioPazoRoxin", network, duration=8.0, dt=0.2, speed=10.0, seed=4, backend="reference",
        parameters={"cv": 0.5}, coupling_per_stage=True,
        coupling={"c_r": coupling.Difference(a=0.2), "c_V": coupling.HyperbolicTangent()},
        noise=Coloured(
            sigma={"V": 0.1, "r": 0.01}, tau={"V": 2.0, "r": 3.0}, factor={"V": "where(V > 0, V, 1)", "r": "1"}
        ),
        stimulus=[
            stimulus.Step(state="V", amplitude=0.5, onset=1.0, end=3.0, nodes=[0, 2]),
            stimulus.Pulses(state="V", width=0.2, period=1.0, amplitude=2.0),
            stimulus.Sinusoid(state="r", frequency=200.0, amplitude=0.01),
            stimulus.Series(state="r", values=series, amplitude=0.01),
        ],
        monitors=[
            monitors.GlobalAverage(period=2.0),
            monitors.SpatialAverage(period=2.0, groups=groups, variables=("r", "V")),
            monitors.SpatialAverage(period=2.0, groups=("left",) * 3 + ("right",) * 3, name="sides"),
            monitors.EEG(
                period=4.0, gain=gain, variables="where(V >= 0, V, 0)", sensors=("Cz", "Pz", "Oz"), reference="Pz"
            ),
            monitors.MEG(period=4.0, gain=gain[:2], variables="V"),
            monitors.SEEG(period=2.0, gain=gain, variables="r", reference="average"),
            monitors.TemporalAverage(period=2.0, variables="r"),
            monitors.SubSample(period=1.0),
            monitors.ConvolvedBold(tr=4.0, interim=2.0, drive="r", response="Gamma", skip=4.0, name="linear"),
            monitors.Bold(tr=4.0, constants="stephan2007", name="stephan"),
            monitors.Bold(tr=4.0, step=1.0, drive="V", skip=4.0),
        ],
    )  # fmt: skip
    with np.load("out.npz", allow_pickle=False) as kept:
        for name in expected:
            np.testing.assert_array_equal(kept[name], expected.array(name), err_msg=name)
        assert kept["eeg_sensor"].tolist() == ["Cz", "Pz", "Oz"]
        assert kept["sides_group"].tolist() == ["left", "right"]
        assert kept["bold"].shape == (1, 1, 6)


def test_noise_of_each_kind(tmp_path: Path) -> None:
    from l2l.cli.specifications import groups, noise

    assert noise([]) is None
    assert type(noise(["0.1"])) is Additive
    assert noise(["0.1"]).sigma == 0.1
    assert noise(["V=1e-3,factor=min(V, 1)"]).factor == {"V": "min(V, 1)"}
    assert noise(["0.2,tau=5"]).tau == 5.0
    file = tmp_path / "groups.txt"
    file.write_text("front\nback\n")
    assert groups(str(file), ("a", "b")) == ("front", "back")
    for labels in (
        ("lA1", "rA1"),
        ("ctx-lh-cuneus", "ctx-rh-cuneus"),
        ("Left_Cuneus", "right cuneus"),
        ("L.BSTS", "R.CU"),
    ):
        assert groups("hemispheres", labels) == ("left", "right")


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
        (["ReducedWongWang", "--noise", "much"], "--noise takes [STATE=]SIGMA"),
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
        (["ReducedWongWang", "--noise", "S=0.1", "--noise", "S=0.2"], "each state once"),
        (["ReducedWongWang", "--noise", "S=0.1,tua=2"], "did you mean 'tau'"),
        (["ReducedWongWang", "--noise", "S=0.1,tau=-2"], "must be a positive time"),
        (["ReducedWongWang", "--noise", "0.1,factor=S"], "a factor belongs to a state: STATE=0.1,factor=S"),
        (["ReducedWongWang", "--noise", "S=0.1,factor=T"], "unknown symbol 'T'"),
        (["ReducedWongWang", "--noise", "S=0.1", "--integrator", "rk4"], "deterministic"),
        (["ReducedWongWang", "--integrator", "huen"], "did you mean 'heun'"),
        (["ReducedWongWang", "--coupling", "Linaer"], "did you mean 'Linear'"),
        (["ReducedWongWang", "--coupling", "d=Linear"], "no coupling input 'd'"),
        (["ReducedWongWang", "--coupling", "Linear", "--coupling", "c=Linear"], "but got both"),
        (["ReducedWongWang", "--coupling", "Difference", "--set", "coupling.b=1"], "unknown parameter 'coupling.b'"),
        (["ReducedWongWang", "--monitor", "raw:1,vars=S"], "did you mean 'variables'"),
        (["ReducedWongWang", "--monitor", "raw:1,variables=Q"], "unknown symbol 'Q'"),
        (["ReducedWongWang", "--monitor", "raw:1,S"], "key=value after a comma"),
        (["ReducedWongWang", "--monitor", "spatial:1"], "needs groups=FILE or groups=hemispheres"),
        (["ReducedWongWang", "--monitor", "spatial:1,groups=none.txt"], "there is no file 'none.txt'"),
        (["ReducedWongWang", "--monitor", "eeg:1"], "gain=FILE"),
        (["ReducedWongWang", "--monitor", "eeg:1,gain=none.npy"], "cannot be read"),
        (["ReducedWongWang", "--monitor", "eeg:1,gain=none.xls"], "ends in one of .npy"),
        (["ReducedWongWang", "--monitor", "bold:1s,variables=S"], "no 'variables'"),
        (["ReducedWongWang", "--stimulus", "S"], "STATE:KIND"),
        (["ReducedWongWang", "--stimulus", "S:setp"], "did you mean 'step'"),
        (["ReducedWongWang", "--stimulus", "T:step"], "unknown state variable 'T'"),
        (["ReducedWongWang", "--stimulus", "S:pulses,width=1"], "needs period="),
        (["ReducedWongWang", "--stimulus", "S:step,amplitude=big"], "must be a number"),
        (["ReducedWongWang", "--stimulus", "S:step,onset=soon"], "must be a positive time"),
        (["ReducedWongWang", "--stimulus", "S:step,nodes=7"], "no region '7' among 6"),
        (["ReducedWongWang", "--stimulus", "S:step,nodes=L.2"], "did you mean 'L.02'"),
        (["ReducedWongWang", "--stimulus", "S:series,file=none.npy"], "cannot be read"),
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
