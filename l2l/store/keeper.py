"""Turns the arrays of evaluations into rows, those that the policy keeps; and undoes what was not committed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from l2l.errors import StoreError
from l2l.individual import Evaluation
from l2l.store import arrays, recordings
from l2l.store.keep import Policy, choose
from l2l.store.labels import labels_of
from l2l.store.plain import clean, dumps
from l2l.store.rows import KEY, Row, is_told
from l2l.store.schema import evaluations
from l2l.store.schema import recordings as table

if TYPE_CHECKING:
    from l2l.store.store import Store

_REMEMBERED = 16  # generations whose arrays are known without looking


@dataclass
class Prepared:
    """Arrays as rows, before they are committed.

    refused: what an event says of those that cannot be stored. dropped: evaluations whose arrays must go.
    """

    rows: list[Row] = field(default_factory=list)
    refused: list[dict[str, Any]] = field(default_factory=list)
    dropped: list[Row] = field(default_factory=list)
    written: list[str] = field(default_factory=list)
    obsolete: list[str] = field(default_factory=list)
    best: dict[int, list[tuple[float, Row]]] = field(default_factory=dict)


class Keeper:
    """The arrays of one run, as they are written."""

    def __init__(self, store: Store, run_id: int, policy: Policy) -> None:
        self._store = store
        self._run_id = run_id
        self._policy = policy
        self._best: dict[int, list[tuple[float, Row]]] = {}

    def prepare(self, keys: Sequence[Row], rows: Sequence[Row], done: Sequence[Evaluation]) -> Prepared:
        """Compression and files take longer than all else: before the transaction, so that others need not wait."""
        prepared = Prepared()
        kept = self._choose(keys, rows, done, prepared)
        for key, evaluation in zip(keys, done, strict=True):
            if evaluation.recordings and key in kept:
                for name, array in evaluation.recordings.items():
                    self._encode(key, str(name), array, prepared)
        return prepared

    def _choose(
        self, keys: Sequence[Row], rows: Sequence[Row], done: Sequence[Evaluation], prepared: Prepared
    ) -> set[Row]:
        having = [place for place, evaluation in enumerate(done) if evaluation.recordings]
        if self._policy.keeps_all or not having or self._policy.best == 0:
            return {keys[place] for place in having} if self._policy.best else set()
        kept = {keys[place] for place in having if not is_told(done[place].individual)}
        offered: dict[int, list[tuple[float, Row]]] = {}
        for place in having:
            loss = rows[place][len(KEY) + 1]
            if loss is not None:
                offered.setdefault(done[place].individual.generation, []).append((loss, keys[place]))
        for generation, offers in offered.items():
            stored = self._best[generation] if generation in self._best else self._stored(generation)
            staying, dropped = choose(self._policy, stored, offers)
            prepared.best[generation] = staying
            prepared.dropped += dropped
            kept.update(key for _, key in staying)
        if prepared.dropped:
            prepared.obsolete = self._places(prepared.dropped)
        return kept

    def _stored(self, generation: int) -> list[tuple[float, Row]]:
        """What an earlier driver of this run left."""
        query = (
            select(*(evaluations.c[name] for name in KEY), evaluations.c.loss)
            .join(table, table.c.run_id == evaluations.c.run_id)
            .where(
                *(table.c[name] == evaluations.c[name] for name in KEY[1:]),
                evaluations.c.run_id == self._run_id,
                evaluations.c.generation == generation,
                evaluations.c.loss.is_not(None),
            )
            .distinct()
        )
        found = self._store.read(lambda connection: connection.execute(query).all())
        return sorted((row.loss, tuple(row)[: len(KEY)]) for row in found)

    def _places(self, keys: Sequence[Row]) -> list[str]:
        found: list[str] = []
        for key in keys:
            query = select(table.c.uri).where(
                *(table.c[name] == value for name, value in zip(KEY, key, strict=True)), table.c.uri.is_not(None)
            )
            found += self._store.read(lambda connection: connection.execute(query).scalars().all())  # noqa: B023
        return found

    def _encode(self, key: Row, name: str, array: Any, prepared: Prepared) -> None:
        name = clean(name)
        try:
            labels = labels_of(array)
            folder = self._store.arrays
            uri, data = None, None
            if folder is not None and getattr(array, "nbytes", 0) > arrays.INLINE_BYTES:
                uri, sha256 = folder.write(key, name, array, labels)
                prepared.written.append(uri)
                values = recordings.portable(array)
                dtype, shape, codec = values.dtype.str, list(values.shape), arrays.CODEC
            else:
                encoded = recordings.encode(array)
                dtype, shape, codec, sha256 = encoded.dtype, encoded.shape, encoded.codec, encoded.sha256
                data = encoded.data
        except StoreError as error:
            place = dict(zip(KEY[1:-1], key[1:-1], strict=True))
            prepared.refused.append({**place, "name": name, "error": str(error)})
            return
        dims = None if labels.dims is None else dumps(labels.dims)
        coordinates = None if labels.coordinates is None else dumps(labels.coordinates)
        prepared.rows.append(
            (*key, name, dtype, dumps(shape), dims, coordinates, labels.unit, codec, sha256, uri, data)
        )

    def committed(self, prepared: Prepared) -> None:
        """The transaction went well."""
        self._best |= prepared.best
        while len(self._best) > _REMEMBERED:
            del self._best[next(iter(self._best))]
        self._delete(prepared.obsolete)

    def discard(self, prepared: Prepared) -> None:
        """The transaction failed."""
        self._delete(prepared.written)

    def _delete(self, uris: Sequence[str]) -> None:
        for uri in uris:
            assert self._store.arrays is not None
            self._store.arrays.delete(uri)
