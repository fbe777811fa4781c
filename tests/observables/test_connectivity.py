from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from l2l.errors import ObservableError
from l2l.observables import connectivity, distances
from l2l.observables.connectivity import Comparison, scores
from l2l.observables.fc import fc, fc_corr
from l2l.observables.fcd import fcd
from l2l.observables.pairs import triangle, within_hemispheres

RNG = np.random.default_rng(5)
ENSEMBLE = np.cumsum(RNG.standard_normal((7, 90, 6)), axis=1)
MEASURED = np.cumsum(RNG.standard_normal((110, 6)), axis=0)
WINDOWS: dict[str, Any] = {"window": "20 TR", "step": "5 TR"}
FC, FCD = fc(MEASURED), triangle(fcd(MEASURED, 1.0, **WINDOWS))


@pytest.mark.parametrize("block", [1, 40_000, 64 << 20])
@pytest.mark.parametrize("pairs", [None, within_hemispheres(6)], ids=["all pairs", "within hemispheres"])
@pytest.mark.parametrize("drop_edges", [True, False])
def test_scores_are_those_of_each_simulation(
    monkeypatch: pytest.MonkeyPatch, block: int, pairs: np.ndarray | None, drop_edges: bool
) -> None:
    monkeypatch.setattr(connectivity, "BLOCK", block)
    comparison = Comparison(FC, FCD, "1 s", **WINDOWS, drop_edges=drop_edges, first=13, pairs=pairs)
    found = scores(ENSEMBLE, comparison)
    assert tuple(found) == comparison.names
    for i, one in enumerate(ENSEMBLE):
        own = fc(one[13:])
        dynamics = fcd(one, 1.0, **WINDOWS, drop_edges=drop_edges, first=13, pairs=pairs)
        wanted = {
            "fc_corr": fc_corr(own, FC, pairs),
            "fc_mae": distances.fc_mae(own, FC, pairs),
            "fc_rmse": distances.fc_rmse(own, FC, pairs),
            "fc_normalised_error": distances.fc_normalised_error(own, FC, pairs),
            "fc_mean_difference": distances.fc_mean_difference(own, FC, pairs),
            "fcd_ks": distances.ks(triangle(dynamics), FCD),
        }
        # Products of other sizes round differently; fcd_ks counts.
        assert {name: values[i] for name, values in found.items()} == pytest.approx(wanted, abs=1e-13)


def test_only_what_is_asked_for() -> None:
    assert set(scores(ENSEMBLE, Comparison(FC))) == set(connectivity.FC_SCORES)
    assert set(scores(ENSEMBLE, Comparison(fcd=FCD, tr=1.0, **WINDOWS))) == {"fcd_ks"}


def test_a_broken_simulation_has_no_score() -> None:
    ensemble = ENSEMBLE.copy()
    ensemble[2, :, 1] = 3.0
    ensemble[4, 50:] = np.nan
    found = scores(ensemble, Comparison(FC, FCD, 1.0, **WINDOWS))
    for values in found.values():
        np.testing.assert_array_equal(np.isnan(values), [False, False, True, False, True, False, False])


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({}, "with fc, or with fcd, or with both, but got neither"),
        ({"fc": np.full((4, 4), np.nan)}, r"finite, but is not at \(1, 0\)"),
        ({"fc": np.ones((4, 3))}, "square"),
        ({"fcd": FCD}, "FCD needs tr"),
        ({"fcd": np.eye(3), "tr": 1.0}, r"a sample \(value,\) .* but is \(3, 3\)"),
        ({"fcd": [0.5, np.nan], "tr": 1.0}, "with 1 values that are not finite"),
    ],
)
def test_what_is_compared_with_must_be_sound(arguments: dict[str, Any], told: str) -> None:
    with pytest.raises(ObservableError, match=told):
        Comparison(**arguments)


@pytest.mark.parametrize(
    ("bold", "arguments", "told"),
    [
        (ENSEMBLE[0], {}, r"\(simulation, volume, node\), but has shape \(90, 6\)"),
        (ENSEMBLE[..., :5], {}, "6 nodes, but the simulation 5"),
        (ENSEMBLE, {"first": 89}, "2 volumes must be left from first = 89 on, but the simulation has 90"),
        (ENSEMBLE, {"first": -1}, "first = -1"),
        (ENSEMBLE[:, :20], {}, "spans 21 volumes, but only 20"),
        (ENSEMBLE[:, :23], {}, "at least 2 windows"),
    ],
)
def test_what_is_compared_must_fit(bold: np.ndarray, arguments: dict[str, Any], told: str) -> None:
    with pytest.raises(ObservableError, match=told):
        scores(bold, Comparison(FC, FCD, 1.0, **WINDOWS, **arguments))
