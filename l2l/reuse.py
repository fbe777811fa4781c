"""Takes evaluations from the past where the same one was made before, and says so in the record."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from l2l.errors import StoreError
from l2l.individual import Evaluation, Individual

if TYPE_CHECKING:
    from l2l.store import RunWriter, Store

_ARRAYS_AT_ONCE = 32  # evaluations whose arrays are in memory


class Reuse:
    """The evaluations of other runs of one database, for a run that is being written.

    An evaluation is reused if the optimizee has the same fingerprint, the parameters are the same to the bit, the seed
    is the same, and it ended well. It is recorded with the arrays that its origin kept, and with the time and place of
    its computation; its worker is called "reused from run N", and an event a generation counts them.
    """

    def __init__(self, store: Store, writer: RunWriter, fingerprint: str, seed: int, recordings: str) -> None:
        from l2l.store import cache

        self._store = store
        self._writer = writer
        self._keeps_arrays = recordings != "none"
        self._origins = cache.origins(store, fingerprint, seed, writer.id)

    def take(self, wanted: Sequence[Individual]) -> list[Evaluation]:
        """Records what is found, and returns it without its arrays."""
        from l2l.store import cache

        taken: list[Evaluation] = []
        if not self._origins or not wanted:
            return taken
        found = cache.find(self._store, list(self._origins), wanted)
        counts: Counter[int] = Counter()
        arrays, damaged = 0, []
        for start in range(0, len(found), _ARRAYS_AT_ONCE):
            whole = []
            for cached in found[start : start + _ARRAYS_AT_ONCE]:
                evaluation = cached.evaluation
                if self._keeps_arrays and cached.arrays:
                    try:
                        evaluation = cache.read_arrays(self._store, cached)
                    except StoreError as error:  # it is computed again
                        place = f"{evaluation.individual.generation}/{evaluation.individual.position}"
                        damaged.append(f"run {cached.found_in}, individual {place}: {error}")
                        continue
                whole.append(evaluation)
                counts[cached.origin] += 1
                arrays += len(evaluation.recordings)
            self._writer.record_evaluations(whole)
            taken += [replace(evaluation, recordings={}) for evaluation in whole]
        if found:
            self._writer.record_event("evaluations reused", self._details(found[0], counts, arrays, damaged))
        return taken

    def _details(self, first: Any, counts: Counter[int], arrays: int, damaged: list[str]) -> dict[str, Any]:
        individual = first.evaluation.individual
        details: dict[str, Any] = {
            "generation": individual.generation,
            "replicate": individual.replicate,
            "from": {str(run): count for run, count in sorted(counts.items())},
            "arrays": arrays,
        }
        fewer = {run: kept for run, kept in self._origins.items() if self._keeps_arrays and kept != "all"}
        if fewer:
            details["kept there"] = {str(run): kept for run, kept in fewer.items()}
        if damaged:
            details["damaged, computed again"] = damaged
        return details
