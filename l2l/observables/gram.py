"""Products of a matrix with its own transpose, on one thread and without the interpreter's lock.

BLAS would spread products as small as a window's over all cores, whose threads then spend more time on waiting for each
other than on the product, several times over where workers share the machine.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]

FAST = {"reassoc", "contract", "nsz"}  # NaN and infinity stay what they are


def of_columns(values: Floats) -> Floats:
    """sum over k of values[..., k, i] values[..., k, j]: (..., row, column) -> (..., column, column)."""
    stack = np.ascontiguousarray(values).reshape(-1, *values.shape[-2:])
    result = np.empty((len(stack), stack.shape[2], stack.shape[2]), dtype=values.dtype)
    _of_columns(stack, result)
    return result.reshape(*values.shape[:-2], *result.shape[1:])


def of_rows(values: Floats) -> Floats:
    """sum over k of values[..., i, k] values[..., j, k]: (..., row, column) -> (..., row, row)."""
    stack = np.ascontiguousarray(values).reshape(-1, *values.shape[-2:])
    result = np.empty((len(stack), stack.shape[1], stack.shape[1]), dtype=values.dtype)
    _of_rows(stack, result)
    return result.reshape(*values.shape[:-2], *result.shape[1:])


@njit(nogil=True, cache=True, fastmath=FAST)  # type: ignore[untyped-decorator]
def _of_columns(stack: Floats, result: Floats) -> None:
    count, length, n = stack.shape
    for s in range(count):
        x, out = stack[s], result[s]
        out[:] = 0
        whole = length - length % 8
        # Eight rows for each time that a sum is loaded and stored.
        for k in range(0, whole, 8):
            x0, x1, x2, x3, x4, x5, x6, x7 = (
                x[k], x[k + 1], x[k + 2], x[k + 3], x[k + 4], x[k + 5], x[k + 6], x[k + 7],
            )  # fmt: skip
            for i in range(n):
                row = out[i]
                a0, a1, a2, a3, a4, a5, a6, a7 = x0[i], x1[i], x2[i], x3[i], x4[i], x5[i], x6[i], x7[i]
                for j in range(i + 1):
                    row[j] += (a0 * x0[j] + a1 * x1[j] + a2 * x2[j] + a3 * x3[j]) + (
                        a4 * x4[j] + a5 * x5[j] + a6 * x6[j] + a7 * x7[j]
                    )
        for k in range(whole, length):
            for i in range(n):
                a = x[k, i]
                for j in range(i + 1):
                    out[i, j] += a * x[k, j]
        for i in range(n):
            for j in range(i):
                out[j, i] = out[i, j]


@njit(nogil=True, cache=True, fastmath=FAST)  # type: ignore[untyped-decorator]
def _of_rows(stack: Floats, result: Floats) -> None:
    count, n, length = stack.shape
    for s in range(count):
        x, out = stack[s], result[s]
        out[:] = 0
        # Columns of a piece, n of them, stay in the cache.
        for start in range(0, length, 512):
            stop = min(start + 512, length)
            for i in range(0, n - n % 2, 2):
                a, b = x[i, start:stop], x[i + 1, start:stop]
                for j in range(0, i + 2, 2):
                    c, d = x[j, start:stop], x[j + 1, start:stop]
                    ac = ad = bc = bd = x.dtype.type(0)
                    for k in range(stop - start):
                        ac += a[k] * c[k]
                        ad += a[k] * d[k]
                        bc += b[k] * c[k]
                        bd += b[k] * d[k]
                    out[i, j] += ac
                    out[i, j + 1] += ad
                    out[i + 1, j] += bc
                    out[i + 1, j + 1] += bd
            if n % 2:
                a = x[n - 1, start:stop]
                for j in range(n):
                    c = x[j, start:stop]
                    ac = x.dtype.type(0)
                    for k in range(stop - start):
                        ac += a[k] * c[k]
                    out[n - 1, j] += ac
        for i in range(n):
            for j in range(i):
                out[j, i] = out[i, j]
