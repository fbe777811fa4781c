"""How a CUDA kernel is laid out, and what of it may lie in shared memory."""

from __future__ import annotations

from dataclasses import dataclass

from l2l.simulator.codegen.emit import NOISE_GROUP, Layout
from l2l.simulator.codegen.system import Step


@dataclass(frozen=True)
class CudaLayout(Layout):
    """Layout of a CUDA kernel; `lanes` is the number of simulations of a block.

    sparse: zero weights are skipped. words: two float32 weights are fetched as one word.
    shared: what lies in shared memory, of R (no delays), C, Z, S (no delays).
    fresh: what follows from a simulation's parameters alone is computed for each block of steps, not kept.
    registers: most registers a thread may take. simulated: for Numba's CUDA simulator.
    """

    words: bool = False
    shared: tuple[str, ...] = ()
    fresh: bool = False
    registers: int = 128
    simulated: bool = False

    def due(self, period: int) -> int:
        """Rows at most that a recorder of that period finishes in one block of steps."""
        return -(-self.block // period)


def sizes(step: Step, layout: CudaLayout, nodes: int, groups: int) -> dict[str, int]:
    """Elements a block needs of each array that may lie in shared memory."""
    L, K, channels = layout.lanes, layout.block, len(step.channels)
    drawn = len(step.noisy()) if layout.noise == "drawn" else 0
    width = len(step.states) * (2 if layout.compensated else 1)
    return {
        "R": 0 if layout.delayed else 2 * channels * nodes * L,
        "C": groups * channels * layout.rows * K * L,
        "Z": groups * drawn * K * NOISE_GROUP * L,
        "S": 0 if layout.delayed else nodes * width * L,
    }


def kept_between_stages(step: Step, layout: CudaLayout) -> int:
    """Numbers a node keeps from one stage of a step to the next."""
    if not step.stages:
        return 0
    return len(step.held()) + (len(step.channels) if layout.delayed else 0)
