"""FC, FCD and their scores on a GPU: the BOLD of an ensemble stays there, and only scores leave it."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l2l.errors import ObservableError
from l2l.observables.connectivity import Comparison
from l2l.observables.fcd import kept_windows
from l2l.observables.pairs import places
from l2l.simulator.kernels import cuda_device

TILE, THREADS, BLOCKS = 16, 256, 4096
FEW = 2  # the same in the simulator, in which each thread is one of the system
SHARE = 0.5  # of the free memory, taken for the simulations that are compared at once


@functools.cache
def kernels(precision: str, simulated: bool) -> dict[str, Callable[..., Any]]:
    """The compiled kernels."""
    from numba import cuda

    from l2l.observables.cuda_kernels import make

    made = make(precision, FEW, FEW) if simulated else make(precision, TILE, THREADS)
    return {name: cuda.jit(f) if simulated else cuda.jit(cache=True)(f) for name, f in made.items()}


def scores(
    bold: Any, comparison: Comparison, *, at_once: int | None = None, on_device: bool = False
) -> dict[str, NDArray[np.float64]]:
    """Each score of `comparison.names`, (simulation,), as `connectivity.scores` defines them.

    bold: (simulation, volume, node), or (simulation, volume, 1, node) as a BOLD monitor leaves it, float32 or float64,
    C-contiguous, on the device (`__cuda_array_interface__`) or in memory.
    at_once: at most so many simulations in work at once; None: what fits into half of the free memory.
    on_device: leave the scores on the device, as arrays there.
    FCD correlations are summed in the signals' precision by pieces, so that of float32 signals a KS distance may differ
    from the CPU's by the few values that rounding moves past a measured one.
    Raises SimulationError without a GPU, ObservableError for other shapes or types.
    """
    cuda_device.require()
    from numba import cuda

    signals = bold if hasattr(bold, "copy_to_host") else cuda.as_cuda_array(bold) if _on_device(bold) else bold
    if isinstance(signals, np.ndarray):
        signals = cuda.to_device(np.ascontiguousarray(signals))
    if signals.ndim == 4 and signals.shape[2] == 1:
        signals = signals.reshape(signals.shape[0], signals.shape[1], signals.shape[3])
    comparison.check(tuple(signals.shape))
    if np.dtype(signals.dtype) not in (np.float32, np.float64):
        raise ObservableError(f"the BOLD of an ensemble must be float32 or float64, but is {signals.dtype}")
    work = _Work(cuda, signals, comparison)
    count = int(signals.shape[0])
    if at_once is None:
        at_once = count if work.simulated else int(cuda.current_context().get_memory_info()[0] * SHARE / work.bytes)
    result = {name: np.empty(count) for name in comparison.names}
    for start in range(0, count, max(1, at_once)):
        stop = min(count, start + max(1, at_once))
        for name, values in work.run(signals[start:stop], stop - start).items():
            result[name][start:stop] = values
    return {name: cuda.to_device(values) for name, values in result.items()} if on_device else result


def distribution(sample: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The different values of a sample, ascending, and how many of it lie in each bin or below it.

    Bin 2 k holds what lies below the k-th value (and above the one before), bin 2 k + 1 what equals it; the last bin
    holds what lies above all.
    """
    marks, often = np.unique(sample, return_counts=True)
    return marks, np.append(0, np.repeat(np.cumsum(often), 2)).astype(np.float64)


def _on_device(array: Any) -> bool:
    return hasattr(array, "__cuda_array_interface__")


class _Work:
    """What all simulations share, on the device."""

    def __init__(self, cuda: Any, signals: Any, comparison: Comparison) -> None:
        self.cuda, self.comparison = cuda, comparison
        self.simulated = cuda_device.simulated()
        self.real = np.dtype(signals.dtype)
        self.tile, self.threads, self.blocks = (FEW, FEW, 1) if self.simulated else (TILE, THREADS, BLOCKS)
        self.kernels = kernels(self.real.name, self.simulated)
        _, volumes, self.nodes = signals.shape
        rows, columns = places(self.nodes, comparison.pairs)
        self.pairs = len(rows)
        if self.pairs < 2:
            raise ObservableError(f"connectivities are compared by at least 2 pairs of nodes, but got {self.pairs}")
        place = np.full((self.nodes, self.nodes), -1, dtype=np.int32)
        place[rows, columns] = np.arange(self.pairs)
        self.place = cuda.to_device(place)
        if comparison.fc is not None:
            self.target = comparison.fc[rows, columns]
            self.on_target = cuda.to_device(self.target)
            self.whole = cuda.to_device(np.array([[comparison.first, volumes]], dtype=np.int64))
        windows = 1
        if comparison.fcd is not None:
            assert comparison.tr is not None
            spans = kept_windows(
                volumes, comparison.tr, comparison.window, comparison.step, comparison.drop_edges,
                first=comparison.first,
            )  # fmt: skip
            windows = len(spans)
            self.spans = cuda.to_device(spans)
            self.marks, self.below = (cuda.to_device(x) for x in distribution(comparison.fcd))
        self.windows = windows
        self.bytes = windows * (self.pairs * self.real.itemsize + 16 * self.nodes)
        self.bytes += 8 * len(comparison.fcd) if comparison.fcd is not None else 0

    def launch(self, name: str, blocks: Any, threads: Any, *arguments: Any) -> None:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")  # little to do: Numba warns that the GPU is not full
            self.kernels[name][blocks, threads](*arguments)  # type: ignore[index]

    def triangles(self, runs: Any, count: int, spans: Any, windows: int) -> Any:
        """FC of each window, (run, window, pair), on the device."""
        mean, scale = (self.cuda.device_array((count, windows, self.nodes), np.float64) for _ in range(2))
        self.launch("moments", self.blocks, self.threads, runs, spans, mean, scale)
        values = self.cuda.device_array((count, windows, self.pairs), self.real)
        tiles = -(-self.nodes // self.tile)
        square = (self.tile, self.tile)
        self.launch("triangles", (count * windows, tiles, tiles), square, runs, spans, mean, scale, self.place, values)
        return values

    def run(self, runs: Any, count: int) -> dict[str, NDArray[np.float64]]:
        scores: dict[str, NDArray[np.float64]] = {}
        if self.comparison.fc is not None:
            values = self.triangles(runs, count, self.whole, 1)
            sums = self.cuda.device_array((count, 6), np.float64)
            self.launch("compare", count, self.threads, values, self.on_target, sums)
            mean, mae, mse, aa, bb, ab = sums.copy_to_host().T
            with np.errstate(all="ignore"):
                size = np.sqrt(aa * bb)
                scores["fc_corr"] = np.clip(ab / np.where(size > 0, size, np.nan), -1.0, 1.0)
            scores["fc_mae"], scores["fc_rmse"], scores["fc_normalised_error"] = mae, np.sqrt(mse), np.sqrt(mse) / 2
            scores["fc_mean_difference"] = np.abs(mean - self.target.mean())
            if self.comparison.mean:
                scores["mean_fc"] = mean
        if self.comparison.fcd is not None:
            values = self.triangles(runs, count, self.spans, self.windows)
            self.launch("centre", count * self.windows, self.threads, values)
            histogram = self.cuda.device_array((count, len(self.below)), np.int32)
            broken = self.cuda.device_array(count, np.int32)
            self.launch("clear", self.blocks, self.threads, histogram, broken)
            tiles = -(-self.windows // self.tile)
            square = (self.tile, self.tile)
            self.launch("dynamics", (count, tiles, tiles), square, values, self.marks, histogram, broken)
            result = self.cuda.device_array(count, np.float64)
            sample = self.windows * (self.windows - 1) // 2
            measured = len(self.comparison.fcd)
            self.launch("distances", count, self.threads, histogram, self.below, sample, measured, broken, result)
            scores["fcd_ks"] = result.copy_to_host()
        return scores
