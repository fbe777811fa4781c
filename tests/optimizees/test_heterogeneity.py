"""Regional parameters: groups and maps give the values they promise, and never a region on the wrong side of zero."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from l2l.errors import OptimizeeError
from l2l.individual import Individual
from l2l.optimizees.heterogeneity import FreeParameters, MapScaled, Regional
from l2l.space import Categorical, Integer, Real

LABELS = ("lV", "lS", "lD", "rV", "rS", "rD")
MAPS = {"myelin": np.array([0.3, -1.0, 2.0, 0.1, 0.7, -0.4]), "gradient": np.array([1.0, 2.0, 3.0, 4.0, 5.0, 7.0])}


def test_a_map_scales_the_base_as_the_formula_says() -> None:
    free = FreeParameters({"w": MapScaled(Real(0, 2), maps=["myelin", "gradient"])}, LABELS, MAPS)
    assert free.space.labels == ["w", "w.myelin", "w.gradient"]
    point = {"w": 1.5, "w.myelin": 0.1, "w.gradient": -0.2}
    z = {name: (values - np.mean(values)) / np.std(values) for name, values in MAPS.items()}
    expected = 1.5 * (1 + 0.1 * z["myelin"] - 0.2 * z["gradient"])
    np.testing.assert_allclose(free.values([Individual(point)])["w"], [expected], rtol=1e-14)


def test_min_max_maps_leave_the_base_to_the_smallest_value() -> None:
    free = FreeParameters({"w": MapScaled(Real(0, 2), maps=["gradient"], normalise="minmax")}, LABELS, MAPS)
    (values,) = free.values([Individual({"w": 1.0, "w.gradient": 0.5})])["w"]
    np.testing.assert_allclose(values, 1 + 0.5 * (MAPS["gradient"] - 1) / 6, rtol=1e-14)
    assert free.space["w.gradient"] == Real(-0.99, 1.0)


@given(
    maps=st.lists(
        st.lists(st.floats(-5, 5), min_size=6, max_size=6).filter(lambda values: np.ptp(values) > 1e-3),
        min_size=1,
        max_size=4,
    ),
    normalise=st.sampled_from(["z", "minmax", None]),
    data=st.data(),
)
def test_no_coefficients_within_the_usual_bounds_leave_the_positive_side(
    maps: list[list[float]], normalise: str | None, data: st.DataObject
) -> None:
    given_maps = {f"m{k}": np.array(values) for k, values in enumerate(maps)}
    free = FreeParameters({"w": MapScaled(Real(0.1, 2), given_maps, normalise=normalise)}, LABELS)  # type: ignore[arg-type]
    # Corners of the unit cube are where a sum of bounded terms is smallest.
    corner = data.draw(
        st.lists(st.sampled_from([0.0, 1.0]), min_size=free.space.dimension, max_size=free.space.dimension)
    )
    individual = Individual(free.space.decode(corner))
    assert (free.values([individual])["w"] > 0).all()
    assert free.refusals([individual]) == [""]


def test_wider_coefficients_refuse_the_individuals_that_leave_it() -> None:
    free = FreeParameters({"w": MapScaled(Real(0, 2), ["myelin"], scale=Real(-5, 5))}, LABELS, MAPS)
    fine, bad = Individual({"w": 1.0, "w.myelin": 0.1}), Individual({"w": 1.0, "w.myelin": -5.0})
    reasons = free.refusals([fine, bad])
    assert reasons[0] == ""
    assert "must stay positive" in reasons[1]
    assert "'lD'" in reasons[1]


def test_groups_share_a_value_under_their_name() -> None:
    free = FreeParameters({"J": Regional(Real(0, 1), groups=["Vis", "Som", "Default Mode"] * 2)}, LABELS)
    assert list(free.space) == ["J.Default_Mode", "J.Som", "J.Vis"]
    point = {"J.Default_Mode": 0.3, "J.Som": 0.2, "J.Vis": 0.1}
    np.testing.assert_array_equal(free.values([Individual(point)])["J"], [[0.1, 0.2, 0.3, 0.1, 0.2, 0.3]])


def test_groups_may_be_numbers_or_named_sets_of_regions() -> None:
    numbers = FreeParameters({"J": Regional(Real(0, 1), groups=np.array([7, 1, 7, 1, 7, 1]))}, LABELS)
    assert list(numbers.space) == ["J.group1", "J.group7"]
    sets = FreeParameters({"J": Regional(Real(0, 1), groups={"left": ["lV", "lS", 2], "right": [3, 4, 5]})}, LABELS)
    values = sets.values([Individual({"J.left": 0.25, "J.right": 0.75})])["J"]
    np.testing.assert_array_equal(values, [[0.25] * 3 + [0.75] * 3])


def test_without_groups_each_region_is_free() -> None:
    free = FreeParameters({"J": Regional(Real(0, 1))}, LABELS)
    assert free.space.labels == [f"J[{i}]" for i in range(6)]


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: FreeParameters({"w": MapScaled(Real(0, 1), ["mielyn"])}, LABELS, MAPS), "did you mean 'myelin'"),
        (lambda: FreeParameters({"w": MapScaled(Real(0, 1), {"m": [1, 2]})}, LABELS), "each of 6 regions, but has"),
        (
            lambda: FreeParameters({"w": MapScaled(Real(0, 1), {"m": [1, 2, np.nan, 4, 5, 6]})}, LABELS),
            "nan in 1 regions, first 'lD'",
        ),
        (lambda: FreeParameters({"w": MapScaled(Real(0, 1), {"m": [3] * 6})}, LABELS), "must vary between regions"),
        (lambda: MapScaled(Real(0, 1), ["m"], normalise="zscore"), "unknown normalisation"),  # type: ignore[arg-type]
        (lambda: MapScaled(Integer(0, 1), ["m"]), "needs the range of one value"),  # type: ignore[arg-type]
        (lambda: MapScaled(Real(0, 1), []), "needs a map or more"),
        (
            lambda: FreeParameters({"w": MapScaled(Real(0, 1), ["myelin"], scale={"x": Real(0, 1)})}, LABELS, MAPS),
            "must give a range for map 'myelin'",
        ),
        (lambda: FreeParameters({"J": Regional(Real(0, 1), groups=["a", "b"])}, LABELS), "for each of 6 regions"),
        (
            lambda: FreeParameters({"J": Regional(Real(0, 1), groups=["a", "b", None, "a", "b", "a"])}, LABELS),
            "'lD' is in none",
        ),
        (
            lambda: FreeParameters({"J": Regional(Real(0, 1), groups={"a": [0, 1, 2], "b": [4, 5]})}, LABELS),
            "'rV' is in none",
        ),
        (
            lambda: FreeParameters({"J": Regional(Real(0, 1), groups={"a": [0, 1, 2, 3], "b": [3, 4, 5]})}, LABELS),
            "each region once, but 'rV'",
        ),
        (
            lambda: FreeParameters({"J": Regional(Real(0, 1), groups={"a": ["lVV"]})}, LABELS),
            "did you mean 'lV'",
        ),
        (
            lambda: FreeParameters({"J": Regional(Real(0, 1), groups=["a b", "a_b"] * 3)}, LABELS),
            "several are called 'J.a_b'",
        ),
        (lambda: Regional(Real(0, 1, shape=(6,))), "without a shape"),
        (lambda: FreeParameters({"J": Categorical([1, 2])}, LABELS), "must be Real or Integer"),
    ],
)
def test_what_does_not_fit_the_regions_is_refused(build: Callable[[], object], message: str) -> None:
    with pytest.raises(OptimizeeError, match=message):
        build()
