"""Compiles a CUDA kernel where there is no GPU, to see what became of it. Needs the package numba-cuda."""

from __future__ import annotations

import types
from typing import Any

from l2l.simulator.codegen.cuda_layout import CudaLayout


def signature(layout: CudaLayout) -> Any:
    """Types of the arguments of a kernel of this layout."""
    from numba import types as t

    real = getattr(t, layout.precision)
    reals, whole = real[::1], t.int64
    weights = t.uint64[::1] if layout.words else reals
    count = len(layout.recorders)
    recorders = [reals] * (3 * count) + [t.int64[::1]] * count + [reals] * count
    return t.void(
        reals, reals, weights, t.int32[::1], reals, reals, reals, reals, t.uint32[::1], reals, t.int64[::1],
        reals, reals, t.int64[::1], reals, *recorders, t.int64[::1], whole, whole, whole, whole, whole, real,
    )  # fmt: skip


def history_signature(layout: CudaLayout) -> Any:
    """Types of the arguments of the kernel that makes the delay ring."""
    from numba import types as t

    reals, whole = getattr(t, layout.precision)[::1], t.int64
    return t.void(reals, reals, whole, whole, whole)


def move_signature(layout: CudaLayout) -> Any:
    """Types of the arguments of the kernel that puts recordings into the order of the simulations."""
    from numba import types as t

    reals, whole = getattr(t, layout.precision)[::1], t.int64
    return t.void(reals, reals, t.int64[::1], whole, whole, whole)


def compile_ptx(source: str, types_of_arguments: Any, architecture: int) -> str:
    """PTX of the kernel that `source` defines, for compute capability `architecture`, 90 for 9.0."""
    from numba import cuda
    from numba.cuda import dispatcher

    class Offline:
        compute_capability = divmod(architecture, 10)

    # Compiling a device function asks the current device what it can do.
    asked = dispatcher.get_current_device
    dispatcher.get_current_device = lambda: Offline
    try:
        head, kernel = source.rsplit("@cuda.jit(", 1)  # the plain function is wanted
        module: Any = types.ModuleType("l2l_offline")
        exec(head + kernel.split(")\n", 1)[1], module.__dict__)
        ptx, _ = cuda.compile_ptx(module.kernel, types_of_arguments, cc=divmod(architecture, 10))
    finally:
        dispatcher.get_current_device = asked
    return str(ptx)
