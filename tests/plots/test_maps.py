"""Maps over a grid show the means that the database holds, and profiles what a recovery measured."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from l2l import Categorical, Experiment, Grid, Real, Trajectory, plots
from l2l.cli import main
from l2l.errors import L2LError
from l2l.individual import Outcome
from l2l.recovery import Recovered, Recovery, Verdict


def measured(a: float, b: float, c: float, rule: str) -> Outcome:
    if a == 0 and b == 1:
        raise ValueError("nothing here")
    return Outcome({"fit": a + 10 * b + 100 * c}, {"rate": a * b, "note": "text", "up": rule == "up"})


@pytest.fixture(scope="module")
def trajectory(tmp_path_factory: pytest.TempPathFactory) -> Trajectory:
    space = {"a": Real(0, 2, unit="mV"), "b": Real(0, 1), "c": Real(0, 1), "rule": Categorical(["up", "down"])}
    store = tmp_path_factory.mktemp("maps") / "l2l.db"
    Experiment(measured, Grid(points={"a": 3, "b": 2, "c": 2}), space=space, objectives="fit", runner="serial").run(
        store=store, quiet=True
    )
    return Trajectory.open(store)


def fields(figure) -> dict[str, np.ma.MaskedArray]:
    return {ax.get_title(): ax.images[0].get_array() for ax in figure.axes if ax.images and ax.get_title()}


def test_each_measurement_is_a_map_of_means_over_the_other_parameters(trajectory: Trajectory) -> None:
    figure = plots.grid(trajectory)
    maps = fields(figure)
    assert set(maps) == {"fit", "rate"}  # neither text nor truth values
    a, b = np.meshgrid([0, 1, 2], [0, 1])
    expected = np.where((a == 0) & (b == 1), np.nan, a + 10 * b + 50)
    np.testing.assert_allclose(maps["fit"].filled(np.nan), expected, atol=1e-12)
    assert "mean over c, rule" in figure.get_suptitle()
    first = figure.axes[0]
    assert (first.get_xlabel(), first.get_ylabel()) == ("a (mV)", "b")


def test_other_parameters_may_be_held_at_the_nearest_value(trajectory: Trajectory) -> None:
    figure = plots.grid(trajectory, "a", "c", "fit", at={"b": 0.2, "rule": "down"})
    np.testing.assert_allclose(fields(figure)["fit"], [[0, 1, 2], [100, 101, 102]], atol=1e-12)
    assert figure.get_suptitle() == "b = 0; rule = down"


def test_a_condition_leaves_individuals_out(trajectory: Trajectory) -> None:
    figure = plots.grid(trajectory, "a", "b", "fit", where="fit < 50 and a > 0")
    np.testing.assert_allclose(fields(figure)["fit"], [[1, 2], [11, 12]], atol=1e-12)
    assert "fit < 50" in figure.get_suptitle()
    with pytest.raises(L2LError, match="nothing to draw"):
        plots.grid(trajectory, where="fit > 1000")


def test_a_search_is_no_grid(trajectory: Trajectory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("l2l.plots.maps.MOST_VALUES", 2)
    with pytest.raises(L2LError, match=r"parameter 'a' has 3 values: use plots\.parameters"):
        plots.grid(trajectory)


def test_the_command_draws_a_map_and_refuses_what_does_not_belong_to_it(
    trajectory: Trajectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store = trajectory.store_url

    def command(*arguments: str) -> str:
        monkeypatch.setattr("signal.signal", lambda *_: None)  # the handler of a process must not stay in this one
        monkeypatch.setattr(sys, "argv", ["l2l", "plot", "--store", store, *arguments])
        with pytest.raises(SystemExit):
            main()
        said = capsys.readouterr()
        return said.out + said.err

    to = ("--to", str(tmp_path / "map.png"))
    assert "did you mean 'grid'" in command(*to, "--kind", "gird")
    assert "add --kind grid" in command(*to, "--x", "a")
    assert "not with --kind grid" in command(*to, "--kind", "grid", "--target", "dk-average")
    assert "NAME=VALUE" in command(*to, "--kind", "grid", "--at", "b")
    assert not (tmp_path / "map.png").exists()
    told = command(*to, "--kind", "grid", "--x", "a", "--value", "fit", "--at", "c=1", "--where", "rate >= 0")
    assert "written" in told
    assert (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")


def test_categories_make_a_map_too(trajectory: Trajectory) -> None:
    assert fields(plots.grid(trajectory, "rule", "c", ["fit"]))["fit"].shape == (2, 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"x": "A"}, "did you mean 'a'"),
        ({"values": "rat"}, "did you mean 'rate'"),
        ({"at": {"d": 1}}, "no parameter 'd'"),
        ({"at": {"c": "much"}}, "needs a number"),
        ({"x": "a", "y": "a"}, "two different parameters"),
        ({"at": {"rule": "sideways"}}, "nothing to draw"),
    ],
)
def test_unknown_names_are_refused(arguments: dict, message: str, trajectory: Trajectory) -> None:
    with pytest.raises(L2LError, match=message):
        plots.grid(trajectory, **arguments)


def test_the_panels_of_a_recovery_hold_profile_hidden_and_found_values() -> None:
    ordered = Recovered(
        "G", "mV", True, 2.0, 3.0, 1.0, 0.18, [2.5, 4.0], 0.2, 0.4, 1.5, Verdict.ONE_SIDED,
        [1.0, 3.0, 10.0], [0.5, 0.0, float("inf")], [0.1, 0.0, float("inf")],
    )  # fmt: skip
    choice = Recovered(
        "rule", "", False, "up", "down", None, 1.0, ["down"], 0.0, float("nan"), float("nan"), Verdict.IDENTIFIABLE,
        ["down", "up"], [0.0, 0.3], [0.0, 0.1],
    )  # fmt: skip
    recovery = Recovery("l2l.db", 1, 2, 0, 4, "fc_corr", True, 0.05, 0.9, 0.8, True, False, [ordered, choice])
    figure = plots.recovery(recovery)
    first, second = [ax for ax in figure.axes if ax.get_visible()]
    assert (first.get_title(), first.get_xlabel(), first.get_xscale()) == ("one-sided", "G (mV)", "log")
    lines = {line.get_label(): line for line in first.lines}
    assert lines["hidden"].get_xdata()[0] == 2.0
    assert lines["found"].get_xdata()[0] == 3.0
    profile = first.containers[0].lines[0]
    np.testing.assert_allclose(profile.get_xydata(), [[1.0, 0.4], [3.0, 0.9]])
    assert [text.get_text() for text in second.get_xticklabels()] == ["down", "up"]
