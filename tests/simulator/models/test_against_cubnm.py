"""States, BOLD, FC and FCD of cuBNM 0.1.0 (float64), reproduced with the noise of each file.

Every file of the folder is tried: what a model needs to be said in cuBNM's conventions stands in `cubnm_files`.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from l2l.observables.fc import fc
from l2l.observables.fcd import fcd
from l2l.simulator import monitors, simulate

SPEC = importlib.util.spec_from_file_location("l2l_tests_cubnm_files", Path(__file__).with_name("cubnm_files.py"))
assert SPEC is not None
assert SPEC.loader is not None
cubnm_files = sys.modules[SPEC.name] = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(cubnm_files)

HOME = os.environ.get("L2L_REFERENCE")
FOLDER = (Path(HOME) if HOME else Path(__file__).resolve().parents[4] / "shared" / "reference") / "cubnm"
FILES = sorted(path.stem for path in FOLDER.glob("*.npz"))
NONE = pytest.mark.skipif(not FILES, reason=f"no files in {FOLDER}; set L2L_REFERENCE to the folder that holds cubnm/")


def opened(name: str) -> Any:
    data = np.load(FOLDER / f"{name}.npz")
    if str(data["model"]) == "Kuramoto" and bool(data["delay"]):
        pytest.skip("with delays cuBNM takes the receiver's own phase from the past")
    return cubnm_files.CubnmFile(dict(data))


def outcome(file: Any, **options: Any) -> dict[str, Any]:
    """(simulation, ...) recordings of all runs of a file. rounding: relative error put into the parameters."""
    rounding = options.pop("rounding", 0.0)
    records: dict[str, list[Any]] = {}
    for run in file.runs():
        run = run | options
        if rounding:
            rng = np.random.default_rng(0)
            run["parameters"] = {
                k: np.asarray(v) * (1 + rng.uniform(-rounding, rounding, np.shape(v))) if np.ndim(v) else v
                for k, v in run["parameters"].items()
            }
        result = simulate(**run)
        assert result.status.ok.all()
        for name in result:
            records.setdefault(name, []).append(result.array(name))
    return {name: np.concatenate(parts) for name, parts in records.items()}


def turned(file: Any, values: Any) -> Any:
    """Phases as points of the circle: cuBNM wraps them, we do not."""
    return np.exp(1j * values) if file.says.model.name == "Kuramoto" else values


def differences(found: dict[str, Any], expected: dict[str, Any]) -> Any:
    """(quantity, simulation) largest error, relative to the quantity's largest value."""
    return np.array(
        [
            np.abs(found[name] - theirs).reshape(len(theirs), -1).max(axis=1) / max(np.abs(theirs).max(), 1e-300)
            for name, theirs in expected.items()
        ]
    )


def quantities(file: Any, records: dict[str, Any]) -> dict[str, Any]:
    found = {"bold": records["bold"]}
    for index, theirs in enumerate(file.says.states):
        values = turned(file, records["raw"][:, :, index])
        if file.state(theirs).ndim == 2:  # only means were kept, without the first seconds
            values = values[:, round(float(file.data["bold_remove_s"]) * 1000 / file.sampling) :].mean(axis=1)
        found[theirs] = values
    return found


def expected_of(file: Any) -> dict[str, Any]:
    return {"bold": file.data["bold"]} | {name: turned(file, file.state(name)) for name in file.says.states}


@NONE
@pytest.mark.parametrize("name", FILES)
def test_float64_reproduces_the_file(name: str) -> None:
    file = opened(name)
    found = quantities(file, outcome(file, backend="cpu", precision="float64"))
    expected = expected_of(file)
    errors = differences(found, expected)
    kept = (errors < 1e-9).all(axis=0)
    if not kept.all():
        # Only a sensitive simulation may differ: by no more than a thousand times (two programs round elsewhere at each
        # step) what 1e-14 in the parameters, some ten rounding errors of an equation, makes of it.
        moved = quantities(file, outcome(file, backend="cpu", precision="float64", rounding=1e-14))
        bound = 1000 * differences(moved, found)
        assert (errors < bound)[:, ~kept].all(), (errors, bound)
        if not kept.any():
            pytest.skip(f"chaotic: 1e-14 grows to {bound.max() / 1000:.1e}")
    left = found["bold"][:, file.removed :]
    nodes = left.shape[2]
    pairs = np.tril(np.ones((nodes, nodes), dtype=bool), -1)
    if bool(file.data["exc_interhemispheric"]):
        half = np.arange(nodes) < nodes // 2
        pairs &= half[:, None] == half[None, :]
    if "fc_tril" in file.data:
        np.testing.assert_allclose(fc(left[kept])[:, pairs], file.data["fc_tril"][kept], rtol=0, atol=1e-8)
    if "fcd_tril" in file.data:
        seconds = {"window": "window_size_TRs", "step": "window_step_TRs"}
        spans = {key: float(file.data[k]) * float(file.data["TR_s"]) for key, k in seconds.items()}
        matrices = fcd(
            found["bold"][kept], float(file.data["TR_s"]), **spans, drop_edges=bool(file.data["drop_edges"]),
            first=file.removed, pairs=pairs | pairs.T,
        )  # fmt: skip
        triangle = np.tril_indices(matrices.shape[-1], -1)
        # Without noise windows of nearly constant signals are compared: 1e-16 of the signal is 1e-7 of its changes.
        np.testing.assert_allclose(matrices[:, *triangle], file.data["fcd_tril"][kept], rtol=0, atol=1e-6)


FINE = [name for name in FILES if name.endswith("_fine")]


@NONE
@pytest.mark.parametrize("name", FINE)
def test_the_reference_follows_the_first_100_ms(name: str) -> None:
    file = opened(name)
    file.duration = 100.0
    found = quantities(file, outcome(file, backend="reference"))
    for key, theirs in expected_of(file).items():
        values = found[key]
        scale = np.abs(theirs).max()
        # An independent implementation agrees to 1e-11.
        np.testing.assert_allclose(values, theirs[:, : values.shape[1]], rtol=0, atol=1e-10 * scale, err_msg=key)


@NONE
@pytest.mark.parametrize("name", FINE)
def test_float32_follows_to_its_precision(name: str) -> None:
    file = opened(name)
    states = tuple(file.says.states.values())
    records = outcome(
        file, backend="cpu", precision="float32", monitors=[monitors.Raw(period=file.sampling, variables=states)]
    )
    found = {key: turned(file, records["raw"][:, :, i]) for i, key in enumerate(file.says.states)}
    expected = {key: turned(file, file.state(key)) for key in found}
    # What half a unit of float32's last place in the parameters makes of float64, tenfold: an equation rounds some ten
    # times; and 1e-5, the README's figure.
    options: dict[str, Any] = {"monitors": [monitors.Raw(period=file.sampling, variables=states)]}
    exact, moved = (outcome(file, precision="float64", rounding=r, **options)["raw"] for r in (0.0, 2.0**-24))
    effect = {key: (turned(file, moved[:, :, i]), turned(file, exact[:, :, i])) for i, key in enumerate(found)}
    bound = differences({k: a for k, (a, _) in effect.items()}, {k: b for k, (_, b) in effect.items()})
    errors = differences(found, expected)
    assert (errors < 1e-5 + 10 * bound).all(), (errors, bound)
