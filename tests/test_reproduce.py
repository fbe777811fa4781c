"""An individual run again: the same bits, or what differs; and only code that the user chose is executed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from l2l.cli import app
from l2l.errors import ScriptError, StoreError
from l2l.reproduce import reproduce
from l2l.script import load_experiment
from l2l.store import Store
from l2l.store.archive import restore
from l2l.trajectory import Trajectory

SCRIPT = """
import numpy as np
from l2l import Experiment, Outcome, RandomSearch, Real

def noisy(x, rng):
    if x > 2.5:
        raise ValueError(f"{x} is too far")
    walk = rng.normal(size=(4, 5)).astype(np.float32)
    return Outcome({"loss": (x - 1) ** 2 + float(walk[0, 0])}, {"n": 3, "bad": float("nan")}, {"walk": walk})

experiment = Experiment(
    noisy, RandomSearch(population=8), space={"x": Real(-3, 3)}, generations=3, runner="serial", seed=5, name="noisy",
)
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "fit.py"
    path.write_text(SCRIPT)
    load_experiment(path).start(store=tmp_path / "l2l.db", script=path)
    return path


@pytest.fixture
def trajectory(script: Path):
    with Trajectory.open(script.with_name("l2l.db")) as opened:
        yield opened


def test_every_individual_comes_out_the_same(trajectory: Trajectory, script: Path) -> None:
    table = trajectory.individuals()
    assert set(table["status"]) == {"ok", "failed"}
    for place in table[["generation", "position"]].head(8).itertuples(index=False, name=None):
        done = reproduce(trajectory, place)
        assert done.same
        assert done.optimizee_same
        assert (done.script, done.individual) == (str(script), place)
        assert "the recorded one" in done.script_state
    compared = {item.what for item in reproduce(trajectory).comparisons}
    assert compared == {"status", "fitness loss", "measurements n", "measurements bad", "recording walk"}


def test_the_best_is_the_default(trajectory: Trajectory) -> None:
    best = trajectory.best(1).iloc[0]
    assert reproduce(trajectory).individual == (best["generation"], best["position"])


def test_a_change_of_the_script_is_told_and_so_is_what_it_changes(trajectory: Trajectory, script: Path) -> None:
    script.write_text(SCRIPT + "# a comment\n")
    commented = reproduce(trajectory)
    assert commented.same
    assert commented.optimizee_same
    assert "changed since" in commented.script_state
    script.write_text(SCRIPT.replace("walk = rng.normal(", "walk = 2 * rng.normal("))
    changed = reproduce(trajectory)
    assert not changed.same
    assert not changed.optimizee_same
    found = {item.what: item for item in changed.comparisons}
    assert found["status"].same
    assert found["measurements n"].same
    assert not found["fitness loss"].same
    best = trajectory.best(1).iloc[0]
    walk = trajectory.recording(best, "walk")
    # Doubling is exact: everything differs by just what was recorded.
    assert found["recording walk"].difference == float(abs(walk).max())
    script.write_text(SCRIPT.replace(', {"walk": walk}', ""))
    missing = {item.what: item for item in reproduce(trajectory).comparisons}["recording walk"]
    assert (missing.same, missing.now) == (False, "-")


def test_other_versions_are_told(trajectory: Trajectory) -> None:
    trajectory.run.provenance["versions"]
    with Store.open(trajectory.store_url) as store, store.write() as connection:
        connection.exec_driver_sql("UPDATE runs SET provenance = json_set(provenance, '$.versions.numpy', '0.1')")
    assert reproduce(trajectory).versions.keys() == {"numpy"}


def test_the_script_is_looked_for_where_it_is_said_to_be(trajectory: Trajectory, script: Path) -> None:
    moved = script.rename(script.with_name("moved.py"))
    with pytest.raises(ScriptError, match=r"no longer at .*--script"):
        reproduce(trajectory)
    assert reproduce(trajectory, script=moved).same


def evil(marker: Path) -> str:
    return f"open({str(marker)!r}, 'w').close()\n" + SCRIPT


def test_nothing_that_an_imported_run_brings_is_executed_unless_trusted(tmp_path: Path) -> None:
    """A stranger's database names a script that exists here, and holds a text that would do harm."""
    marker, path = tmp_path / "harm", tmp_path / "theirs.py"
    path.write_text(evil(marker))
    load_experiment(path).start(store=tmp_path / "theirs.db", script=path)
    marker.unlink()
    Trajectory.open(tmp_path / "theirs.db").export(tmp_path / "run.l2l.zip")
    with Store.open(tmp_path / "mine.db") as store:
        restore(store, tmp_path / "run.l2l.zip")
    with Trajectory.open(tmp_path / "mine.db") as trajectory:
        with pytest.raises(ScriptError, match="was imported"):
            reproduce(trajectory)
        assert not marker.exists()
        own = tmp_path / "own.py"
        own.write_text(SCRIPT)
        done = reproduce(trajectory, script=own)
        assert done.same
        assert "changed since" in done.script_state
        assert not marker.exists()
        assert reproduce(trajectory, trust_recorded_script=True).same
        assert marker.exists()


def test_a_recorded_text_that_does_not_agree_with_its_hash_is_not_run(trajectory: Trajectory, tmp_path: Path) -> None:
    marker = tmp_path / "harm"
    with Store.open(trajectory.store_url) as store, store.write() as connection:
        connection.exec_driver_sql(
            "UPDATE runs SET provenance = json_set(provenance, '$.script.text', ?)", (evil(marker),)
        )
    with Trajectory.open(trajectory.store_url) as altered, pytest.raises(ScriptError, match="agrees with its hash"):
        reproduce(altered, trust_recorded_script=True)
    assert not marker.exists()


@pytest.mark.parametrize("script_json", ["null", "3", '{"path": 7}', '{"path": ""}'])
def test_records_that_make_no_sense_are_refused(trajectory: Trajectory, script_json: str) -> None:
    with Store.open(trajectory.store_url) as store, store.write() as connection:
        connection.exec_driver_sql(
            "UPDATE runs SET provenance = json_set(provenance, '$.script', json(?))", (script_json,)
        )
    with Trajectory.open(trajectory.store_url) as altered, pytest.raises(ScriptError, match="--script"):
        reproduce(altered)


def test_individuals_that_are_not_there_are_told(trajectory: Trajectory) -> None:
    with pytest.raises(StoreError, match="no individual at generation 9"):
        reproduce(trajectory, "9/9")


def test_from_the_shell(script: Path) -> None:
    store = ["--store", str(script.with_name("l2l.db"))]

    def l2l(*arguments: str):
        return CliRunner().invoke(app, ["reproduce", *arguments, *store])

    same = l2l("last")
    assert same.exit_code == 0, same.output
    assert "every bit is the same" in same.output
    told = json.loads(l2l("1", "0/0", "--json").output)
    assert (told["same"], told["individual"]) == (True, [0, 0])
    script.write_text(SCRIPT.replace("(x - 1) ** 2", "(x - 2) ** 2"))
    other = l2l("1")
    assert other.exit_code == 1
    assert "1 of 5 differ" in other.output
    assert "the optimizee is not the recorded one" in other.output
