from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from l2l.errors import SimulationError
from l2l.observables.hrf import RESPONSES, convolved_bold

HERE = Path(__file__).resolve()


@pytest.mark.parametrize("response", RESPONSES)
def test_the_signal_is_that_of_tvb(response: str) -> None:
    home = os.environ.get("L2L_REFERENCE")
    folder = Path(home) if home else HERE.parents[3] / "shared" / "reference"
    path = folder / "tvb" / "monitors_RWW_bold.npz"
    if not path.exists():
        pytest.skip(f"no reference file {path}; set L2L_REFERENCE to the folder that holds tvb/monitors_RWW_bold.npz")
    data = np.load(path)
    expected = data[f"y_Bold_{response}"][:, 0]
    found = convolved_bold(data["y_TemporalAverage"][:, 0], float(data[f"period_Bold_{response}"]), response)
    # Sums of 5,000 products in another order.
    np.testing.assert_allclose(found[: len(expected)], expected, rtol=0, atol=1e-12 * np.abs(expected).max())


def test_an_impulse_gives_the_response() -> None:
    """One average of 1 among zeros: the volumes are the kernel, one step of 4 ms late."""
    impulse = np.zeros((2, 6000, 1))
    impulse[0, 0] = 1.0
    found = convolved_bold(impulse, 4.0, "Gamma")
    kernel = RESPONSES["Gamma"].function(np.arange(5000) * 0.004)
    np.testing.assert_allclose(found[0, 1:5000, 0], kernel[:4999], atol=1e-15)
    assert found[0, 0, 0] == pytest.approx(kernel[-1], abs=1e-15)
    assert not found[0, 5000:].any()
    assert not found[1].any()


def test_bad_input_is_refused() -> None:
    with pytest.raises(SimulationError, match="did you mean 'Gamma'"):
        convolved_bold(np.zeros((10, 1)), 4.0, "gamma")
    with pytest.raises(SimulationError, match="multiple of 4 ms"):
        convolved_bold(np.zeros((10, 1)), 6.0)
    assert convolved_bold(np.zeros((10, 3)), 400.0).shape == (0, 3)
