"""Recordings that stay on the device, as arrays with `__cuda_array_interface__`."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l2l.errors import SimulationError
from l2l.simulator.kernels import cuda_device
from l2l.simulator.kernels.build import build
from l2l.simulator.problem import Recording

THREADS, BLOCKS = 256, 1024


def emit_move(simulated: bool) -> str:
    return "\n".join(
        [
            "from numba import cuda",
            "@cuda.jit" if simulated else "@cuda.jit(cache=True)",
            "def kernel(target, source, place, size, lanes, count):",
            '    """target[place[s]] = source[s], of the simulations s: (tile, size, lane) to (simulation, size)."""',
            "    tiles = (count + lanes - 1)//lanes",
            "    for at in range(cuda.grid(1), tiles*size*lanes, cuda.gridsize(1)):",
            "        s = at//(size*lanes)*lanes + at % lanes",
            "        if s < count:",
            "            target[place[s]*size + at//lanes % size] = source[at]",
            "",
        ]
    )


def move(target: Any, source: Any, place: NDArray[np.int64], lanes: int) -> None:
    """target[place] = the simulations of `source`, flat (tile, ..., lane). target: (simulation, ...), on the device."""
    from numba import cuda

    size = int(np.prod(target.shape[1:]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # little to do: Numba warns that the GPU is not full
        blocks = 1 if cuda_device.simulated() else min(BLOCKS, -(-source.size // THREADS))
        threads = 1 if cuda_device.simulated() else THREADS
        kernel: Any = build(emit_move(cuda_device.simulated()))
        kernel[blocks, threads](target.reshape(-1), source, cuda.to_device(place), size, lanes, len(place))


def allocate(recordings: tuple[Recording, ...], simulations: int, nodes: int, real: np.dtype[Any]) -> list[Any]:
    """For each recording (simulation, row, quantity, node or place) on the device.

    Raises SimulationError, with the bytes needed, if they do not fit.
    """
    from numba import cuda

    shapes = [(simulations, r.rows, r.recorder.quantities, r.width(nodes)) for r in recordings]
    try:
        return [cuda.device_array(shape, real) for shape in shapes]
    except Exception as error:
        if not cuda_device.out_of_memory(error):
            raise
        needed = sum(int(np.prod(shape)) for shape in shapes) * real.itemsize
        raise SimulationError(
            f"out of GPU memory: the recordings need {needed:,} bytes there; record less, or leave out on_device=True"
        ) from error


def joined(parts: list[tuple[NDArray[np.int64], Any]], simulations: int) -> Any:
    """One array on the device of those of some simulations each."""
    from numba import cuda

    first = parts[0][1]
    whole = cuda.device_array((simulations, *first.shape[1:]), first.dtype)
    for members, part in parts:
        move(whole, part.reshape(-1), np.ascontiguousarray(members, dtype=np.int64), 1)
    return whole
