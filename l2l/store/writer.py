"""The one process that writes a run: what it records is committed when the call returns."""

from __future__ import annotations

import os
import socket
import threading
import time
import uuid
import weakref
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, bindparam, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from l2l.errors import RunNotFoundError, StoreError
from l2l.individual import Evaluation, Individual
from l2l.store import plain, recordings
from l2l.store.records import Driver, RunRecord
from l2l.store.rows import evaluation_row, individual_row, loss_of
from l2l.store.schema import drivers, evaluations, events, generations, individuals, runs
from l2l.store.schema import recordings as recordings_table

if TYPE_CHECKING:
    from l2l.store.store import Store

_BEAT = 5.0  # s between the heartbeats of a driver that is writing
_PULSE = 20.0  # s between those of one that waits for long evaluations
_REMEMBERED = 16  # generations whose row ids are kept in memory
_OURS: set[str] = set()  # tokens of the writers of this process

_token = select(drivers.c.token).where(drivers.c.run_id == bindparam("run"))
_insert_evaluation = insert(evaluations)
_set_loss = update(individuals).where(individuals.c.id == bindparam("individual")).values(loss=bindparam("value"))


def claim(connection: Connection, run_id: int) -> str:
    """Makes this process the driver of a run; returns the token that proves it. Raises StoreError if it has one."""
    state = connection.execute(select(runs.c.status).where(runs.c.id == run_id).with_for_update()).scalar()
    if state is None:
        raise RunNotFoundError(f"there is no run {run_id}")
    held = connection.execute(select(drivers).where(drivers.c.run_id == run_id)).one_or_none()
    now, host, pid = time.time(), socket.gethostname(), os.getpid()
    if held is not None:
        driver = Driver(held.host, held.pid, held.heartbeat)
        # A writer of this very process that was dropped without being closed left its row behind.
        forgotten = (held.host, held.pid) == (host, pid) and held.token not in _OURS
        if driver.alive and not forgotten:
            raise StoreError(
                f"run {run_id} is being written by {driver}: wait until it ends, or end it; if it hangs, "
                "its run is free a minute after its last sign of life"
            )
        connection.execute(delete(drivers).where(drivers.c.run_id == run_id))
        _note(connection, run_id, "taken over", {"from": str(driver), "silent": now - held.heartbeat})
    token = uuid.uuid4().hex
    connection.execute(
        insert(drivers).values(run_id=run_id, token=token, host=host, pid=pid, started=now, heartbeat=now)
    )
    if state != "running":
        _note(connection, run_id, "continued", {"status": state})
        connection.execute(
            update(runs).where(runs.c.id == run_id).values(status="running", finished=None, stop_reason="")
        )
    return token


def _note(connection: Connection, run_id: int, kind: str, details: Mapping[str, Any]) -> None:
    connection.execute(
        insert(events).values(run_id=run_id, at=time.time(), kind=plain.clean(kind), details=dict(details))
    )


def _keep_alive(reference: weakref.ref[RunWriter], closing: threading.Event) -> None:
    # A single evaluation may take hours, during which nothing else calls the writer.
    while not closing.wait(_PULSE):
        writer = reference()
        if writer is None:
            return
        # What goes wrong here goes wrong again, and is reported, when the driver records something.
        with suppress(StoreError):
            writer.heartbeat()
        del writer


class RunWriter:
    """Records a run; `Store.create_run` and `Store.continue_run` make one. Every method raises StoreError.

    Leaving it as a context manager without `finish` marks the run as failed or interrupted.
    """

    def __init__(self, store: Store, run_id: int, token: str) -> None:
        self.id = run_id
        self._store = store
        self._token = token
        self._closed = False
        self._beat = time.monotonic()
        self._ids: OrderedDict[int, list[int]] = OrderedDict()  # row ids by generation, in the order of positions
        self._objective = self.record.objectives[0]
        _OURS.add(token)
        self._closing = threading.Event()
        pulse = threading.Thread(
            target=_keep_alive, args=(weakref.ref(self), self._closing), name=f"l2l heartbeat {run_id}", daemon=True
        )
        pulse.start()

    @property
    def record(self) -> RunRecord:
        """The run as it stands in the database now."""
        return self._store.run(self.id)

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        if self._closed:
            raise StoreError(f"run {self.id} was finished: `continue_run` takes it up again")
        with self._store.write() as connection:
            # Another driver may have taken the run over while this one hung: it must not write on.
            if connection.execute(_token, {"run": self.id}).scalar() != self._token:
                raise StoreError(
                    f"run {self.id} was taken over by another process, since this one gave no sign of "
                    "life for a minute: end this one"
                )
            now = time.monotonic()
            if now - self._beat > _BEAT:
                connection.execute(update(drivers).where(drivers.c.run_id == self.id).values(heartbeat=time.time()))
                self._beat = now
            yield connection

    def record_generation(
        self, number: int, asked: Sequence[Individual], parents: Sequence[tuple[tuple[int, int], ...]] | None = None
    ) -> None:
        """A generation as it was asked, before it is evaluated.

        number: from 0. asked: in the order of their positions.
        parents: for each individual the (generation, position) of each parent; None if the optimizer has none.
        """
        if parents is not None and len(parents) != len(asked):
            raise StoreError(f"every individual needs its parents, but got {len(parents)} for {len(asked)}")
        rows = [
            individual_row(self.id, number, place, individual, parents[place] if parents else ())
            for place, individual in enumerate(asked)
        ]
        with self._transaction() as connection:
            try:
                connection.execute(
                    insert(generations).values(
                        run_id=self.id, number=number, asked_at=time.time(), told_at=None, size=len(rows), summary=None
                    )
                )
            except IntegrityError as error:
                raise StoreError(
                    f"generation {number} of run {self.id} cannot be recorded: there is one already, or "
                    "its number is negative"
                ) from error
            if rows:
                connection.execute(insert(individuals), rows)

    def record_evaluations(self, done: Sequence[Evaluation]) -> None:
        """Evaluations as they end; each individual must have been asked.

        A recording that cannot be stored (no array of numbers, too large) is left out, which an event says: an
        evaluation is never lost for it.
        """
        # Compression takes longer than all else: before the transaction, so that others need not wait for it.
        encoded = [self._encode(evaluation) for evaluation in done]
        refused = [note for _, notes in encoded for note in notes]
        with self._transaction() as connection:
            rows, losses = [], []
            for evaluation in done:
                individual_id = self._individual_id(connection, evaluation.individual)
                rows.append(evaluation_row(individual_id, evaluation))
                loss = loss_of(evaluation, self._objective)
                if loss is not None:
                    losses.append({"individual": individual_id, "value": loss})
            try:
                self._insert(connection, rows, [arrays for arrays, _ in encoded])
            except IntegrityError as error:
                raise StoreError(
                    f"run {self.id}: an evaluation cannot be recorded: its individual, replicate, task "
                    f"and attempt are recorded already, or break a law: {error.orig}"
                ) from error
            if losses:
                connection.execute(_set_loss, losses if len(losses) > 1 else losses[0])
            for note in refused:
                _note(connection, self.id, "recording refused", note)

    def _insert(self, connection: Connection, rows: list[dict[str, Any]], arrays: list[list[dict[str, Any]]]) -> None:
        bare = [row for row, own in zip(rows, arrays, strict=True) if not own]
        if bare:
            connection.execute(_insert_evaluation, bare if len(bare) > 1 else bare[0])
        for row, own in zip(rows, arrays, strict=True):
            if own:
                key = connection.execute(_insert_evaluation, row).inserted_primary_key
                assert key is not None
                connection.execute(insert(recordings_table), [{**array, "evaluation_id": key[0]} for array in own])

    def _encode(self, evaluation: Evaluation) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        rows, refused = [], []
        for name, array in evaluation.recordings.items():
            try:
                encoded = recordings.encode(array)
            except StoreError as error:
                place = evaluation.individual
                refused.append(
                    {
                        "generation": place.generation,
                        "position": place.position,
                        "replicate": place.replicate,
                        "task": place.task,
                        "name": name,
                        "error": str(error),
                    }
                )
                continue
            rows.append(
                {
                    "name": plain.clean(str(name)),
                    "dtype": encoded.dtype,
                    "shape": encoded.shape,
                    "dims": None,
                    "unit": "",
                    "codec": encoded.codec,
                    "data": encoded.data,
                    "uri": None,
                }
            )
        return rows, refused

    def _individual_id(self, connection: Connection, individual: Individual) -> int:
        known = self._ids.get(individual.generation)
        if known is None:
            found = (
                select(individuals.c.id, individuals.c.position)
                .where(individuals.c.run_id == self.id, individuals.c.generation == individual.generation)
                .order_by(individuals.c.position)
            )
            known = [row.id for row in connection.execute(found)]
            if known:
                self._ids[individual.generation] = known
                if len(self._ids) > _REMEMBERED:
                    self._ids.popitem(last=False)
        if not 0 <= individual.position < len(known):
            raise StoreError(
                f"run {self.id}: an individual must be recorded before its evaluation, but there is none "
                f"at generation {individual.generation}, position {individual.position}"
            )
        return known[individual.position]

    def record_told(self, number: int, summary: Mapping[str, Any]) -> None:
        """The optimizer was told generation `number`, in the order of positions. summary: what it says of itself."""
        of_generation = select(individuals.c.id).where(
            individuals.c.run_id == self.id, individuals.c.generation == number
        )
        position = (
            select(individuals.c.position).where(individuals.c.id == evaluations.c.individual_id).scalar_subquery()
        )
        later = evaluations.alias()
        is_last = (
            ~select(later.c.id)
            .where(
                later.c.individual_id == evaluations.c.individual_id,
                later.c.replicate == 0,
                later.c.task == "",
                later.c.attempt > evaluations.c.attempt,
            )
            .exists()
        )
        with self._transaction() as connection:
            changed = connection.execute(
                update(generations)
                .where(generations.c.run_id == self.id, generations.c.number == number)
                .values(told_at=time.time(), summary=dict(summary))
            )
            if changed.rowcount != 1:
                raise StoreError(f"run {self.id}: a generation must be recorded before it is told, but {number} is not")
            connection.execute(
                update(evaluations)
                .where(
                    evaluations.c.individual_id.in_(of_generation),
                    evaluations.c.replicate == 0,
                    evaluations.c.task == "",
                    is_last,
                )
                .values(tell_order=position)
            )

    def record_event(self, kind: str, details: Mapping[str, Any] | None = None) -> None:
        """Something worth knowing that happened."""
        with self._transaction() as connection:
            _note(connection, self.id, kind, details or {})

    def record_summary(self, **summary: Any) -> None:
        """What is known of the run as a whole; joins what was recorded before, name by name."""
        with self._transaction() as connection:
            before = connection.execute(select(runs.c.summary).where(runs.c.id == self.id).with_for_update()).scalar()
            connection.execute(update(runs).where(runs.c.id == self.id).values(summary={**(before or {}), **summary}))

    def heartbeat(self) -> None:
        """A sign of life: call it often, it writes every few seconds only."""
        if time.monotonic() - self._beat > _BEAT:
            with self._transaction():
                pass

    def finish(self, status: str, stop_reason: str) -> None:
        """Ends the run. status: finished, interrupted or failed."""
        if status not in ("finished", "interrupted", "failed"):
            raise StoreError(f"a run ends as finished, interrupted or failed, but got {status!r}")
        with self._transaction() as connection:
            connection.execute(
                update(runs)
                .where(runs.c.id == self.id)
                .values(status=status, finished=time.time(), stop_reason=plain.clean(stop_reason))
            )
            connection.execute(delete(drivers).where(drivers.c.run_id == self.id))
        self._release()

    def close(self) -> None:
        """Gives the run up; marks it as interrupted unless it was finished."""
        if self._closed:
            return
        try:
            self.finish("interrupted", "closed before it was finished")
        finally:
            self._release()

    def _release(self) -> None:
        self._closed = True
        _OURS.discard(self._token)
        self._closing.set()

    def __del__(self) -> None:
        # Without its token the row of a forgotten writer no longer stops this process from continuing the run.
        _OURS.discard(getattr(self, "_token", ""))
        if hasattr(self, "_closing"):
            self._closing.set()

    def __enter__(self) -> RunWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._closed:
            return
        if kind is None:
            self.close()
            return
        ended = "failed" if issubclass(kind, Exception) else "interrupted"
        try:
            self.finish(ended, f"{kind.__name__}: {error}".rstrip(": "))
        except StoreError as second:  # the disk is full, say: the first error is the one to be seen
            if error is not None:
                error.add_note(f"nor could the end of run {self.id} be recorded: {second}")
        finally:
            self._release()
