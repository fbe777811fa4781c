"""The connectome: its laws, its normalisations, its delays."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from l2l.errors import ConnectomeError
from l2l.simulator.connectome import NORMALISATIONS, Connectome


@st.composite
def connectomes(draw: st.DrawFn, min_nodes: int = 1) -> Connectome:
    n = draw(st.integers(min_nodes, 8))
    # Zeros are common in real weights, so make them common here.
    entries = st.one_of(st.just(0.0), st.floats(1e-6, 1e6))
    weights = draw(arrays(np.float64, (n, n), elements=entries)) * (1 - np.eye(n))
    lengths = draw(arrays(np.float64, (n, n), elements=st.floats(0, 300)))
    return Connectome(weights, lengths, tuple(f"r{i}" for i in range(n)), "drawn", lengths[:, :1] * [1.0, 2.0, 3.0])


TRIANGLE = Connectome([[0, 1, 2], [1, 0, 4], [2, 4, 0]], [[0, 10, 20], [10, 0, 40], [20, 40, 0]], ("a", "b", "c"))


# The laws


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([[0.0, 1.0]], r"square.*\(1, 2\)"),
        ([0.0, 1.0], r"square.*\(2,\)"),
        (np.zeros((0, 0)), "square"),
        ([[0, np.nan], [1, 0]], r"finite.*weights\[0, 1\] = nan"),
        ([[0, np.inf], [1, 0]], r"finite.*weights\[0, 1\] = inf"),
        ([[0, 1], [-2, 0]], r">= 0.*weights\[1, 0\] = -2.*write 0"),
        ([[0, 1], [1, 3]], r"diagonal.*weights\[1, 1\] = 3.*allow_self_connections=True"),
        ([[0, 1], [1]], "rectangular"),
        ([[0, "x"], [1, 0]], "real numbers"),
        ([[0, 1j], [1, 0]], "real numbers"),
        (None, "real numbers"),
    ],
)
def test_bad_weights_are_refused_with_law_and_value(weights: object, message: str) -> None:
    with pytest.raises(ConnectomeError, match=message):
        Connectome(weights)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        (np.zeros((2, 2)), r"shape of weights, \(3, 3\), but has shape \(2, 2\)"),
        (np.full((3, 3), -1.0), "tract_lengths must be finite and >= 0"),
        (np.full((3, 3), np.nan), "tract_lengths must be finite"),
    ],
)
def test_bad_lengths_are_refused(lengths: np.ndarray, message: str) -> None:
    with pytest.raises(ConnectomeError, match=message):
        Connectome(np.zeros((3, 3)), lengths)


def test_bad_labels_and_centres_are_refused() -> None:
    with pytest.raises(ConnectomeError, match=r"unique, but 'a' names nodes 0 and 2.*hemisphere"):
        Connectome(np.zeros((3, 3)), labels=("a", "b", "a"))
    with pytest.raises(ConnectomeError, match="one label a node, 3, but got 2"):
        Connectome(np.zeros((3, 3)), labels=("a", "b"))
    with pytest.raises(ConnectomeError, match="sequence of 3 strings"):
        Connectome(np.zeros((3, 3)), labels="abc")  # type: ignore[arg-type]
    with pytest.raises(ConnectomeError, match=r"centres must be finite, of shape \(3, 3\)"):
        Connectome(np.zeros((3, 3)), centres=np.zeros((3, 2)))


def test_an_error_names_the_regions() -> None:
    with pytest.raises(ConnectomeError, match="'thalamus' from 'cortex'"):
        Connectome([[0, 1], [-1, 0]], labels=("cortex", "thalamus"))


def test_self_connections_are_kept_when_asked() -> None:
    kept = Connectome([[2, 1], [1, 0]], allow_self_connections=True)
    assert kept.weights[0, 0] == 2
    assert not kept.without_self_connections().weights.diagonal().any()
    assert kept.density == 1.0  # the diagonal does not count


def test_arrays_are_copies_nobody_can_change() -> None:
    mine = np.array([[0.0, 1.0], [1.0, 0.0]])
    connectome = Connectome(mine, mine)
    mine[0, 1] = -5
    assert connectome.weights[0, 1] == 1
    for array in (connectome.weights, pickle.loads(pickle.dumps(connectome)).weights):
        with pytest.raises(ValueError, match="read-only"):
            array[0, 1] = 3


def test_what_it_says_of_itself() -> None:
    assert (TRIANGLE.n_nodes, TRIANGLE.density, TRIANGLE.is_symmetric) == (3, 1.0, True)
    assert TRIANGLE.strengths.tolist() == [3, 5, 6]
    assert Connectome([[0.0]]).density == 0.0
    assert Connectome(np.zeros((3, 3))).labels == ("0", "1", "2")
    assert not Connectome([[0, 1], [0, 0]]).is_symmetric
    assert "3 nodes" in repr(TRIANGLE)
    assert "sqrt()" in repr(TRIANGLE.sqrt())


# Identity


@given(connectomes())
def test_pickling_keeps_identity(connectome: Connectome) -> None:
    again = pickle.loads(pickle.dumps(connectome))
    assert again == connectome
    assert hash(again) == hash(connectome)
    assert again.provenance == connectome.provenance


def test_equality_is_by_content() -> None:
    assert Connectome([[0, 1], [1, 0]], name="x") == Connectome([[-0.0, 1], [1, 0]], name="y")
    different = [
        Connectome([[0, 2], [1, 0]]),
        Connectome([[0, 1], [1, 0]], labels=("a", "b")),
        Connectome([[0, 1], [1, 0]], np.zeros((2, 2))),
        Connectome([[0, 1], [1, 0]], centres=np.zeros((2, 3))),
    ]
    assert len({Connectome([[0, 1], [1, 0]]), *different}) == 5
    assert Connectome([[0.0]]) != "connectome"


# Delays


def test_delays_round_halves_to_even() -> None:
    lengths = [[0, 5, 15], [25, 0, 26], [24, 35, 0]]
    connectome = Connectome(np.ones((3, 3)) - np.eye(3), lengths)
    # 0.5 -> 0, 1.5 -> 2, 2.5 -> 2, 2.6 -> 3, 2.4 -> 2, 3.5 -> 4: banker's rounding
    assert connectome.delays(10.0, 1.0).tolist() == [[0, 0, 2], [2, 0, 3], [2, 4, 0]]


def test_delays_of_many_speeds_are_those_of_each() -> None:
    many = TRIANGLE.delays([1.0, 2.5, 7.0], 0.1)
    assert many.shape == (3, 3, 3)
    assert many.dtype == np.int64
    for speed, delays in zip([1.0, 2.5, 7.0], many, strict=True):
        assert np.array_equal(delays, TRIANGLE.delays(speed, 0.1))


@pytest.mark.parametrize("speed", [0.0, -1.0, np.nan, np.inf, [4.0, 0.0], [[4.0]], "fast", None])
def test_a_speed_must_be_positive(speed: object) -> None:
    with pytest.raises(ConnectomeError, match="speed"):
        TRIANGLE.delays(speed, 0.1)  # type: ignore[arg-type]


def test_delays_need_a_step_lengths_and_sane_units() -> None:
    with pytest.raises(ConnectomeError, match="dt"):
        TRIANGLE.delays(4.0, 0.0)
    with pytest.raises(ConnectomeError, match=r"need tract lengths.*speed=None"):
        Connectome(np.zeros((2, 2))).delays(4.0, 0.1)
    with pytest.raises(ConnectomeError, match="check the units"):
        TRIANGLE.delays(1e-300, 1e-10)


# Normalisations


@given(connectomes(min_nodes=2), st.sampled_from(NORMALISATIONS))
def test_a_normalisation_reaches_its_size_and_keeps_ratios(connectome: Connectome, by: str) -> None:
    sizes = {
        "max": lambda w: w.max(),
        "mean": lambda w: w[w > 0].mean(),
        "strength": lambda w: w.sum(axis=1).max(),
        "spectral": lambda w: np.abs(np.linalg.eigvals(w)).max(),
        "rows": lambda w: w.sum(axis=1)[w.sum(axis=1) > 0],
    }
    if not connectome.weights.any() or (by == "spectral" and connectome.spectral_radius == 0):
        if by != "rows":
            with pytest.raises(ConnectomeError, match="needs a size > 0"):
                connectome.normalised(by)  # type: ignore[arg-type]
        return
    normalised = connectome.normalised(by)  # type: ignore[arg-type]
    # Eigenvalues of a badly scaled, asymmetric matrix are ill-conditioned: up to eps^(1/n) of the norm.
    assert np.allclose(sizes[by](normalised.weights), 1.0, rtol=1e-2 if by == "spectral" else 1e-12)
    assert np.array_equal(normalised.weights > 0, connectome.weights > 0)
    assert normalised.history == (f"normalised({by!r})",)
    assert normalised.tract_lengths is not None
    assert np.array_equal(normalised.tract_lengths, connectome.tract_lengths)


def test_the_spectral_radius_of_known_graphs() -> None:
    ring = np.roll(np.eye(7), 1, axis=1)  # eigenvalues: the 7th roots of one
    assert Connectome(3 * ring).spectral_radius == pytest.approx(3, rel=1e-12)
    complete = np.ones((9, 9)) - np.eye(9)  # largest eigenvalue n - 1
    assert Connectome(complete).normalised("spectral").weights[0, 1] == pytest.approx(1 / 8, rel=1e-12)
    forward = np.triu(np.ones((6, 6)), 1)  # nilpotent
    assert Connectome(forward).spectral_radius == 0
    with pytest.raises(ConnectomeError, match="no cycle: normalise by 'max'"):
        Connectome(forward).normalised("spectral")


def test_an_unknown_normalisation_suggests_the_nearest() -> None:
    with pytest.raises(ConnectomeError, match="did you mean 'spectral'"):
        TRIANGLE.normalised("spectrl")  # type: ignore[arg-type]


@given(connectomes())
def test_log_and_sqrt_keep_order_and_zeros(connectome: Connectome) -> None:
    for changed in (connectome.log(), connectome.log(0.1), connectome.sqrt()):
        order = np.argsort(connectome.weights, axis=None, kind="stable")
        assert (np.diff(changed.weights.ravel()[order]) >= 0).all()
        assert np.array_equal(changed.weights == 0, connectome.weights == 0)


def test_known_values_of_log_sqrt_and_scale() -> None:
    assert TRIANGLE.log(2.0).weights[1, 2] == pytest.approx(np.log(3), rel=1e-15)
    assert TRIANGLE.sqrt().weights[1, 2] == 2
    assert TRIANGLE.scaled(0.5).weights[1, 2] == 2
    for bad in (0.0, -1.0, np.nan):
        with pytest.raises(ConnectomeError, match="unit"):
            TRIANGLE.log(bad)
    for bad in (-1.0, np.inf):
        with pytest.raises(ConnectomeError, match="factor"):
            TRIANGLE.scaled(bad)
    assert TRIANGLE.sqrt().normalised("max").history == ("sqrt()", "normalised('max')")


# Changes of the graph


@given(connectomes(), st.data())
def test_a_subset_is_the_same_by_label_index_and_mask(connectome: Connectome, data: st.DataObject) -> None:
    index = sorted(data.draw(st.sets(st.integers(0, connectome.n_nodes - 1), min_size=1)))
    by_index = connectome.subset(index)
    assert by_index == connectome.subset([connectome.labels[i] for i in index])
    assert by_index == connectome.subset([i in index for i in range(connectome.n_nodes)])
    assert np.array_equal(by_index.weights, connectome.weights[index][:, index])
    assert connectome.subset(range(connectome.n_nodes)) == connectome


def test_a_subset_can_reorder_and_refuses_strangers() -> None:
    turned = TRIANGLE.subset(["c", "a"])
    assert turned.labels == ("c", "a")
    assert turned.weights[0, 1] == 2
    assert TRIANGLE.subset([-1]).labels == ("c",)
    for nodes, message in (
        (["d"], "no node is labelled 'd'"),
        ([3], "index below 3"),
        ([], "at least one"),
        (["a", 0], "each once"),
        ([True, False], "one entry a node, 3"),
        ([0.5], "label or an index"),
    ):
        with pytest.raises(ConnectomeError, match=message):
            TRIANGLE.subset(nodes)  # type: ignore[arg-type]


@given(connectomes())
def test_symmetrising_keeps_the_sum_and_is_done_once(connectome: Connectome) -> None:
    once = connectome.symmetrised()
    assert once.is_symmetric
    assert once.symmetrised() == once
    assert once.weights.sum() == pytest.approx(connectome.weights.sum(), rel=1e-12)
