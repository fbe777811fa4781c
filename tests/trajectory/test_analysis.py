"""Fronts, neighbours, lineage and duplicates, against definitions written out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from l2l import Categorical, Experiment, Genetic, Integer, Objective, Real, Space
from l2l.errors import StoreError
from l2l.trajectory import Trajectory, compare
from l2l.trajectory.analysis import distances, duplicates, non_dominated


@given(arrays.arrays(np.float64, st.tuples(st.integers(0, 30), st.integers(1, 3)), elements=st.integers(0, 4)))
def test_the_front_is_what_its_definition_says(losses: np.ndarray) -> None:
    expected = [not any((other <= point).all() and (other < point).any() for other in losses) for point in losses]
    assert non_dominated(losses).tolist() == expected


def test_what_has_no_value_is_dominated() -> None:
    assert non_dominated([[1.0, 2.0], [np.nan, 0.0], [2.0, 1.0], [np.inf, 0.0]]).tolist() == [True, False, True, False]


def test_distances_scale_each_parameter_by_its_range() -> None:
    space = Space({"x": Real(0, 10), "y": Real(1, 100, log=True), "n": Integer(0, 10), "c": Categorical(["a", "b"])})
    points = [{"x": 0.0, "y": 1.0, "n": 0, "c": "a"}, {"x": 10.0, "y": 10.0, "n": 0, "c": "b"}]
    assert distances(space, points, {"x": 0.0}).tolist() == [0.0, 1.0]
    assert distances(space, points, {"y": 100.0}).tolist() == pytest.approx([1.0, 0.5])
    assert distances(space, points, {"c": "a", "x": 0.0}).tolist() == pytest.approx([0.0, 1.0])
    with pytest.raises(StoreError, match="did you mean 'x'"):
        distances(space, points, {"X": 1.0})
    with pytest.raises(StoreError, match="one parameter at least"):
        distances(space, points, {})


def test_duplicates_are_equal_to_the_bit() -> None:
    table = pd.DataFrame({"x": [1.0, 2.0, 1.0, 2.0, 1.0 + 2**-52], "rule": ["a", "b", "a", "a", "a"]})
    found = duplicates(table, ["x", "rule"])
    assert found["x"].tolist() == [1.0, 1.0]
    assert found["group"].tolist() == [0, 0]
    assert duplicates(table.head(1), ["x"]).empty


def schaffer(x: float) -> tuple[float, float]:
    """Two objectives with a known front: 0 <= x <= 2."""
    return x**2, (x - 2) ** 2


@pytest.fixture(scope="module")
def bred(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bred") / "l2l.db"
    for seed in (1, 2):
        Experiment(
            schaffer,
            Genetic(population=12),
            space={"x": Real(-4, 4)},
            objectives=[Objective("left"), Objective("right")],
            generations=4,
            runner="serial",
            seed=seed,
        ).run(store=path, quiet=True)
    return path


def test_pareto_of_a_run(bred: Path) -> None:
    with Trajectory.open(bred, 1) as trajectory:
        front, everyone = trajectory.pareto(), trajectory.individuals()
    # Between 0 and 2 every point is on the front of Schaffer's problem; outside, only what nothing inside dominates.
    inside = everyone["x"].between(0, 2)
    assert inside.sum() > 5
    assert set(everyone["x"][inside]) <= set(front["x"])
    assert front["left"].is_monotonic_increasing


def test_best_of_each_generation(bred: Path) -> None:
    with Trajectory.open(bred, 1) as trajectory:
        best, generations = trajectory.best_per_generation(), trajectory.generations()
    np.testing.assert_array_equal(best["left"], generations["left_min"])
    assert best["generation"].tolist() == [0, 1, 2, 3]


def test_lineage_leads_to_the_first_generation(bred: Path) -> None:
    with Trajectory.open(bred, 1) as trajectory:
        lineage = trajectory.lineage((3, 0))
        founders = trajectory.lineage((0, 5))
        with pytest.raises(StoreError, match="no individual"):
            trajectory.lineage((9, 0))
    assert (lineage.loc[0, ["generation", "position", "depth"]] == [3, 0, 0]).all()
    assert lineage["generation"].min() == 0
    known = {(g, p): d for g, p, d in lineage[["generation", "position", "depth"]].itertuples(index=False)}
    for row in lineage.itertuples():
        assert all(parent in known and known[parent] <= row.depth + 1 for parent in row.parents)
        assert row.parents or row.generation == 0
    assert len(founders) == 1
    assert founders["parents"].tolist() == [[]]


def test_nearest(bred: Path) -> None:
    with Trajectory.open(bred, 1) as trajectory:
        near, everyone = trajectory.nearest({"x": 1.0}, 3), trajectory.individuals()
    assert near["x"].tolist() == everyone["x"][(everyone["x"] - 1).abs().argsort(kind="stable")[:3]].tolist()
    np.testing.assert_allclose(near["distance"], (near["x"] - 1).abs() / 8)


def test_comparison_shows_what_differs(bred: Path) -> None:
    table = compare([1, 2], bred)
    assert table.loc["seed"].tolist() == [1, 2]
    assert table.loc["individuals"].tolist() == [48, 48]
    assert not any(str(name).startswith(("space", "optimizer")) for name in table.index)
    with pytest.raises(StoreError, match="two runs"):
        compare([1], bred)
