"""Arrays as bytes and back: typed, compressed, never pickled.

A codec is a chain: `triangle` keeps the upper triangle of a matrix that is symmetric to the last bit (functional
connectivity), `shuffle` puts the first bytes of all elements together, then the second and so on, which makes floats
compressible, and `zlib` (level 1) closes the chain. Reading trusts nothing: type, codec, shape and size are checked
before anything is allocated.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l2l.errors import StoreError

#: Types that are written and read, in NumPy's notation; always little-endian.
DTYPES = ("|b1", "|i1", "|u1", "<i2", "<u2", "<i4", "<u4", "<i8", "<u8", "<f2", "<f4", "<f8", "<c8", "<c16")
CODECS = ("zlib", "shuffle+zlib", "triangle+zlib", "triangle+shuffle+zlib")
#: The largest array kept inside the database, bytes before compression.
MAX_BYTES = 2**29

_MAX_NDIM = 32
_DEFLATE_LIMIT = 1032  # zlib cannot compress better than this, so a larger claim is a lie


@dataclass(frozen=True)
class Encoded:
    """An array as the table `recordings` holds it."""

    dtype: str
    shape: list[int]
    codec: str
    data: bytes


def encode(array: Any) -> Encoded:
    """The bytes of an array. Raises StoreError for a type that is not in DTYPES, or more than MAX_BYTES."""
    values = np.asarray(array)
    little = values.dtype.newbyteorder("<")
    if little.str not in DTYPES:
        raise StoreError(f"a recording must hold numbers ({', '.join(DTYPES)}), but is of type {values.dtype}")
    if values.nbytes > MAX_BYTES:
        raise StoreError(f"a recording must not exceed {MAX_BYTES} bytes, but has {values.nbytes}: record less of it")
    shape = list(values.shape)
    values = np.ascontiguousarray(values, dtype=little).reshape(shape)  # ascontiguousarray gives () a dimension
    chain = []
    if _is_symmetric(values):
        values = values[_upper(shape[0])]
        chain.append("triangle")
    raw = values.tobytes()
    if little.itemsize > 1:
        raw = np.frombuffer(raw, np.uint8).reshape(-1, little.itemsize).T.tobytes()
        chain.append("shuffle")
    return Encoded(little.str, shape, "+".join([*chain, "zlib"]), zlib.compress(raw, 1))


def decode(dtype: str, shape: Sequence[int], codec: str, data: bytes) -> NDArray[Any]:
    """The array that `encode` turned into bytes. Raises StoreError for anything it could not have written."""
    if dtype not in DTYPES:
        raise StoreError(f"a recording's type must be one of {', '.join(DTYPES)}, but is {dtype!r:.60}")
    if codec not in CODECS:
        raise StoreError(f"a recording's codec must be one of {', '.join(CODECS)}, but is {codec!r:.60}")
    sizes = _check_shape(shape)
    kind = np.dtype(dtype)
    elements = math.prod(sizes)
    if elements * kind.itemsize > MAX_BYTES:
        raise StoreError(f"a recording must not exceed {MAX_BYTES} bytes, but claims {elements} x {kind.itemsize}")
    triangle = codec.startswith("triangle")
    if triangle:
        if len(sizes) != 2 or sizes[0] != sizes[1]:
            raise StoreError(f"only a square matrix is stored as a triangle, but the shape is {sizes}")
        elements = sizes[0] * (sizes[0] + 1) // 2
    raw = _decompress(data, elements * kind.itemsize)
    if "shuffle" in codec:
        raw = np.frombuffer(raw, np.uint8).reshape(kind.itemsize, -1).T.tobytes()
    values = np.frombuffer(raw, kind)
    if not triangle:
        return values.reshape(sizes).astype(kind.newbyteorder("="))  # a copy: the bytes are read-only
    matrix = np.empty(sizes, kind.newbyteorder("="))
    mask = _upper(sizes[0])
    matrix[mask] = values
    matrix.T[mask] = values
    return matrix


def _check_shape(shape: Sequence[int]) -> tuple[int, ...]:
    if not isinstance(shape, list | tuple) or len(shape) > _MAX_NDIM:
        raise StoreError(f"a recording's shape must be a list of at most {_MAX_NDIM} sizes, but is {shape!r:.60}")
    if any(isinstance(size, bool) or not isinstance(size, int) or not 0 <= size <= MAX_BYTES for size in shape):
        raise StoreError(f"a recording's shape must hold integers from 0 to {MAX_BYTES}, but is {shape!r:.60}")
    return tuple(shape)


def _decompress(data: bytes, size: int) -> bytes:
    if size > _DEFLATE_LIMIT * len(data):
        raise StoreError(f"{len(data)} bytes cannot hold the {size} bytes that the recording's shape claims")
    stream = zlib.decompressobj()
    try:
        raw = stream.decompress(data, size + 1)
    except zlib.error as error:
        raise StoreError(f"the recording is damaged: {error}") from error
    if len(raw) != size or not stream.eof or stream.unused_data:
        raise StoreError(f"the recording is damaged: its shape asks for {size} bytes, which its data do not give")
    return raw


def _is_symmetric(values: NDArray[Any]) -> bool:
    if values.ndim != 2 or values.shape[0] != values.shape[1] or values.shape[0] < 2:
        return False
    # Bytes are compared, not values: NaN equals itself then, and -0.0 is not 0.0.
    raw = values.view(np.uint8).reshape(*values.shape, values.itemsize)
    return bool(np.array_equal(raw, raw.transpose(1, 0, 2)))


@lru_cache(maxsize=8)
def _upper(nodes: int) -> NDArray[np.bool_]:
    return np.tri(nodes, dtype=bool).T
