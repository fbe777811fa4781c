"""What the script of every engine shares; needs NumPy alone, since it runs in each engine's own environment.

A script is started with the path of a case (JSON) and writes one line of JSON a variant to standard output:
{"variant": ..., "rate": node-steps a CPU second} or {"variant": ..., "reason": ...}.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np


def case() -> dict[str, Any]:
    """The case as `benchmarks/peers.py` wrote it, with its weights and its delays (ms), both (node, node)."""
    with open(sys.argv[1], encoding="utf-8") as file:
        told: dict[str, Any] = json.load(file)
    with np.load(told["network"]) as arrays:
        told["weights"] = arrays["weights"]
        # Row receives from column; a zero where there is no delay.
        told["delays"] = arrays["steps"] * told["dt"] * told["delayed"]
    return told


def measure(variant: str, make: Callable[[], Callable[[], tuple[int, Any]]], seconds: float) -> None:
    """Prints the best rate of several runs. make: prepares a run, which returns node-steps and final values.

    Time is CPU time of all threads of this process, which is bound to one core; what is prepared or compiled before
    the second run does not count.
    """
    try:
        run = make()
        run()
        best = 0.0
        start = time.perf_counter()
        repeats = 0
        while repeats < 3 or time.perf_counter() - start < seconds:
            before = time.process_time()
            node_steps, values = run()
            best = max(best, node_steps / (time.process_time() - before))
            repeats += 1
            if repeats >= 2 and time.perf_counter() - start > 4 * seconds:
                break
        if not np.isfinite(np.asarray(values)).all():
            raise FloatingPointError("the result is not finite")
        answer: dict[str, Any] = {"variant": variant, "rate": best}
    except Exception as error:  # a peer may fail in any way, and must be listed with its reason
        said = (str(error).strip().splitlines() or [""])[0]
        answer = {"variant": variant, "reason": f"{type(error).__name__}: {said[:120]}"}
    print(json.dumps(answer), flush=True)
