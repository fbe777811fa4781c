"""Trajectories of The Virtual Brain 2.10, reproduced (conventions: the README beside the files)."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from l2l.simulator import History, coupling, models, monitors, noise, simulate

CASES = (
    "Epileptor", "Generic2dOscillator", "JansenRit", "Kuramoto", "MontbrioPazoRoxin", "ReducedWongWang",
    "ZerlautAdaptationFirstOrder", "ZerlautAdaptationSecondOrder_be0", "MontbrioPazoRoxin_euler",
    "Generic2dOscillator_rk4", "bounds_mpr", "nodelay", "history_varying", "stochastic_MPR_heun", "coupling_Difference",
    "coupling_HyperbolicTangent", "coupling_Scaling",
)  # fmt: skip
INTEGRATORS = {
    "HeunDeterministic": "heun",
    "HeunStochastic": "heun",
    "EulerDeterministic": "euler",
    "RungeKutta4thOrderDeterministic": "rk4",
}
SWITCHES = ("modification", "shift_sigmoid", "tvb_compatible")
EARLY = 50.0
"""ms for which a trajectory is held to 1e-9."""


class Case:
    """One file: what to run, and what came out."""

    def __init__(self, data: Any) -> None:
        self.data = data
        self.model = models.get(str(data["model"]))
        self.parameters = self._parameters()
        self.initial = {name: data["initial_state"][i] for i, name in enumerate(self.model.state_names)} if (
            "initial_state" in data
        ) else {}  # fmt: skip
        self.time, self.values = data["t"], data["y"]
        self.scale = np.abs(self.values).max(axis=(0, 2))

    def _parameters(self) -> dict[str, Any]:
        """Those the model knows: (1, node) or (1, 1); others have no effect in The Virtual Brain either."""
        found: dict[str, Any] = {}
        for key in self.data.files:
            name = key.removeprefix("par_")
            if key == name:
                continue
            value = np.asarray(self.data[key], dtype=np.float64)
            if name in ("P_e", "P_i"):
                found |= {f"{name}{i}": value[i] for i in range(10)}
            elif name in self.model.parameter_names:
                found[name] = value[None, :]
        if "tvb_compatible" in self.model.parameter_names:
            found["tvb_compatible"] = 1.0
        return found

    def run(self, until: float | None = None, rounding: float = 0.0, simulations: int = 1, **options: Any) -> Any:
        """(simulation, time, state, node) and times from the start. rounding: relative error put into all numbers."""
        rng = np.random.default_rng(1)
        data = self.data

        def rounded(value: Any) -> Any:
            value = np.atleast_2d(np.asarray(value, dtype=np.float64))
            errors = rng.uniform(-rounding, rounding, (simulations, value.shape[1]))
            return value * (1 + errors) if rounding else value

        step = float(self.time[1] - self.time[0])
        duration = float(data["T"]) if until is None else min(until, float(data["T"]))
        given = None
        if "z" in data:
            strength = dict(zip(self.model.state_names, data["nsig"].ravel(), strict=True))
            given = noise.Additive(D=strength, given=data["z"][: round(duration / float(data["dt"]))])
        function = getattr(coupling, str(data["coupling"]))
        result = simulate(
            self.model,
            SimpleNamespace(weights=data["weights"], tract_lengths=data["tract_lengths"]),
            duration=duration,
            dt=float(data["dt"]),
            parameters={name: value if name in SWITCHES else rounded(value) for name, value in self.parameters.items()},
            coupling=function(**{k[4:]: float(data[k].item()) for k in data.files if k.startswith("cpl_")}),
            integrator=INTEGRATORS[str(data["integrator"])],
            noise=given,
            speed=float(data["speed"].item()),
            initial={name: rounded(value) for name, value in self.initial.items()} or History(data["initial_history"]),
            monitors=[monitors.Raw(period=round(step, 9))],
            **options,
        )
        assert result.status.ok.all()
        return result.array("raw"), result.times["raw"]

    def errors(self, values: Any, until: float | None = None) -> Any:
        """Largest error of each state, relative to the largest value of that state."""
        count = values.shape[1] if until is None else int((self.time - self.time[0] < until).sum())
        count = min(count, values.shape[1])
        difference = np.abs(values[:, :count] - self.values[:count]).max(axis=(0, 1, 3))
        return difference / np.where(self.scale > 0, self.scale, 1.0)

    def sensitivity(self) -> Any:
        """Growth of a relative error of the start, by state."""
        if "sens_1e12" not in self.data:
            return np.ones(len(self.scale))
        return np.maximum(self.data["sens_1e12"] / np.where(self.scale > 0, self.scale, 1.0) / 1e-12, 1.0)


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest, tvb: Callable[[str], Any]) -> Case:
    return Case(tvb(request.param))


def test_the_reference_follows_the_first_50_ms(case: Case) -> None:
    values, _ = case.run(until=EARLY, backend="reference")
    assert (case.errors(values, EARLY) < 1e-9).all()


def test_float64_follows_the_whole_trajectory(case: Case) -> None:
    values, _ = case.run(backend="cpu", precision="float64")
    assert values.shape[1] == len(case.time)
    assert (case.errors(values, EARLY) < 1e-9).all()
    # 1e-6, and where the start hardly matters much less: rounding errors of 1e-16, a thousand of them.
    assert (case.errors(values) < 1e-6).all()
    assert (case.errors(values) < 1e-13 * case.sensitivity() + 1e-10).all()


def test_float32_errs_as_rounded_numbers_do(case: Case) -> None:
    values, _ = case.run(backend="cpu", precision="float32")
    # What float64 makes of parameters and a start that are off by half a unit of float32's last place, tenfold: an
    # equation rounds some ten times. Round-off of the values themselves, and of couplings, comes in addition.
    unit = 2.0**-24
    spread, _ = case.run(backend="cpu", precision="float64", rounding=unit, simulations=8)
    bound = 10 * case.errors(spread) + 40 * unit
    assert (case.errors(values) < bound).all(), (case.errors(values) / bound).tolist()


def test_initial_ranges_and_defaults_are_those_of_tvb(tvb: Callable[[str], Any]) -> None:
    # Files whose parameters were left at The Virtual Brain's defaults, as far as their README and values tell.
    for name in ("JansenRit", "MontbrioPazoRoxin"):
        case = Case(tvb(name))
        changed = {"cv"}
        for key, value in case.parameters.items():
            if key not in changed:
                assert case.model.parameter(key).default == value.item(), (name, key)
