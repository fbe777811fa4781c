"""Which GPU a worker may use: one each, by CUDA_VISIBLE_DEVICES, set before the worker's process starts."""

from __future__ import annotations

import os
from collections.abc import Mapping

from l2l.errors import RunnerError

VISIBLE = "CUDA_VISIBLE_DEVICES"


def shares(workers: int, gpus: int, environment: Mapping[str, str] = os.environ) -> list[dict[str, str]]:
    """Variables to set for each of `workers`, so that each of the first `gpus` has a GPU of its own.

    The others see none. Those that are dealt out are the ones that `environment` makes visible, or 0, 1, ...
    Without GPUs, and for one worker alone with all of them, nothing is set.
    Raises RunnerError if fewer are visible than are to be dealt out.
    """
    if gpus == 0 or workers == 1:
        return [{} for _ in range(workers)]
    given = environment.get(VISIBLE)
    visible = [str(number) for number in range(gpus)] if given is None else [name for name in given.split(",") if name]
    if len(visible) < gpus:
        raise RunnerError(f"{gpus} GPUs are to be dealt out to workers, but {VISIBLE} is {given!r}")
    return [{VISIBLE: visible[number] if number < gpus else ""} for number in range(workers)]


def seen() -> str:
    """What this process may use, for the record: "CUDA_VISIBLE_DEVICES=2", or "" where nothing is said."""
    return f"{VISIBLE}={os.environ[VISIBLE]}" if os.environ.get(VISIBLE) else ""
