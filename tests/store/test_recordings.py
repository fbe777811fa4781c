import tracemalloc
import zlib
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from l2l.errors import StoreError
from l2l.store.recordings import DTYPES, MAX_BYTES, decode, encode


def there_and_back(array):
    encoded = encode(array)
    return decode(encoded.dtype, encoded.shape, encoded.codec, encoded.data)


@settings(max_examples=150)
@given(hnp.arrays(st.sampled_from(DTYPES).map(np.dtype), hnp.array_shapes(min_dims=0, max_dims=4, min_side=0)))
def test_arrays_keep_every_bit(array):
    back = there_and_back(array)
    assert back.dtype == array.dtype
    assert back.shape == array.shape
    assert back.tobytes() == array.tobytes()
    assert back.flags.writeable


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=">f8").reshape(2, 3),
        np.arange(12.0)[::2],
        np.arange(12.0).reshape(3, 4).T,
        [[1, 2], [3, 4]],
        2.5,
    ],
)
def test_any_layout_is_accepted(array):
    np.testing.assert_array_equal(there_and_back(array), array)


@pytest.mark.parametrize("dtype", ["f4", "f8", "u1", "c16"])
def test_a_symmetric_matrix_costs_its_triangle(dtype):
    rng = np.random.default_rng(0)
    matrix = rng.integers(0, 255, (100, 100)).astype(dtype)
    symmetric = matrix + matrix.T
    encoded = encode(symmetric)
    assert encoded.codec.startswith("triangle")
    np.testing.assert_array_equal(there_and_back(symmetric), symmetric)
    symmetric[3, 5] += 1
    assert not encode(symmetric).codec.startswith("triangle")


def test_fc_is_stored_in_less_than_60_percent():
    rng = np.random.default_rng(0)
    fc = np.corrcoef(rng.standard_normal((100, 600))).astype(np.float32)
    fc = (fc + fc.T) / 2
    assert len(encode(fc).data) <= 0.6 * fc.nbytes


@pytest.mark.parametrize(
    "array", [np.array([object()]), np.array(["text"]), np.array(["2020"], "M8[s]"), np.zeros(2, dtype=[("a", "f4")])]
)
def test_only_numbers_are_written(array):
    with pytest.raises(StoreError, match="must hold numbers"):
        encode(array)


def test_too_large_an_array_is_refused():
    with pytest.raises(StoreError, match="must not exceed"):
        encode(np.broadcast_to(np.float64(0), (MAX_BYTES // 8 + 1,)))


FEW = zlib.compress(bytes(64))


@pytest.mark.parametrize(
    ("dtype", "shape", "codec", "data", "says"),
    [
        ("|O", [1], "zlib", FEW, "type must be one of"),
        ("O", [1], "pickle", FEW, "type must be one of"),
        ("<f8", [8], "pickle", FEW, "codec must be one of"),
        ("<f8", [2**40], "zlib", FEW, "shape must hold integers"),
        ("<f8", [2**20, 2**20], "shuffle+zlib", FEW, "must not exceed"),
        ("<f8", [2**26], "zlib", FEW, "must not exceed|cannot hold"),
        ("<f8", [2**12, 2**12], "triangle+shuffle+zlib", FEW, "cannot hold"),
        ("<f8", [-8], "zlib", FEW, "shape must hold integers"),
        ("<f8", [True], "zlib", FEW, "shape must hold integers"),
        ("<f8", ["8"], "zlib", FEW, "shape must hold integers"),
        ("<f8", [8.0], "zlib", FEW, "shape must hold integers"),
        ("<f8", {"0": 8}, "zlib", FEW, "shape must be a list"),
        ("<f8", "8", "zlib", FEW, "shape must be a list"),
        ("<f8", [1] * 100, "zlib", FEW, "shape must be a list"),
        ("<f8", [2, 4], "triangle+shuffle+zlib", FEW, "square"),
        ("<f8", [9], "zlib", FEW, "damaged"),
        ("<f8", [7], "zlib", FEW, "damaged"),
        ("<f8", [8], "zlib", FEW[:-3], "damaged"),
        ("<f8", [8], "zlib", FEW + b"more", "damaged"),
        ("<f8", [8], "zlib", b"no zlib stream", "damaged"),
        ("<f8", [8], "zlib", b"", "cannot hold"),
        ("<f8", [1000], "zlib", zlib.compress(bytes(10**7)), "damaged"),
    ],
)
def test_hostile_recordings_are_refused_before_allocation(dtype, shape, codec, data, says):
    tracemalloc.start()
    try:
        with pytest.raises(StoreError, match=says):
            decode(dtype, shape, codec, data)
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


@given(st.binary(max_size=200), st.lists(st.integers(-1, 2**31), max_size=3))
def test_no_bytes_crash_the_reader(data, shape):
    with suppress(StoreError):
        decode("<f4", shape, "shuffle+zlib", data)
