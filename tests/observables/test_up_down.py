"""Up and down states of signals whose states are known."""

from __future__ import annotations

import numpy as np
import pytest

from l2l.errors import ObservableError
from l2l.observables.up_down import durations, up_states

PERIOD = 5.0  # ms


def square(up: float, down: float, cycles: int = 10, high: float = 10.0) -> np.ndarray:
    """One node, up first."""
    cycle = np.concatenate([np.full(round(up / PERIOD), high), np.zeros(round(down / PERIOD))])
    return np.tile(cycle, cycles)[:, None]


def test_the_states_of_a_square_wave_have_its_durations() -> None:
    found = durations(up_states(square(200, 300), PERIOD), PERIOD)
    # Smoothing by 10 ms moves a threshold below the middle outwards by less than a standard deviation: three samples.
    assert found.up == pytest.approx(200, abs=15)
    assert found.down == pytest.approx(300, abs=15)
    assert found.share == pytest.approx(0.4, abs=0.03)
    assert found.switches == pytest.approx(19 / 5.0)  # 20 states in 5 s


def test_without_smoothing_the_states_are_exact() -> None:
    signal = square(200, 300)
    states = up_states(signal, PERIOD, smooth=0)
    np.testing.assert_array_equal(states, signal > 0)
    assert durations(states, PERIOD) == pytest.approx((200, 300, 0.4, 3.8))


def test_a_node_that_stays_is_one_state_and_a_quiet_one_is_never_up() -> None:
    steady, quiet = np.full((100, 1), 5.0), np.full((100, 1), 0.1)
    assert durations(up_states(steady, PERIOD), PERIOD) == pytest.approx((500, 0, 1, 0))
    assert durations(up_states(quiet, PERIOD), PERIOD) == pytest.approx((0, 500, 0, 0))
    both = durations(up_states(np.hstack([steady, quiet]), PERIOD), PERIOD)
    assert both == pytest.approx((250, 250, 0.5, 0))


def test_short_states_belong_to_the_one_before() -> None:
    signal = square(200, 300)
    signal[50:54] = 10.0  # 20 ms in a down state
    signal[10:12] = 0.0  # 10 ms in an up state
    np.testing.assert_array_equal(up_states(signal, PERIOD, smooth=0), square(200, 300) > 0)
    kept = up_states(signal, PERIOD, smooth=0, shortest=0)
    np.testing.assert_array_equal(kept, signal > 0)


def test_the_first_state_stays_however_short_and_rows_do_not_touch() -> None:
    signal = np.zeros((100, 2))
    signal[:4, 0] = 10.0
    signal[50:, 0] = 10.0
    signal[:4, 1] = 10.0
    states = up_states(signal, PERIOD, smooth=0)
    np.testing.assert_array_equal(states, signal > 0)


def test_a_batch_gives_what_each_simulation_gives_alone() -> None:
    rng = np.random.default_rng(0)
    batch = rng.gamma(1.0, 3.0, size=(3, 400, 4))
    together = up_states(batch, PERIOD)
    for alone, states in zip(batch, together, strict=True):
        np.testing.assert_array_equal(up_states(alone, PERIOD), states)
    np.testing.assert_allclose(durations(together, PERIOD).up[1], durations(together[1], PERIOD).up)


def test_a_diverged_simulation_of_a_batch_is_down_and_a_single_one_is_refused() -> None:
    batch = np.full((2, 100, 2), 5.0)
    batch[1, 50:] = np.nan
    states = up_states(batch, PERIOD)
    assert states[0].all()
    assert not states[1].any()
    with pytest.raises(ObservableError, match="finite"):
        up_states(batch[1], PERIOD)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"share": 1.0}, "0 <= share < 1"),
        ({"floor": -1.0}, "floor must be"),
        ({"smooth": np.nan}, "smooth must be"),
        ({"shortest": np.inf}, "shortest must be"),
        ({"period": 0.0}, "period must be > 0"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict, message: str) -> None:
    with pytest.raises(ObservableError, match=message):
        up_states(**{"rates": square(200, 300), "period": PERIOD} | settings)


def test_durations_need_booleans() -> None:
    with pytest.raises(ObservableError, match="booleans"):
        durations(square(200, 300), PERIOD)
