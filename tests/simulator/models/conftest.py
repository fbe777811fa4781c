"""Shared by the tests of all models: right-hand sides at random points, single nodes."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from l2l.simulator import coupling, monitors, simulate
from l2l.simulator.codegen.expression import evaluate
from l2l.simulator.codegen.system import compose
from l2l.simulator.model import Model
from l2l.simulator.result import Result


@pytest.fixture
def draw() -> Callable[..., SimpleNamespace]:
    """Random states, coupling inputs and parameters (the defaults, up to 10 % off), by name."""

    def random(model: Model, size: int = 200, **given: Any) -> SimpleNamespace:
        rng = np.random.default_rng(sum(model.name.encode()))
        values = {s.name: rng.uniform(s.low, s.high, size) for s in model.states}
        values |= {p.name: p.default * rng.uniform(0.9, 1.1, size) for p in model.parameters}
        values |= {c.symbol: rng.uniform(0.0, 0.02, size) for c in model.inputs}
        return SimpleNamespace(**{**values, **given})

    return random


@pytest.fixture
def quantities() -> Callable[..., dict[str, Any]]:
    """Every state derivative (dNAME) and derived quantity of a model, from its expression graphs."""

    def compute(model: Model, values: SimpleNamespace) -> dict[str, Any]:
        system = compose(model, coupling.LINEAR)
        table = {f"x.{s.name}": getattr(values, s.name) for s in model.states}
        table |= {f"p.{p.name}": getattr(values, p.name) for p in model.parameters}
        table |= {f"c.{c.symbol}": getattr(values, c.symbol) for c in model.inputs}
        graphs = {f"d{name}": node for name, node in system.derivatives.items()} | {
            name: system.names[name] for name, _ in model.derived
        }
        with np.errstate(over="ignore"):
            return dict(zip(graphs, evaluate(graphs.values(), table), strict=True))

    return compute


@pytest.fixture
def check(quantities: Callable[..., dict[str, Any]]) -> Callable[..., None]:
    """Compares the derivatives of a model with values computed independently."""

    def compare(model: Model, values: SimpleNamespace, expected: dict[str, Any], tolerance: float = 1e-13) -> None:
        found = quantities(model, values)
        assert set(expected) == set(model.state_names)
        for name, value in expected.items():
            # Rounding in either: some ten operations of 1e-16, relative to the largest value.
            np.testing.assert_allclose(
                found[f"d{name}"], value, rtol=tolerance, atol=tolerance * np.max(np.abs(value)), err_msg=name
            )

    return compare


@pytest.fixture
def alone() -> Callable[..., Result]:
    """Simulates nodes without network: parameters and initial values are given one for each simulation."""

    def run(model: Model, duration: float, dt: float = 0.1, integrator: str = "rk4", **options: Any) -> Result:
        network = SimpleNamespace(weights=np.zeros((1, 1)), tract_lengths=None)
        options.setdefault("monitors", [monitors.Raw()])
        options.setdefault("precision", "float64")
        return simulate(model, network, duration=duration, dt=dt, integrator=integrator, **options)

    return run
