"""Targets: what may be compared with a simulation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from l2l.errors import ObservableError
from l2l.observables.analysis import Analysis
from l2l.observables.fcd import fcd
from l2l.observables.filters import bandpass
from l2l.observables.target import Target
from l2l.simulator import Connectome


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is taken from, or left in, the user's cache."""
    monkeypatch.setenv("L2L_CACHE", str(tmp_path))


def correlations(nodes: int = 5) -> np.ndarray:
    return np.corrcoef(np.random.default_rng(0).normal(size=(nodes, 50)))


def test_a_target_is_a_read_only_copy() -> None:
    matrix = correlations()
    target = Target(matrix, "mine")
    matrix[0, 1] = 9
    assert target.n_nodes == 5
    assert target.fc[0, 1] != 9
    with pytest.raises(ValueError, match="read-only"):
        target.fc[0, 1] = 0


def test_equal_matrices_have_equal_digests() -> None:
    assert Target(correlations()).digest() == Target(correlations()).digest()
    assert Target(correlations()).digest() != Target(-correlations()).digest()


def spoiled(place: tuple[int, int], value: float, symmetric: bool = True) -> np.ndarray:
    matrix = correlations()
    matrix[place] = value
    if symmetric:
        matrix[place[::-1]] = value
    return matrix


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (np.zeros((3, 4)), r"must be \(node, node\)"),
        (np.zeros(9), r"must be \(node, node\)"),
        (spoiled((1, 2), np.nan), r"must be finite, but is not at \(1, 2\)"),
        (spoiled((1, 2), 0.9, symmetric=False), "must be symmetric"),
        (spoiled((1, 2), 1.8), "undo the Fisher z"),
    ],
)
def test_what_is_no_functional_connectivity_is_refused(matrix: np.ndarray, message: str) -> None:
    with pytest.raises(ObservableError, match=message):
        Target(matrix)


def test_the_diagonal_is_not_compared_and_may_be_anything() -> None:
    Target(spoiled((2, 2), np.nan))


# BOLD: runs, scrubbing, filters, unusable regions


def bold(nodes: int = 6, volumes: int = 200, seed: int = 3) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(nodes, volumes)) + rng.normal(size=(1, volumes))


def reference(target: Target, *names: str, **settings: object) -> dict:
    return target.reference(names, Analysis(**settings), tr=0.72)  # type: ignore[arg-type]


def test_the_fc_of_bold_is_its_correlation() -> None:
    np.testing.assert_allclose(Target(bold=bold()).fc, np.corrcoef(bold()), atol=1e-12)


def test_runs_are_averaged_as_fisher_z_and_their_fcd_put_together() -> None:
    one, two = bold(seed=1), bold(volumes=150, seed=2)
    both = Target(bold=[one, two], tr=0.72)
    off = ~np.eye(6, dtype=bool)
    z = (np.arctanh(np.corrcoef(one)[off]) + np.arctanh(np.corrcoef(two)[off])) / 2
    np.testing.assert_allclose(both.fc[off], np.tanh(z), atol=1e-12)
    apart = [reference(Target(bold=each), "fcd_values", fcd_window=20.0)["fcd_values"] for each in (one, two)]
    together = reference(both, "fcd_values", fcd_window=20.0)["fcd_values"]
    np.testing.assert_array_equal(together, np.concatenate(apart))


@pytest.mark.parametrize("as_nan", [True, False])
def test_scrubbed_volumes_do_not_count(as_nan: bool) -> None:
    clean, scrubbed = bold(), np.arange(200) % 9 == 4
    spoiled = clean.copy()
    spoiled[:, scrubbed] = np.nan if as_nan else 1e3
    for scrub in ("mask", "exclude"):
        target = Target(bold=spoiled, keep=None if as_nan else ~scrubbed, scrub=scrub)  # type: ignore[arg-type]
        np.testing.assert_allclose(target.fc, np.corrcoef(clean[:, ~scrubbed]), atol=1e-12)


def test_masked_volumes_keep_windows_in_place_and_excluded_ones_move_them() -> None:
    clean, scrubbed = bold(), np.zeros(200, dtype=bool)
    scrubbed[100:140] = True
    masked = reference(Target(bold=clean, keep=~scrubbed), "fcd")["fcd"][()]
    closed = reference(Target(bold=clean, keep=~scrubbed, scrub="exclude"), "fcd")["fcd"]
    by_hand = fcd(clean.T, 0.72, volumes=~scrubbed)
    np.testing.assert_array_equal(masked, by_hand)
    np.testing.assert_array_equal(closed, fcd(clean.T[~scrubbed], 0.72))


def test_a_band_is_filtered_before_anything_else() -> None:
    time = np.arange(600) * 0.72
    slow, fast = np.sin(2 * np.pi * 0.03 * time), np.sin(2 * np.pi * 0.3 * time)
    rng = np.random.default_rng(1)
    mixed = np.stack([slow + fast, slow - fast, slow + rng.normal(size=600), rng.normal(size=600)])
    assert abs(Target(bold=mixed).fc[0, 1]) < 0.01
    filtered = Target(bold=mixed, tr=0.72, band=(0.01, 0.08)).fc
    np.testing.assert_allclose(filtered, np.corrcoef(bandpass(mixed.T, 720.0, (0.01, 0.08)).T), atol=1e-12)
    assert filtered[0, 1] > 0.9  # 1 but for the ends, where the filter sees the fast part


def test_an_unusable_region_is_named_and_left_out_only_when_asked() -> None:
    spoiled = bold()
    spoiled[2] = 5.0
    spoiled[4, 17] = np.nan
    labels = ("a", "b", "c", "d", "e", "f")
    with pytest.raises(ObservableError, match=r"region 'c' \(index 2\) is constant; 2 of 6 regions .*c, e"):
        Target(bold=spoiled, labels=labels)
    with pytest.raises(ObservableError, match="region 'e'"):
        Target(bold=spoiled, labels=labels, exclude="c")
    target = Target(bold=spoiled, labels=labels, exclude="unusable")
    assert target.regions.tolist() == [0, 1, 3, 5]
    np.testing.assert_allclose(target.fc, np.corrcoef(spoiled[[0, 1, 3, 5]]), atol=1e-12)
    same = Target(bold=spoiled, labels=labels, exclude=["c", 4])
    assert same.digest() == target.digest()


def test_a_connectome_follows_the_regions() -> None:
    weights = np.arange(36.0).reshape(6, 6) * (1 - np.eye(6))
    connectome = Connectome(weights)
    target = Target(bold=bold(), exclude=[1, 4])
    assert target.compared(connectome).tolist() == [0, 2, 3, 5]  # type: ignore[union-attr]
    left = target.connectome_of(connectome)
    np.testing.assert_array_equal(left.weights, weights[np.ix_([0, 2, 3, 5], [0, 2, 3, 5])])
    assert target.compared(left) is None
    with pytest.raises(ObservableError, match="have 4 and 5"):
        target.compared(connectome.subset(range(5)))
    turned = Target(bold=bold().T, name="t")
    with pytest.raises(ObservableError, match="seems to be turned"):
        turned.compared(Connectome(np.ones((6, 6)) - np.eye(6)))


def test_labels_in_another_order_are_noticed() -> None:
    connectome = Connectome(np.ones((3, 3)) - np.eye(3), labels=("a", "b", "c"))
    with pytest.raises(ObservableError, match="in the same order"):
        Target(bold=bold(3), labels=("b", "a", "c")).compared(connectome)


def test_given_parts_are_taken_as_they_are() -> None:
    values = np.linspace(-0.2, 0.9, 50)
    target = Target(fcd=values, rates=3.0, pci=0.4, data={"age": 7.0}, name="healthy")
    found = reference(target, "fcd_values", "rates", "pci", "age")
    np.testing.assert_array_equal(found["fcd_values"], values)
    assert (found["rates"], found["pci"], found["age"]) == (3.0, 0.4, 7.0)
    assert target.compared(Connectome(np.ones((6, 6)) - np.eye(6))) is None
    with pytest.raises(ObservableError, match="the target 'healthy' has no fc"):
        reference(target, "fc")


def test_from_bold_reads_several_runs(tmp_path: Path) -> None:
    for number in (1, 2):
        rows = "\n".join("\t".join(map(repr, row)) for row in bold(seed=number).T.tolist())
        (tmp_path / f"run-{number}.tsv").write_text("\t".join("abcdef") + "\n" + rows)
    target = Target.from_bold([tmp_path / "run-1.tsv", tmp_path / "run-2.tsv"], tr=0.72)
    assert target.labels == tuple("abcdef")
    assert target.name == "run-1"
    np.testing.assert_allclose(target.fc, Target(bold=[bold(seed=1), bold(seed=2)]).fc, atol=1e-12)
    (tmp_path / "run-3.tsv").write_text((tmp_path / "run-2.tsv").read_text().replace("a\tb", "b\ta", 1))
    with pytest.raises(ObservableError, match="the same regions in the same order"):
        Target.from_bold([tmp_path / "run-1.tsv", tmp_path / "run-3.tsv"])


def test_what_takes_time_is_computed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("L2L_CACHE", str(tmp_path))
    target = Target(bold=bold(), tr=0.72)
    first = reference(target, "fcd_values")["fcd_values"]
    (kept,) = (tmp_path / "targets").iterdir()
    np.save(kept, first + 1)  # what is read is what lies there
    np.testing.assert_array_equal(reference(target, "fcd_values")["fcd_values"], first + 1)
    np.testing.assert_array_equal(reference(target, "fcd_values", fcd_step=2.0)["fcd_values"][:0], [])
    assert len(list((tmp_path / "targets").iterdir())) == 2
    kept.write_bytes(b"\x93NUMPY torn")
    np.testing.assert_array_equal(reference(target, "fcd_values")["fcd_values"], first)


@pytest.mark.parametrize(
    "changed",
    [
        {"bold": bold(seed=4)},
        {"tr": 0.8},
        {"exclude": [0]},
        {"band": (0.01, 0.1)},
        {"keep": np.arange(200) > 3},
        {"rates": 3.0},
        {"data": {"age": 3}},
    ],
)
def test_whatever_changes_a_target_changes_its_digest(changed: dict) -> None:
    usual = {"bold": bold(), "tr": 0.72}
    assert Target(**usual | changed).digest() != Target(**usual).digest()


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Target(bold=bold(2)), "3 nodes or more"),
        (lambda: Target(bold=bold()[0]), r"must have shape \(node, volume\)"),
        (lambda: Target(bold=[bold(), bold(5)]), "the same regions, but have"),
        (lambda: Target(bold=bold(), fc=np.eye(5)), "the same regions, but have"),
        (lambda: Target(bold=bold(), keep=np.ones(7, dtype=bool)), "a boolean for each of 200 volumes"),
        (lambda: Target(bold=bold(), keep=np.zeros(200, dtype=bool)), "must keep 2 volumes or more, but keeps 0"),
        (lambda: Target(bold=[bold(), bold()], keep=[np.ones(200, dtype=bool)]), "one for each of 2 runs"),
        (lambda: Target(bold=bold(), exclude=["x"]), "no region to exclude is called 'x'"),
        (lambda: Target(bold=bold(), exclude=[9]), "an index below 6"),
        (lambda: Target(bold=bold(), exclude=range(4)), "3 regions or more must be left, but 2 of 6"),
        (lambda: Target(bold=bold(), labels=("a",)), "labels must name 6 regions"),
        (lambda: Target(bold=bold(), tr=0.0), "tr must be a positive time"),
        (lambda: Target(bold=bold(), scrub="drop"), "unknown scrub"),  # type: ignore[arg-type]
        (lambda: Target(bold=bold(), band=(0.1, 0.01)), "0 < low < high"),
        (lambda: Target(spectrum=np.ones((5, 6))), "needs its frequencies"),
        (lambda: Target(fcd=[0.1, 2.0, 0.3]), r"must lie in \[-1, 1\]"),
        (lambda: Target(rates=np.nan), "finite number"),
        (lambda: Target(pci=np.inf), "must be finite"),
        (lambda: Target(data={"fc": 1}), "names of their own"),
    ],
)
def test_what_breaks_a_law_is_refused(build: Callable[[], object], message: str) -> None:
    with pytest.raises(ObservableError, match=message):
        build()


def test_what_people_mistype_is_answered() -> None:
    rng = np.random.default_rng(6)
    signals = rng.normal(size=(4, 30))
    assert Target(bold=signals, tr="720 ms").tr == 0.72
    with pytest.raises(ObservableError, match='write "720 ms"'):
        Target(bold=signals, tr=720)
    with pytest.raises(ObservableError, match="did you mean 'unusable'"):
        Target(bold=signals, exclude="unusabel")
    with pytest.raises(ObservableError, match="several are called 'a'"):
        Target(bold=signals, labels=["a", "b", "a", "c"])
    with pytest.raises(ObservableError, match="must be real numbers"):
        Target(bold=signals + 1j)
    with pytest.raises(ObservableError, match=r"the target has no fcc: did you mean 'fc'.*Target\(data="):
        Target(bold=signals).reference(["fcc"], Analysis(), 1.0)
    for settings in ({"phase_band": 0.04}, {"spectrum_band": ("a", "b")}):
        with pytest.raises(ObservableError, match="must be \\(low, high\\) in Hz"):
            Analysis(**settings)
    with pytest.raises(ObservableError, match="or its settings by name"):
        Analysis.of("fcd_window=3")  # type: ignore[arg-type]


def test_a_region_of_the_same_name_must_stand_in_the_same_place() -> None:
    bold = np.random.default_rng(7).normal(size=(4, 30))
    weights = np.ones((4, 4)) - np.eye(4)
    named = Connectome(weights, labels=["a", "b", "c", "d"])
    assert Target(bold=bold, labels=["w", "b", "y", "d"]).compared(named) is None  # other names, another convention
    with pytest.raises(ObservableError, match="'a' has index 1 in the target and 0 in the connectome"):
        Target(bold=bold, labels=["x", "a", "b", "c"]).compared(named)
    numbered = Connectome(weights)  # 0, 1, 2, 3: no names, so that those of a file may count from 1
    assert Target(bold=bold, labels=["1", "2", "3", "4"]).compared(numbered) is None
    left = Target(bold=np.vstack([bold, bold[:1]]), labels=["x", "a", "b", "c", "d"], exclude="x")
    assert left.compared(named) is None
