"""Whether a GPU can be used, found out without importing numba.cuda where there is no driver."""

from __future__ import annotations

import ctypes
import functools
import importlib.util
import os
import sys
import warnings

from l2l.errors import SimulationError

DRIVERS = ("nvcuda.dll",) if sys.platform == "win32" else ("libcuda.so.1", "libcuda.so")


def simulated() -> bool:
    """Whether Numba's CUDA simulator stands in for a GPU."""
    return os.environ.get("NUMBA_ENABLE_CUDASIM", "0") not in {"", "0"}


def require() -> None:
    """Raises SimulationError, with the remedy, unless a GPU or Numba's simulator of one can be used."""
    lacking = None if simulated() else missing()
    if lacking is not None:
        raise SimulationError(f"backend 'cuda' needs a GPU: {lacking}; or use backend='cpu'")


def out_of_memory(error: Exception) -> bool:
    """Whether the device has no memory left (CUDA_ERROR_OUT_OF_MEMORY is 2)."""
    return isinstance(error, MemoryError) or getattr(error, "code", None) == 2 or "OUT_OF_MEMORY" in str(error)


@functools.cache
def usable() -> bool:
    """Whether there is a GPU to be taken unasked. Warns, once, where only a package is lacking."""
    if simulated():
        return False
    lacking = missing()
    if lacking is not None and "numba-cuda" in lacking:
        warnings.warn(f"{lacking}; the simulation runs on the CPU", stacklevel=2)
    return lacking is None


@functools.cache
def missing() -> str | None:
    """What is lacking for a GPU to be used, with the remedy; None if nothing is."""
    driver = _driver()
    if driver is None:
        return (
            f"looked for the NVIDIA driver library ({', '.join(DRIVERS)}) and found none: install the driver of the "
            "GPU, then pip install 'l2l[cuda]'"
        )
    try:
        devices = _devices(driver)
    except RuntimeError as error:
        return f"found the NVIDIA driver, but {error}: see nvidia-smi and CUDA_VISIBLE_DEVICES"
    if devices == 0:
        return "found the NVIDIA driver, but no CUDA device: see nvidia-smi and CUDA_VISIBLE_DEVICES"
    if importlib.util.find_spec("numba_cuda") is None:
        return "found a CUDA device, but not the package numba-cuda: pip install 'l2l[cuda]'"
    return None


def _driver() -> ctypes.CDLL | None:
    chosen = os.environ.get("NUMBA_CUDA_DRIVER")
    for name in (chosen, *DRIVERS) if chosen else DRIVERS:
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    return None


def _devices(driver: ctypes.CDLL) -> int:
    """The number of devices; raises RuntimeError with the driver's error code."""
    status = driver.cuInit(0)
    if status == 100:  # CUDA_ERROR_NO_DEVICE
        return 0
    if status != 0:
        raise RuntimeError(f"it does not start (cuInit: error {status})")
    count = ctypes.c_int(0)
    status = driver.cuDeviceGetCount(ctypes.byref(count))
    if status != 0:
        raise RuntimeError(f"it does not count its devices (cuDeviceGetCount: error {status})")
    return count.value
