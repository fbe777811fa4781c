"""What is checked before anything runs: ranges, delays, initial states."""

from __future__ import annotations

import functools
import warnings
from typing import Any

import numpy as np
import pytest

from l2l.errors import SimulationError
from l2l.simulator import Connectome, History, RangeWarning, coupling, models, simulate


def run(network: Connectome, **options: Any) -> Any:
    arguments: dict[str, Any] = {"duration": 2.0, "dt": 0.1, "precision": "float64", "seed": 1} | options
    return simulate(arguments.pop("model", models.ReducedWongWang), network, **arguments)


def test_an_unusual_value_warns_and_an_impossible_one_is_refused(network: Connectome) -> None:
    usual = models.ReducedWongWang.parameter("w")
    assert np.isfinite(usual.high)
    with pytest.warns(RangeWarning, match=rf"parameter 'w' leaves its usual range .*w <= {usual.high:g}"):
        run(network, parameters={"w": [0.5, usual.high + 0.1]})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(network, parameters={"w": usual.high})
        run(network)  # defaults are the model's own affair
    with pytest.raises(SimulationError, match="0 < tau_s must hold"):
        run(network, parameters={"tau_s": 0.0})


def test_an_unusual_value_warns_once(network: Connectome) -> None:
    run(network)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("default")
        for value in (3.0, 4.0, 5.0):
            run(network, parameters={"w": value})
    assert len([w for w in seen if issubclass(w.category, RangeWarning)]) == 1


def test_a_step_longer_than_the_shortest_delay_warns(network: Connectome) -> None:
    with pytest.warns(RangeWarning, match="longer than the shortest delay"):
        run(network, speed=1000.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(network, speed=5.0)
        # Connections without weight or without length have no delay that could be too short.
        lengths = np.where(network.weights > 0, network.tract_lengths, 0.001)
        lengths[3] = 0.0
        run(Connectome(weights=network.weights, tract_lengths=lengths), speed=5.0)


def test_what_a_backend_cannot_do_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib

    from l2l.simulator.kernels import cpu, cuda

    simulation = importlib.import_module("l2l.simulator.simulate")
    monkeypatch.setattr(cuda, "ABLE", frozenset({"stimuli"}), raising=False)
    monkeypatch.setattr(simulation.cuda_device, "usable", lambda: True)
    with pytest.raises(SimulationError, match="'cuda' cannot do projections yet"):
        simulation.engine_of("cuda", False, False, frozenset({"stimuli", "projections"}))
    for needs, on_cpu in (("projections", True), ("stimuli", False)):
        engine = simulation.engine_of("auto", False, False, frozenset({needs}))
        assert isinstance(engine, functools.partial)
        assert (engine.func is cpu.run) == on_cpu


def test_initial_states_may_be_swept(network: Connectome) -> None:
    starts = np.random.default_rng(0).uniform(0.1, 0.9, (3, 13))
    for given, expected in [
        (starts, starts),
        (starts[:, :1], np.repeat(starts[:, :1], 13, axis=1)),
        (starts[:, 0], np.repeat(starts[:, :1], 13, axis=1)),
        (starts[0], np.repeat(starts[:1], 3, axis=0)),
    ]:
        together = run(network, initial={"S": given}, simulations=3)
        apart = [run(network, initial={"S": row[None]}).array("raw")[0] for row in expected]
        np.testing.assert_array_equal(together.array("raw"), apart)


def test_each_simulation_may_have_a_history_of_its_own(network: Connectome) -> None:
    delays = np.rint(network.tract_lengths / 5.0 / 0.1)[network.weights > 0].astype(int)
    pasts = np.random.default_rng(1).uniform(0.1, 0.9, (3, int(delays.max()) + 1, 1, 13))
    options: dict[str, Any] = {"speed": 5.0, "coupling": coupling.Linear(a=0.05)}
    together = run(network, initial=History(pasts), **options).array("raw")
    for i in range(3):
        np.testing.assert_array_equal(run(network, initial=History(pasts[i]), **options).array("raw")[0], together[i])
    expected = run(network, initial=History(pasts), backend="reference", **options).array("raw")
    np.testing.assert_allclose(together, expected, rtol=1e-12)
    for bad, message in [
        (pasts[:, -5:], f"reach back {delays.max() + 1} steps .*, but has 5"),
        (pasts[..., :12], r"13 nodes, but has \(3, \d+, 1, 12\)"),
        (pasts[:2], "number of simulations|history must have shape"),
    ]:
        with pytest.raises(SimulationError, match=message):
            run(network, initial=History(bad), **options, simulations=3)
