"""Laws that every model keeps."""

from __future__ import annotations

import math
import pickle
from types import SimpleNamespace

import numpy as np
import pytest

from l2l.errors import ModelError, SimulationError
from l2l.simulator import coupling, models, monitors, noise, simulate
from l2l.simulator.codegen.expression import symbols
from l2l.simulator.codegen.system import compose
from l2l.simulator.model import Model, Parameter

NAMES = (
    "Epileptor", "Epileptor2D", "FitzHughNagumo", "Generic2dOscillator", "JansenRit", "Kuramoto", "LarterBreakspear",
    "Linear", "MontbrioPazoRoxin", "ReducedWongWang", "ReducedWongWangExcInh", "ReducedWongWangFIC", "SupHopf",
    "WilsonCowan", "ZerlautAdaptationFirstOrder", "ZerlautAdaptationSecondOrder",
)  # fmt: skip

SWITCHES = ("modification", "shift_sigmoid", "tvb_compatible")


@pytest.fixture(params=NAMES)
def model(request: pytest.FixtureRequest) -> Model:
    return models.get(request.param)


def test_all_are_listed() -> None:
    assert set(models.MODELS) == set(NAMES)
    for name in NAMES:
        assert getattr(models, name) is models.get(name)
        assert models.get(name).name == name


def test_a_mistyped_name_meets_the_nearest() -> None:
    with pytest.raises(ModelError, match="Epileptor"):
        models.get("Epilepter")


def test_everything_is_described(model: Model) -> None:
    assert model.description
    assert any(character.isdigit() for character in model.source)  # a year
    for thing in (*model.states, *model.parameters):
        assert thing.description, thing.name
        assert thing.unit, thing.name


def test_defaults_and_ranges_are_possible(model: Model) -> None:
    for p in model.parameters:
        assert p.low <= p.high
        assert p.minimum <= p.default <= p.maximum
        if p.exclusive:
            assert p.minimum < p.default < p.maximum
        assert math.isfinite(p.default)
    for s in model.states:
        assert s.lower <= s.low <= s.high <= s.upper


def test_every_parameter_and_input_matters(model: Model) -> None:
    system = compose(model, coupling.LINEAR)
    read = symbols(system.derivatives.values())
    assert read >= {f"p.{p.name}" for p in model.parameters}
    assert read >= {f"c.{c.symbol}" for c in model.inputs}
    system.quantity(model.bold, "bold")


def test_time_constants_must_be_positive(model: Model) -> None:
    times = [p for p in model.parameters if p.unit == "ms"]
    assert all(p.minimum == 0 and p.exclusive for p in times)
    network = SimpleNamespace(weights=np.zeros((1, 1)), tract_lengths=None)
    for p in times:
        for bad in (0.0, -1.0, math.nan):
            with pytest.raises(SimulationError, match=p.name):
                simulate(model, network, duration=1.0, dt=0.1, parameters={p.name: bad})


def test_an_unknown_parameter_meets_the_nearest(model: Model) -> None:
    network = SimpleNamespace(weights=np.zeros((1, 1)), tract_lengths=None)
    known = model.parameters[0].name
    with pytest.raises(SimulationError, match=known):
        simulate(model, network, duration=1.0, dt=0.1, parameters={known + "x": 1.0})


def test_pickles(model: Model) -> None:
    assert pickle.loads(pickle.dumps(model)) == model


def test_with_defaults(model: Model) -> None:
    p: Parameter = model.parameters[0]
    changed = model.with_defaults(**{p.name: p.default + 1})
    assert changed.parameter(p.name).default == p.default + 1
    assert model.parameter(p.name).default == p.default


def _ensemble(model: Model, backend: str, precision: str, integrator: str, noisy: bool, rounding: float = 0.0):
    """Three simulations of seven nodes with delays, other parameters in each, off by `rounding` on request."""
    rng = np.random.default_rng(4)
    weights = rng.uniform(0, 0.1, (7, 7)) * (rng.uniform(size=(7, 7)) < 0.7)
    network = SimpleNamespace(weights=weights, tract_lengths=rng.uniform(1, 30, (7, 7)))
    vary = {
        p.name: p.default * np.array([[0.99], [1.0], [1.01]])
        for p in model.parameters
        if p.default and (p.low, p.high) != (0.0, 1.0) and not p.name.startswith("P_")
    }
    if rounding:
        wrong = np.random.default_rng(5)
        numbers = {p.name: p.default for p in model.parameters if p.name not in SWITCHES} | vary
        vary = {name: value * (1 + rounding * wrong.choice([-1, 1], (3, 7))) for name, value in numbers.items()}
    sigma = {model.state_names[-1]: 1e-5} if noisy else None
    # Covariances from their whole range may blow up, and then the last bit decides what follows.
    calm = {name: 0.0 for name in model.state_names if name.startswith("C_")}
    return simulate(
        model, network, duration=4.0, dt=0.05, parameters=vary, coupling=coupling.Linear(0.05), speed=10.0,
        integrator=integrator, noise=noise.Additive(sigma=sigma) if sigma else None,
        initial=calm or None, monitors=[monitors.Raw(period=0.5)], seed=11, backend=backend, precision=precision,
    )  # fmt: skip


@pytest.mark.parametrize(("integrator", "noisy"), [("euler", True), ("heun", True), ("rk4", False)])
def test_lanes_agree_with_the_reference(model: Model, integrator: str, noisy: bool) -> None:
    expected = _ensemble(model, "reference", "float64", integrator, noisy).array("raw")
    assert np.isfinite(expected).all()
    scale = np.abs(expected).max(axis=(0, 1, 3))[:, None] + 1e-300
    found = _ensemble(model, "cpu", "float64", integrator, noisy).array("raw")
    # The same arithmetic in another order, functions to a few units in the last place, amplified over 80 steps.
    assert np.max(np.abs(found - expected) / scale) < 1e-10


def test_float32_agrees_with_the_reference(model: Model) -> None:
    expected = _ensemble(model, "reference", "float64", "heun", True).array("raw")
    scale = np.abs(expected).max(axis=(0, 1, 3))[:, None] + 1e-300
    found = _ensemble(model, "cpu", "float32", "heun", True).array("raw")
    # What parameters rounded to float32 change, thirtyfold: an equation rounds as often. And the values themselves.
    unit = 2.0**-24
    rounded = _ensemble(model, "cpu", "float64", "heun", True, rounding=unit).array("raw")
    bound = 30 * np.max(np.abs(rounded - expected) / scale) + 40 * unit
    assert np.max(np.abs(found - expected) / scale) < bound < 1e-2


@pytest.mark.parametrize("name", SWITCHES)
def test_a_switch_may_differ_between_simulations(name: str) -> None:
    network = SimpleNamespace(weights=np.full((2, 2), 0.01), tract_lengths=None)
    for model in models.MODELS.values():
        if name not in model.parameter_names:
            continue
        start = {s.name: 0.4 * s.low + 0.6 * s.high for s in model.states}

        def run(value, model=model, start=start):
            return simulate(
                model, network, duration=1.0, dt=0.1, parameters={name: value}, initial=start, backend="cpu",
                precision="float64", simulations=2,
            ).final.state  # fmt: skip

        off, on, both = run(0.0), run(1.0), run(np.array([[0.0], [1.0]]))
        # Folded or not, the same equations up to the order of operations.
        np.testing.assert_allclose(both, [off[0], on[1]], rtol=1e-11)
        assert not np.allclose(off, on, rtol=1e-9)
