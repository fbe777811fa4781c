"""How individuals are grouped into chunks: full lanes, work for every worker, and tasks long enough to be worth one."""

from __future__ import annotations

import math

TASK_SECONDS = 0.075  # a Dask task costs about 2 ms, and results should still stream
TASK_BYTES = 4_000_000  # of results in one task: the driver holds a few of them for each worker, whatever comes back
LANES = 16  # SIMD engines compute this many simulations at the price of one


def balanced(count: int, slots: int, limit: int) -> list[int]:
    """Sizes of chunks, none above `limit`, that keep `slots` workers equally busy; they sum to `count`.

    Where `limit` is a multiple of 16, so are all sizes but the last: a partly filled vector costs as much
    as a full one.
    """
    if count == 0:
        return []
    quantum = LANES if limit % LANES == 0 else 1
    units = math.ceil(count / quantum)
    chunks = math.ceil(units / (limit // quantum))
    chunks = min(units, math.ceil(chunks / slots) * slots)
    base, larger = divmod(units, chunks)
    sizes = [(base + (index < larger)) * quantum for index in range(chunks)]
    sizes[-1] -= sum(sizes) - count
    return sizes


class Plan:
    """The sizes of the next chunks of one generation.

    batch_size: the optimizee's. seconds, size: what one evaluation took so far, and the bytes that came back;
    None and 0 if that is unknown.
    An engine with batches gets balanced chunks at once. Without batches one individual goes out at a time until the
    first results tell how long one takes; then as many as fill about 75 ms, or 4 MB of results.
    """

    def __init__(self, batch_size: int, seconds: float | None = None, size: float = 0.0) -> None:
        self.batch_size = max(1, batch_size)
        self.seconds = seconds
        self.size = size
        self._sizes: list[int] = []
        self._planned_for: tuple[float | None, int] = (None, 0)

    def next(self, left: int, slots: int) -> int:
        """The size of the next chunk. left: individuals not sent yet, at least one. slots: workers, at least one."""
        if self.batch_size == 1 and self.seconds is None:
            return 1
        if not self._sizes or self._outdated(slots):
            self._sizes = balanced(left, slots, self._limit())
            self._planned_for = (self.seconds, slots)
        return min(left, self._sizes.pop(0))

    def chunks(self, left: int) -> int:
        """How many chunks `left` individuals would fill: as many workers have something to do."""
        return math.ceil(left / self._limit())

    def learn(self, count: int, seconds: float, size: int = 0) -> None:
        """What the evaluation of `count` individuals took, and how many bytes came back."""
        if size / count > self.size:
            self.size = size / count
            self._sizes = []
        pace = max(seconds, 1e-7) / count
        self.seconds = pace if self.seconds is None else (self.seconds + pace) / 2

    def _limit(self) -> int:
        if self.batch_size > 1:
            return self.batch_size
        limit = max(1, int(TASK_SECONDS / (self.seconds or TASK_SECONDS)))
        limit = max(1, min(limit, int(TASK_BYTES / max(1.0, self.size))))
        return limit + 1 if limit > 1 and limit % LANES == 0 else limit  # plain functions have no lanes

    def _outdated(self, slots: int) -> bool:
        seconds, planned_slots = self._planned_for
        if slots != planned_slots:
            return True
        if self.batch_size > 1 or seconds is None or self.seconds is None:
            return False
        return not 0.5 < self.seconds / seconds < 2.0
