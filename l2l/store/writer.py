"""The one process that writes a run: what it records is committed when the call returns."""

from __future__ import annotations

import os
import socket
import threading
import time
import uuid
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from l2l.errors import RunNotFoundError, StoreError
from l2l.individual import Evaluation, Individual
from l2l.store import inserts, plain, queries
from l2l.store.keep import Policy
from l2l.store.keeper import Keeper, Prepared
from l2l.store.records import Driver, RunRecord
from l2l.store.rows import (
    EVALUATION,
    INDIVIDUAL,
    KEY,
    RECORDING,
    Row,
    Worker,
    evaluation_key,
    evaluation_row,
    individual_row,
    is_told,
    worker_of,
)
from l2l.store.schema import drivers, evaluations, events, generations, individuals, runs, workers
from l2l.store.schema import recordings as recordings_table

if TYPE_CHECKING:
    from l2l.store.store import Store

_BEAT = 5.0  # s between the heartbeats of a driver that is writing
_PULSE = 20.0  # s between those of one that waits for long evaluations
_OURS: set[str] = set()  # tokens of the writers of this process

_token = select(drivers.c.token).where(drivers.c.run_id == bindparam("run"))
# Names of their own: SQLAlchemy keeps those of columns for the values that an UPDATE sets.
_SUPERSEDED = tuple(f"key_{name}" for name in KEY)
_supersede = (
    update(evaluations)
    .where(
        *(evaluations.c[name] == bindparam(f"key_{name}") for name in KEY[:-1]),
        evaluations.c.attempt < bindparam("key_attempt"),
    )
    .values(loss=None)
)


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

    def __init__(self, store: Store, run_id: int, token: str, policy: Policy) -> None:
        self.id = run_id
        self._store = store
        self._token = token
        self._closed = False
        self._beat = time.monotonic()
        self._workers: dict[Worker, int] | None = None
        self._keeper = Keeper(store, run_id, policy)
        told = select(generations.c.number).where(generations.c.run_id == run_id, generations.c.told_at.is_not(None))
        self._told = set(store.read(lambda connection: connection.execute(told).scalars().all()))
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
        self._check_open()
        with self._store.write() as connection:
            # Another driver may have taken the run over while this one hung: it must not write on.
            if connection.execute(_token, {"run": self.id}).scalar() != self._token:
                raise self._taken_over()
            if self._beat_is_due():
                connection.execute(update(drivers).where(drivers.c.run_id == self.id).values(heartbeat=time.time()))
                self._beat = time.monotonic()
            yield connection

    def _beat_is_due(self) -> bool:
        return time.monotonic() - self._beat > _BEAT

    def _check_open(self) -> None:
        if self._closed:
            raise StoreError(f"run {self.id} was finished: `continue_run` takes it up again")

    def _taken_over(self) -> StoreError:
        return StoreError(
            f"run {self.id} was taken over by another process, since this one gave no sign of "
            "life for a minute: end this one"
        )

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
                    insert(generations).values(run_id=self.id, number=number, asked_at=time.time(), size=len(rows))
                )
            except IntegrityError as error:
                raise StoreError(
                    f"generation {number} of run {self.id} cannot be recorded: there is one already, or "
                    "its number is negative"
                ) from error
            inserts.insert_rows(connection, individuals, INDIVIDUAL, rows)

    def record_evaluations(self, done: Sequence[Evaluation]) -> None:
        """Evaluations as they end; each individual must have been asked, and its generation not yet told.

        A recording that cannot be stored (no array of numbers, too large) is left out, which an event says: an
        evaluation is never lost for it.
        """
        if not done:
            return
        keys = [evaluation_key(self.id, evaluation) for evaluation in done]
        self._check_untold(done)
        known = self._known_workers()
        new = list(dict.fromkeys(worker for worker in map(worker_of, done) if worker and worker not in known))
        known = known | {worker: len(known) + place for place, worker in enumerate(new)} if new else known
        numbers = [known[worker] if worker else None for worker in map(worker_of, done)]
        rows = [
            evaluation_row(key, evaluation, self._objective, number)
            for key, evaluation, number in zip(keys, done, numbers, strict=True)
        ]
        arrays = self._keeper.prepare(keys, rows, done)
        try:
            self._insert(rows, arrays, [(self.id, known[worker], *worker) for worker in new])
        except BaseException as error:
            self._keeper.discard(arrays)
            if isinstance(error.__cause__, IntegrityError):
                raise self._unrecordable(done, error.__cause__) from error.__cause__
            raise
        self._workers = known
        self._keeper.committed(arrays)

    def _insert(self, rows: list[Row], arrays: Prepared, new_workers: list[Row]) -> None:
        superseded = [row[: len(KEY)] for row in rows if row[5] > 1 and row[3] == 0 and not row[4]]
        usual = not (new_workers or superseded or arrays.refused or arrays.dropped)
        if usual and len(rows) < inserts.COPY_FROM and self._store.pipelines and not self._beat_is_due():
            batches = [(evaluations, EVALUATION, rows), (recordings_table, RECORDING, arrays.rows)]
            with self._store.write() as connection:
                self._check_open()
                if not inserts.insert_guarded(connection, batches, self.id, self._token):
                    raise self._taken_over()
            return
        with self._transaction() as connection:
            inserts.insert_rows(connection, workers, ("run_id", "number", "name", "host", "device", "job"), new_workers)
            for key in superseded:
                connection.execute(_supersede, dict(zip(_SUPERSEDED, key, strict=True)))
            inserts.insert_rows(connection, evaluations, EVALUATION, rows)
            for key in arrays.dropped:
                connection.execute(
                    delete(recordings_table).where(
                        *(recordings_table.c[name] == value for name, value in zip(KEY, key, strict=True))
                    )
                )
            inserts.insert_rows(connection, recordings_table, RECORDING, arrays.rows)
            for note in arrays.refused:
                _note(connection, self.id, "recording refused", note)

    def _check_untold(self, done: Sequence[Evaluation]) -> None:
        for evaluation in done:
            if evaluation.individual.generation in self._told and is_told(evaluation.individual):
                raise StoreError(
                    f"run {self.id}: what the optimizer is told must be recorded before, but generation "
                    f"{evaluation.individual.generation} was told already: give re-evaluations a replicate > 0"
                )

    def _known_workers(self) -> dict[Worker, int]:
        if self._workers is None:
            query = select(workers).where(workers.c.run_id == self.id)
            found = self._store.read(lambda connection: connection.execute(query).all())
            self._workers = {(row.name, row.host, row.device, row.job): row.number for row in found}
        return self._workers

    def _unrecordable(self, done: Sequence[Evaluation], error: IntegrityError) -> StoreError:
        for evaluation in done:
            place = evaluation.individual.generation, evaluation.individual.position
            if not self._store.read(lambda connection: queries.has_individual(connection, self.id, *place)):  # noqa: B023
                return StoreError(
                    f"run {self.id}: an individual must be recorded before its evaluation, but there is none "
                    f"at generation {place[0]}, position {place[1]}"
                )
        return StoreError(
            f"run {self.id}: an evaluation cannot be recorded: its individual, replicate, task "
            f"and attempt are recorded already, or break a law: {error.orig}"
        )

    def record_told(self, number: int, summary: Mapping[str, Any]) -> None:
        """The optimizer was told generation `number`, in the order of positions. summary: what it says of itself."""
        best = (
            select(func.min(evaluations.c.loss))
            .where(evaluations.c.run_id == self.id, evaluations.c.generation == number)
            .scalar_subquery()
        )
        with self._transaction() as connection:
            changed = connection.execute(
                update(generations)
                .where(generations.c.run_id == self.id, generations.c.number == number)
                .values(told_at=time.time(), summary=dict(summary), best=best)
            )
            if changed.rowcount != 1:
                raise StoreError(f"run {self.id}: a generation must be recorded before it is told, but {number} is not")
        self._told.add(number)

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
        if self._beat_is_due():
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
