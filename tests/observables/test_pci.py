"""The perturbational complexity index of responses that are known."""

from __future__ import annotations

import numpy as np
import pytest

from l2l.errors import ObservableError
from l2l.observables.lempel_ziv import lempel_ziv_matrix
from l2l.observables.pci import complexity_index, pci, significant


def _noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def test_the_index_of_a_small_matrix() -> None:
    # Least active first: columns 01, 00, 01, 01. Words: 0, 1 | 00 | none | none; and 1 at the end.
    found = complexity_index([[1, 0, 1, 1], [0, 0, 0, 0]])
    assert float(found.complexity) == 4
    entropy = -(3 / 8) * np.log2(3 / 8) - (5 / 8) * np.log2(5 / 8)
    assert float(found.active) == 3 / 8
    assert float(found.entropy) == pytest.approx(entropy)
    assert float(found.value) == pytest.approx(4 * 3 / (8 * entropy))


def test_the_index_does_not_depend_on_the_order_of_nodes_with_different_activity() -> None:
    matrix = np.random.default_rng(0).random((12, 200)) < np.linspace(0.05, 0.7, 12)[:, None]
    assert len(set(matrix.sum(axis=1))) == 12
    shuffled = matrix[np.random.default_rng(1).permutation(12)]
    assert lempel_ziv_matrix(matrix) != lempel_ziv_matrix(shuffled)
    assert complexity_index(shuffled) == complexity_index(matrix)


@pytest.mark.parametrize("value", [0, 1])
def test_nothing_and_everything_is_not_complex(value: int) -> None:
    found = complexity_index(np.full((5, 9), value))
    assert (float(found.value), float(found.entropy), float(found.active)) == (0.0, 0.0, float(value))


def test_a_stereotyped_response_is_less_complex_than_a_differentiated_one() -> None:
    rng = np.random.default_rng(3)
    differentiated = rng.random((40, 300)) < 0.3
    stereotyped = np.tile(rng.random(300) < 0.3, (40, 1))
    # Random matrices have about 1 (the normalisation), whole-network responses far less, at equal entropy.
    assert float(complexity_index(stereotyped).value) < 0.25 * float(complexity_index(differentiated).value)


def test_a_response_is_found_where_and_when_it_is() -> None:
    trials = 100.0 + 0.1 * _noise(6, 1000, 9)
    trials[:, 620:650, 4] += 1.0  # ten deviations
    trials[:, 660:670, 7] -= 1.0
    found = significant(trials, 1.0, 600.0)
    assert found.shape == (9, 300)
    known = np.zeros_like(found)
    known[4, 20:50] = True
    known[7, 60:70] = True
    assert found[known].all()
    assert found[~known].sum() <= 2  # at most the share alpha of runs has any at all


def test_noise_has_a_response_in_a_share_alpha_of_runs() -> None:
    trials = _noise(100, 5, 800, 8, seed=4)
    found = significant(trials, 1.0, 500.0, surrogates=200, alpha=0.1)
    runs = int(found.any(axis=(-2, -1)).sum())
    # 300 samples of response against maxima of 500: 1 - 0.9^(300 / 500) = 6 % of runs, binomial over 100 of them:
    # 0 and 18 or more have probabilities of 0.002 and 0.0001.
    assert 1 <= runs <= 17


def test_the_threshold_is_the_quantile_of_surrogate_maxima_of_one_trial() -> None:
    trial = _noise(1, 700, 3, seed=5)
    before, after = trial[0, 100:400], trial[0, 400:700]
    z = np.abs((after - before.mean(axis=0)) / before.std(axis=0))
    limit = np.abs((before - before.mean(axis=0)) / before.std(axis=0)).max()
    found = significant(trial, 2.0, 800.0, baseline=600.0, response=600.0)
    np.testing.assert_array_equal(found, (z > limit).T)


def test_trials_are_aligned_to_their_onsets() -> None:
    whole = _noise(3, 1000, 5, seed=6)
    whole[:, 500:600] += 2.0
    onsets = np.array([500.0, 540.0, 517.5])
    shifted = np.zeros((3, 1100, 5))
    for trial, first in enumerate((0, 40, 18)):  # the first sample at or after 517.5 ms is the 518th
        shifted[trial, first : first + 1000] = whole[trial]
    np.testing.assert_array_equal(significant(shifted, 1.0, onsets), significant(whole, 1.0, 500.0))


def test_the_index_is_that_of_the_significant_matrix_and_repeats() -> None:
    trials = _noise(2, 4, 900, 6, seed=7)
    trials[..., 500:700, :3] += np.array([1.0, 3.0])[:, None, None, None]
    found = pci(trials, 1.0, 500.0, seed=3)
    assert found.value.shape == (2,)
    for place in range(2):
        alone = complexity_index(significant(trials[place], 1.0, 500.0, seed=3))
        assert [float(part[place]) for part in found] == [float(part) for part in alone]
    np.testing.assert_array_equal(pci(trials, 1.0, 500.0, seed=3).value, found.value)
    # Affine changes of a node's unit do not matter.
    np.testing.assert_array_equal(pci(7.0 - 4.0 * trials, 1.0, 500.0, seed=3).value, found.value)


def test_a_batch_marks_what_cannot_be_judged() -> None:
    trials = _noise(3, 2, 900, 4, seed=8)
    trials[0, 1, 700, 2] = np.nan
    trials[1, 0, :500, 3] = 0.25
    found = pci(trials, 1.0, 500.0)
    assert np.isnan(found.value).tolist() == [True, True, False]
    assert not significant(trials, 1.0, 500.0)[:2].any()
    with pytest.raises(ObservableError, match="node 2 in trial 1"):
        pci(trials[0], 1.0, 500.0)
    with pytest.raises(ObservableError, match="node 3 in trial 0"):
        pci(trials[1], 1.0, 500.0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"onset": 300.0}, "500 ms before its onset"),
        ({"onset": 700.0}, "simulate for longer"),
        ({"onset": [500.0, 500.0, 500.0]}, r"one for each of 2 trials, but has shape \(3,\)"),
        ({"onset": np.nan}, "onset must be"),
        ({"baseline": 1.0}, "2 samples of baseline"),
        ({"response": 0.2}, "1 of response"),
        ({"response": -3.0}, "response must be >= 0"),
        ({"surrogates": 50}, "1 / alpha"),
        ({"alpha": 0.0}, "0 < alpha < 1"),
        ({"period": -1.0}, "period must be > 0"),
    ],
)
def test_what_is_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ObservableError, match=message):
        pci(_noise(2, 900, 4), **{"period": 1.0, "onset": 500.0} | arguments)  # type: ignore[arg-type]


def test_trials_need_three_axes() -> None:
    with pytest.raises(ObservableError, match=r"\(..., trial, time, node\), but have \(900, 4\)"):
        pci(_noise(900, 4), 1.0, 500.0)
