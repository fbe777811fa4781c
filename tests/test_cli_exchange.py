"""`l2l export` and `l2l import` as a user meets them."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from l2l.cli import app
from l2l.errors import L2LError
from l2l.experiment import Experiment
from l2l.space import Real
from l2l.trajectory import Trajectory


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("L2L_STORE", raising=False)
    experiment = Experiment(
        lambda x: (x - 1) ** 2, "random", space={"x": Real(-3, 3)}, generations=2, runner="serial", name="bowl"
    )
    experiment.run(store=tmp_path / "l2l.db", quiet=True)
    return tmp_path


def l2l(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.usefixtures("folder")
def test_a_run_travels_to_another_database() -> None:
    assert "64 individuals and 0 arrays written to run.l2l.zip" in l2l("export", "1", "--to", "run.l2l.zip")
    assert "bowl is run 1: 64 individuals" in l2l("import", "run.l2l.zip", "--store", "there.db")
    assert "was here already: it is run 1" in l2l("import", "run.l2l.zip", "--store", "there.db")
    rows = [json.loads(l2l("best", "--json", "--store", name))["best"] for name in ("l2l.db", "there.db")]
    assert rows[0] == rows[1]
    assert rows[0][0]["x"] == Trajectory.open("l2l.db").best(1)["x"].iloc[0]  # to the last bit


def test_tables_and_studies_are_written(folder: Path) -> None:
    for name in ("t.csv", "t.parquet", "t.jsonl"):
        assert f"64 individuals written to {name}" in l2l("export", "bowl", "--to", name)
        assert (folder / name).stat().st_size > 0
    pytest.importorskip("optuna")
    assert "64 trials written to the study 'bowl (1)'" in l2l(
        "export", "last", "--to", f"optuna:sqlite:///{folder}/s.db"
    )


@pytest.mark.usefixtures("folder")
def test_an_archive_that_holds_too_much_is_refused_unless_allowed() -> None:
    l2l("export", "1", "--to", "run.l2l.zip")
    with zipfile.ZipFile("run.l2l.zip") as archive:
        size = sum(info.file_size for info in archive.infolist())
    with pytest.raises(L2LError, match="allow more"):
        l2l("import", "run.l2l.zip", "--store", "there.db", "--most-gb", str(size / 2 / 2**30))
    l2l("import", "run.l2l.zip", "--store", "there.db", "--most-gb", str(2 * size / 2**30))
