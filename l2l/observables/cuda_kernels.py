# mypy: disable-error-code="no-untyped-def, no-untyped-call, no-any-return"
"""What a GPU does to compare connectivities: kernels as plain functions, for one precision and one size of tiles.

A block of `tile` x `tile` threads makes a tile of a product of matrices from pieces in shared memory; what is summed in
the signals' own precision is one piece, and the pieces are summed in float64. All other blocks are rows of `threads`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import cuda, types


def make(precision: str, tile: int, threads: int) -> dict[str, Callable[..., None]]:
    """The kernels by name. precision: "float32" or "float64"; threads: a power of two."""
    real: Any = getattr(types, precision)
    wide: Any = types.float64
    floor = 4 * float(np.finfo(precision).eps)
    padded = tile + 1  # so that a column lies in different banks

    def moments(bold, spans, mean, scale):
        """Mean and 1 / length of each signal in each window, (run, window, node); NaN where it is constant."""
        runs, long, n = mean.shape
        for at in range(cuda.grid(1), runs * long * n, cuda.gridsize(1)):
            i = at % n
            w = at // n % long
            s = at // (n * long)
            count = spans[w, 1] - spans[w, 0]
            total = 0.0
            for v in range(spans[w, 0], spans[w, 1]):
                total += bold[s, v, i]
            centre = total / count
            total = 0.0
            for v in range(spans[w, 0], spans[w, 1]):
                total += (bold[s, v, i] - centre) * (bold[s, v, i] - centre)
            size = math.sqrt(total)
            mean[s, w, i] = centre
            scale[s, w, i] = 1.0 / size if size > floor * abs(centre) * math.sqrt(wide(count)) else math.nan

    def triangles(bold, spans, mean, scale, place, out):
        """out[run, window, place[i, j]] = FC of i and j, i > j. Blocks: (run x window, tile of i, tile of j)."""
        a = cuda.shared.array((tile, tile), real)
        b = cuda.shared.array((tile, tile), real)
        long, n = mean.shape[1], mean.shape[2]
        s = cuda.blockIdx.x // long
        w = cuda.blockIdx.x % long
        y = cuda.threadIdx.y
        x = cuda.threadIdx.x
        first = cuda.blockIdx.y * tile
        second = cuda.blockIdx.z * tile
        if second <= first:
            i = min(first + x, n - 1)
            j = min(second + x, n - 1)
            centre_i = mean[s, w, i]
            centre_j = mean[s, w, j]
            scale_i = scale[s, w, i]
            scale_j = scale[s, w, j]
            total = 0.0
            for v in range(spans[w, 0], spans[w, 1], tile):
                if v + y < spans[w, 1]:
                    a[y, x] = (bold[s, v + y, i] - centre_i) * scale_i
                    b[y, x] = (bold[s, v + y, j] - centre_j) * scale_j
                else:
                    a[y, x] = 0.0
                    b[y, x] = 0.0
                cuda.syncthreads()
                part = real(0)
                for k in range(tile):
                    part += a[k, y] * b[k, x]
                total += part
                cuda.syncthreads()
            i = first + y
            j = second + x
            if i < n and j < i and place[i, j] >= 0:
                if total > 1.0:
                    total = 1.0
                elif total < -1.0:
                    total = -1.0
                out[s, w, place[i, j]] = total

    def centre(values):
        """Makes each row of (run, window, pair) one of mean 0 and length 1; NaN where all are alike. Blocks: rows."""
        sums = cuda.shared.array(threads, wide)
        long, count = values.shape[1], values.shape[2]
        s = cuda.blockIdx.x // long
        w = cuda.blockIdx.x % long
        x = cuda.threadIdx.x
        total = 0.0
        for p in range(x, count, threads):
            total += values[s, w, p]
        sums[x] = total
        cuda.syncthreads()
        half = threads // 2
        while half > 0:
            if x < half:
                sums[x] += sums[x + half]
            cuda.syncthreads()
            half //= 2
        mean = sums[0] / count
        cuda.syncthreads()
        total = 0.0
        for p in range(x, count, threads):
            total += (values[s, w, p] - mean) * (values[s, w, p] - mean)
        sums[x] = total
        cuda.syncthreads()
        half = threads // 2
        while half > 0:
            if x < half:
                sums[x] += sums[x + half]
            cuda.syncthreads()
            half //= 2
        size = math.sqrt(sums[0])
        scale = 1.0 / size if size > floor * abs(mean) * math.sqrt(wide(count)) else math.nan
        for p in range(x, count, threads):
            values[s, w, p] = (values[s, w, p] - mean) * scale

    def clear(histogram, broken):
        runs, bins = histogram.shape
        for at in range(cuda.grid(1), runs * bins, cuda.gridsize(1)):
            histogram[at // bins, at % bins] = 0
            if at < runs:
                broken[at] = 0

    def dynamics(values, marks, histogram, broken):
        """Counts the FCD of each run by where it lies among the sorted `marks`: below mark k in 2 k, at it in 2 k + 1.

        Blocks: (run, tile of windows, tile of windows). broken: (run,), set to 1 where the FCD has NaN.
        """
        a = cuda.shared.array((tile, padded), real)
        b = cuda.shared.array((tile, padded), real)
        long, count = values.shape[1], values.shape[2]
        s = cuda.blockIdx.x
        y = cuda.threadIdx.y
        x = cuda.threadIdx.x
        first = cuda.blockIdx.y * tile
        second = cuda.blockIdx.z * tile
        if second <= first:
            total = 0.0
            for p in range(0, count, tile):
                here = p + x < count
                a[y, x] = values[s, first + y, p + x] if here and first + y < long else 0.0
                b[y, x] = values[s, second + y, p + x] if here and second + y < long else 0.0
                cuda.syncthreads()
                part = real(0)
                for k in range(tile):
                    part += a[y, k] * b[x, k]
                total += part
                cuda.syncthreads()
            if first + y < long and second + x < first + y:
                if math.isnan(total):
                    broken[s] = 1
                else:
                    value = wide(real(min(1.0, max(-1.0, total))))
                    low = 0
                    high = len(marks)
                    while low < high:
                        middle = (low + high) // 2
                        if marks[middle] < value:
                            low = middle + 1
                        else:
                            high = middle
                    there = 2 * low
                    if low < len(marks) and marks[low] == value:
                        there += 1
                    cuda.atomic.add(histogram, (s, there), 1)

    def distances(histogram, below, count, marked, broken, result):
        """Largest difference of the distribution functions. Blocks: runs.

        below: (bin,), how many of the `marked` measured values lie in this bin or below; count: simulated values.
        """
        sums = cuda.shared.array(threads, wide)
        bins = len(below)
        s = cuda.blockIdx.x
        x = cuda.threadIdx.x
        each = (bins + threads - 1) // threads
        start = min(bins, x * each)
        stop = min(bins, start + each)
        total = 0.0
        for k in range(start, stop):
            total += histogram[s, k]
        sums[x] = total
        cuda.syncthreads()
        total = 0.0
        for k in range(x):
            total += sums[k]
        cuda.syncthreads()
        largest = 0.0
        for k in range(start, stop):
            total += histogram[s, k]
            largest = max(largest, abs(total / count - below[k] / marked))
        sums[x] = largest
        cuda.syncthreads()
        half = threads // 2
        while half > 0:
            if x < half:
                sums[x] = max(sums[x], sums[x + half])
            cuda.syncthreads()
            half //= 2
        if x == 0:
            result[s] = sums[0] if broken[s] == 0 else math.nan

    def compare(values, target, result):
        """Sums over the pairs of each run's FC, (run, 1, pair), and the measured one, (pair,). Blocks: runs.

        result: (run, 6): means of a, of |a - b|, of (a - b)^2; sums of (a - mean)^2, (b - mean)^2 and their product.
        """
        sums = cuda.shared.array((3, threads), wide)
        count = len(target)
        s = cuda.blockIdx.x
        x = cuda.threadIdx.x
        mean_a = 0.0
        mean_b = 0.0
        for turn in range(3):
            one = 0.0
            two = 0.0
            three = 0.0
            for p in range(x, count, threads):
                a = wide(values[s, 0, p])
                b = target[p]
                if turn == 0:
                    one += a
                    two += b
                elif turn == 1:
                    one += abs(a - b)
                    two += (a - b) * (a - b)
                else:
                    one += (a - mean_a) * (a - mean_a)
                    two += (b - mean_b) * (b - mean_b)
                    three += (a - mean_a) * (b - mean_b)
            sums[0, x] = one
            sums[1, x] = two
            sums[2, x] = three
            cuda.syncthreads()
            half = threads // 2
            while half > 0:
                if x < half:
                    for k in range(3):
                        sums[k, x] += sums[k, x + half]
                cuda.syncthreads()
                half //= 2
            if turn == 0:
                mean_a = sums[0, 0] / count
                mean_b = sums[1, 0] / count
                if x == 0:
                    result[s, 0] = mean_a
            elif x == 0:
                if turn == 1:
                    result[s, 1] = sums[0, 0] / count
                    result[s, 2] = sums[1, 0] / count
                else:
                    for k in range(3):
                        result[s, 3 + k] = sums[k, 0]
            cuda.syncthreads()

    return {
        "moments": moments,
        "triangles": triangles,
        "centre": centre,
        "clear": clear,
        "dynamics": dynamics,
        "distances": distances,
        "compare": compare,
    }


def signatures(precision: str) -> dict[str, Any]:
    """Types of the kernels' arguments, by which they can be compiled without a GPU."""
    real: Any = getattr(types, precision)
    wide, whole, narrow = types.float64, types.int64, types.int32
    bold, stack, moment = real[:, :, ::1], real[:, :, ::1], wide[:, :, ::1]
    spans, place, counts = whole[:, ::1], narrow[:, ::1], narrow[:, ::1]
    return {
        "moments": types.void(bold, spans, moment, moment),
        "triangles": types.void(bold, spans, moment, moment, place, stack),
        "centre": types.void(stack),
        "clear": types.void(counts, narrow[::1]),
        "dynamics": types.void(stack, wide[::1], counts, narrow[::1]),
        "distances": types.void(counts, wide[::1], whole, whole, narrow[::1], wide[::1]),
        "compare": types.void(stack, wide[::1], wide[:, ::1]),
    }
