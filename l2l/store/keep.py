"""Which arrays are kept: those of all individuals, of none, or of the best of each generation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from l2l.errors import StoreError, nearest
from l2l.store.rows import Row

_ALL = -1


@dataclass(frozen=True)
class Policy:
    """How many individuals of a generation keep their arrays, those of smallest loss; -1: all.

    Evaluations anew (replicate > 0) and those of a task keep theirs unless nobody does.
    """

    best: int = _ALL

    @classmethod
    def parse(cls, text: str) -> Policy:
        """From "all", "none" or "best:K". Raises StoreError for anything else."""
        if text == "all":
            return cls(_ALL)
        if text == "none":
            return cls(0)
        kind, _, count = text.partition(":") if isinstance(text, str) else ("", "", "")
        if kind != "best" or not count.isdecimal() or int(count) < 1:
            guess = nearest(str(text), ("all", "none", "best:5"))
            raise StoreError(f'recordings must be "all", "none" or "best:K" with K >= 1, but got {text!r}: {guess}')
        return cls(int(count))

    @property
    def keeps_all(self) -> bool:
        return self.best == _ALL


def choose(
    policy: Policy, stored: Sequence[tuple[float, Row]], offered: Sequence[tuple[float, Row]]
) -> tuple[list[tuple[float, Row]], list[Row]]:
    """Which of a generation's arrays stay, and which of those stored must go.

    stored, offered: loss and key of the evaluations that have arrays. Of equals the one that is there stays.
    """
    ranked = sorted([*((loss, 0, key) for loss, key in stored), *((loss, 1, key) for loss, key in offered)])
    staying = [(loss, key) for loss, _, key in ranked[: policy.best]]
    kept = {key for _, key in staying}
    return staying, [key for _, key in stored if key not in kept]
