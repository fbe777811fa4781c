"""The made-up connectome has the statistics it claims, and the same ones tomorrow."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from l2l import datasets
from l2l.errors import DatasetError


@given(st.integers(1, 30), st.integers(0, 2**40), st.floats(0.01, 1))
def test_any_seed_makes_a_lawful_connectome(half: int, seed: int, density: float) -> None:
    connectome = datasets.synthetic(2 * half, seed, density=density).connectome
    assert connectome.n_nodes == 2 * half
    assert connectome.is_symmetric
    assert connectome.weights.max() == 1
    assert connectome.labels[0] == "L.00"
    assert connectome.labels[half] == "R.00"
    assert (np.diagonal(connectome.weights, half) > 0).all()  # mirrored pairs are connected
    # The asked share to rounding; at least one pair, and mirrored pairs come on top.
    pairs = half * (2 * half - 1)
    assert density - 0.5 / pairs <= connectome.density <= density + (half + 1) / pairs
    assert connectome == datasets.synthetic(2 * half, seed, density=density).connectome


def test_seeds_and_sizes_differ() -> None:
    digests = {datasets.synthetic(n, seed).connectome.digest() for n in (10, 12) for seed in range(5)}
    assert len(digests) == 10


def test_lengths_are_distances_by_a_factor() -> None:
    connectome = datasets.synthetic(40, 3).connectome
    assert connectome.centres is not None
    assert connectome.tract_lengths is not None
    distance = np.linalg.norm(connectome.centres[:, None] - connectome.centres, axis=-1)
    assert np.allclose(connectome.tract_lengths, 1.3 * distance, rtol=1e-12)
    assert (connectome.centres[:20, 0] < 0).all()
    assert (connectome.centres[20:, 0].mean()) > 20


def test_weights_fall_with_distance_and_strengths_are_log_normal() -> None:
    connectome = datasets.synthetic(400, 1, density=1.0).connectome
    assert connectome.tract_lengths is not None
    within = np.triu_indices(200, 1)
    slope = scipy.stats.linregress(connectome.tract_lengths[within] / 1.3, np.log(connectome.weights[within])).slope
    # 1 / 30 mm; a factor of each region adds scatter, and 200 regions leave 5 % of error at most.
    assert slope == pytest.approx(-1 / 30, rel=0.05)
    logarithm = np.log(connectome.strengths)
    # Log-normal strengths: those of 400 regions are, after the logarithm, as symmetric as a normal sample; before, not.
    assert abs(scipy.stats.skew(logarithm)) < 0.35 < scipy.stats.skew(connectome.strengths)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_nodes": 3}, "even and >= 2.*got 3"),
        ({"n_nodes": 0}, "even and >= 2"),
        ({"n_nodes": 4.0}, "even and >= 2"),
        ({"seed": -1}, "integer >= 0"),
        ({"density": 0.0}, "0 < density <= 1"),
        ({"density": float("nan")}, "0 < density <= 1"),
    ],
)
def test_bad_settings_are_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        datasets.synthetic(**options)  # type: ignore[arg-type]


def test_load_makes_the_usual_one() -> None:
    assert datasets.load("synthetic").connectome == datasets.synthetic(68, 0).connectome
    assert datasets.load("synthetic").fc is None
