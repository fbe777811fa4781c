from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from l2l.errors import ObservableError
from l2l.observables import fcd as module
from l2l.observables.fcd import fcd
from l2l.observables.pairs import triangle, within_hemispheres
from l2l.observables.windows import windows

RNG = np.random.default_rng(4)
SIGNALS = 5.0 + 0.05 * np.cumsum(RNG.standard_normal((3, 120, 8)), axis=1)


def expected(signals: np.ndarray, *arguments: Any, mask: np.ndarray | None = None, **options: Any) -> np.ndarray:
    """By NumPy's own correlations, one window after the other."""
    below = np.tril_indices(signals.shape[1], -1)
    chosen = np.ones(len(below[0]), dtype=bool) if mask is None else mask[below]
    spans = windows(len(signals), *arguments, **options)
    return np.corrcoef([np.corrcoef(signals[a:b].T)[below][chosen] for a, b in spans])


@pytest.mark.parametrize("name", ["rWW_det", "rWW_det_delay", "rWW_fic_det", "rWW_noise", "rWWEx_det", "rWWEx_noise"])
def test_fcd_of_cubnm(cubnm: Callable[[str], Any], name: str) -> None:
    data = cubnm(name)
    found = fcd(
        data["bold"],
        float(data["TR_s"]),
        f"{data['window_size_TRs']} TR",
        f"{data['window_step_TRs']} TR",
        drop_edges=bool(data["drop_edges"]),
        first=int(data["bold_remove_s"] / data["TR_s"]),
        pairs=within_hemispheres(20) if data["exc_interhemispheric"] else None,
    )
    # Asked for; rounding alone leaves 1e-13, also of the nearly constant signals without noise.
    np.testing.assert_allclose(triangle(found), data["fcd_tril"], rtol=0, atol=1e-6)


@pytest.mark.parametrize("options", [{}, {"drop_edges": False}, {"first": 17}, {"first": 17, "drop_edges": False}])
@pytest.mark.parametrize("hemispheres", [False, True])
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-13), (np.float32, 2e-5)])
def test_agrees_with_numpy(options: dict[str, Any], hemispheres: bool, dtype: type, tolerance: float) -> None:
    """float32: rounding of 6e-8 on a mean 100 times the fluctuation within a window, then of correlations of those."""
    mask = within_hemispheres(8) if hemispheres else None
    signals = SIGNALS.astype(dtype)
    found = fcd(signals, 1.0, 20.0, 4.0, pairs=mask, **options)
    assert found.dtype == dtype
    for one, matrix in zip(signals, found, strict=True):
        wanted = expected(one.astype(np.float64), 1.0, 20.0, 4.0, mask=mask, **options)
        np.testing.assert_allclose(matrix, wanted, atol=tolerance)
        np.testing.assert_allclose(fcd(one, 1.0, 20.0, 4.0, pairs=mask, **options), matrix, atol=tolerance)


@pytest.mark.parametrize("bytes_at_once", [1, 20_000])
@pytest.mark.parametrize("hemispheres", [False, True])
def test_large_networks_are_done_in_parts(
    monkeypatch: pytest.MonkeyPatch, bytes_at_once: int, hemispheres: bool
) -> None:
    mask = within_hemispheres(8) if hemispheres else None
    whole = fcd(SIGNALS, 1.0, 20.0, 4.0, pairs=mask)
    monkeypatch.setattr(module, "MOST", bytes_at_once)
    # Sums in another order: rounding of numbers up to 1.
    np.testing.assert_allclose(fcd(SIGNALS, 1.0, 20.0, 4.0, pairs=mask), whole, atol=1e-14)


def test_blocks_do_not_change_a_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = fcd(SIGNALS, 1.0, 20.0, 4.0)
    monkeypatch.setattr(module, "NEAR", 1)
    np.testing.assert_array_equal(fcd(SIGNALS, 1.0, 20.0, 4.0), whole)


def test_scrubbed_volumes_do_not_count() -> None:
    kept = np.ones(120, dtype=bool)
    kept[[3, 30, 31, 32]] = False
    kept[70:90] = False
    spoiled = np.where(kept[:, None], SIGNALS[0], np.nan)
    spans = windows(120, 1.0, 20.0, 4.0)
    enough = [kept[a:b].sum() >= 0.5 * 21 for a, b in spans]
    assert 0 < np.count_nonzero(enough) < len(spans)
    triangles = [triangle(np.corrcoef(spoiled[a:b][kept[a:b]].T)) for a, b in spans[enough]]
    np.testing.assert_allclose(fcd(spoiled, 1.0, 20.0, 4.0, volumes=kept), np.corrcoef(triangles), atol=1e-13)
    assert len(fcd(spoiled, 1.0, 20.0, 4.0, volumes=kept, least_kept=1.0)) < np.count_nonzero(enough)


def test_what_is_constant_or_not_finite_is_named() -> None:
    signals = SIGNALS.copy()
    signals[0, :, 3] = 0.1
    signals[1, 110, 2] = np.nan
    with pytest.raises(ObservableError, match="node 3 is not in every window"):
        fcd(signals[0], 1.0, 20.0, 4.0)
    with pytest.raises(ObservableError, match=r"node 2 is not in window 23 \(volumes 92 to 112\)"):
        fcd(signals[1], 1.0, 20.0, 4.0)
    found = fcd(signals, 1.0, 20.0, 4.0)
    assert np.isnan(found[0]).all()
    assert np.isfinite(found[2]).all()
    at = np.array([a <= 110 < b for a, b in windows(120, 1.0, 20.0, 4.0)])
    assert np.isnan(found[1][at]).all()
    assert np.isfinite(found[1][~at][:, ~at]).all()


def test_windows_in_which_all_pairs_are_alike() -> None:
    signals = np.repeat(SIGNALS[0, :, :1], 4, axis=1)
    with pytest.raises(ObservableError, match="all pairs are alike"):
        fcd(signals, 1.0, 20.0, 4.0)
    assert np.isnan(fcd(signals[None], 1.0, 20.0, 4.0)).all()


@pytest.mark.parametrize(
    ("signals", "options", "told"),
    [
        (SIGNALS[0, :22], {"step": 5.0}, "at least 2 windows, but 22 volumes hold 1: shorten"),
        (SIGNALS[0, :10], {}, "spans 21 volumes, but only 10"),
        (SIGNALS[0], {"step": 0}, "step must be a positive time"),
        (SIGNALS[0], {"volumes": np.arange(120) < 12}, "hold 1, of 25, in which enough volumes are kept"),
        (SIGNALS[0], {"volumes": np.ones(5, dtype=bool)}, "mask of the 120 volumes"),
        (SIGNALS[0], {"volumes": np.ones(120, dtype=bool), "least_kept": 2.0}, "0 < least_kept <= 1"),
        (SIGNALS[0], {"pairs": np.ones((5, 5), dtype=bool)}, r"boolean \(8, 8\)"),
        (SIGNALS[0, :, :2], {}, "at least 2 pairs of nodes, but got 1 of 2 nodes"),
        (SIGNALS[0, :, 0], {}, r"\(..., volume, node\), but got shape \(120,\)"),
    ],
)
def test_bad_input(signals: np.ndarray, options: dict[str, Any], told: str) -> None:
    with pytest.raises(ObservableError, match=told):
        fcd(signals, **{"tr": 1.0, "window": 20.0, "step": 4.0, **options})
