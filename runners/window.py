"""The chunks in flight on a Dask cluster: sent as tasks, brought back as replies or as news of a death."""

from __future__ import annotations

import contextlib
import pickle
import queue
import uuid
from collections.abc import Sequence
from typing import Any, NamedTuple

from l2l.errors import RunnerError
from l2l.individual import Individual
from l2l.runners import lastwords
from l2l.runners.ledger import Chunk
from l2l.runners.worker import Order, Reply, pack, run_chunk

_GATHER = 60.0  # seconds within which a finished result must arrive; after that it is evaluated again


class Death(NamedTuple):
    """A chunk came to nothing. words: its worker's last. told: whether they would have been found. error: Dask's."""

    words: lastwords.LastWords | None
    worker: str
    told: bool
    error: str = ""


class Window:
    """What is in flight, of one optimizee.

    client: distributed.Client. name, pickled: the optimizee and its hash. folder, shared_folder: as in `Cluster`.
    deadline: seconds for each call of the optimizee, or None.
    """

    def __init__(
        self, client: Any, name: str, pickled: bytes, folder: str, shared_folder: bool, deadline: float | None
    ) -> None:
        self._client = client
        self._name = name
        self._pickled = pickled
        self._folder = folder
        self._shared_folder = shared_folder
        self._deadline = deadline
        self._token = uuid.uuid4().hex[:12]
        self._sent = 0
        self._live: dict[str, tuple[Any, Chunk]] = {}
        # Not distributed.as_completed: it can wait for ever for a result that was lost with its worker.
        self._finished: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def __len__(self) -> int:
        return len(self._live)

    def send(self, chunk: Chunk, individuals: Sequence[Individual], to: str | None = None) -> None:
        """Send a chunk; with the optimizee if it goes `to` a worker that has asked for it."""
        self._sent += 1
        key = f"l2l-{self._token}-{self._sent}"
        order = Order(self._name, key, self._folder, self._deadline)
        where = {"workers": [to], "allow_other_workers": True} if to else {}
        future = self._client.submit(
            run_chunk, pack(order, individuals), self._pickled if to else None, key=key, pure=False, retries=0, **where
        )
        self._live[key] = (future, chunk)
        future.add_done_callback(self._finished.put)

    def news(self, timeout: float) -> list[tuple[Chunk, Reply | Death]]:
        """What came back, at least one chunk unless `timeout` seconds pass."""
        futures = []
        with contextlib.suppress(queue.Empty):
            futures.append(self._finished.get(timeout=timeout))
            while True:
                futures.append(self._finished.get_nowait())
        replies = self._gather([future for future in futures if future.status == "finished"])
        news = []
        for future in futures:
            _, chunk = self._live.pop(future.key)
            reply = replies.get(future.key)
            news.append((chunk, self._death(future) if reply is None else reply))
            future.release()
        return news

    def _gather(self, futures: list[Any]) -> dict[str, Reply]:
        if not futures:
            return {}
        try:
            pickled = self._client.sync(self._client._gather, futures, callback_timeout=_GATHER)
        except Exception:  # a result was lost with its worker: the good ones once more, one by one
            pickled = [self._result(future) for future in futures]
        return {
            future.key: Reply(*pickle.loads(each))
            for future, each in zip(futures, pickled, strict=True)
            if each is not None
        }

    @staticmethod
    def _result(future: Any) -> bytes | None:
        try:
            return bytes(future.result(timeout=_GATHER))
        except Exception:
            return None

    def _death(self, future: Any) -> Death:
        from distributed.scheduler import KilledWorker

        if future.status == "cancelled":
            raise RunnerError(
                "the scheduler is gone, or cancelled the evaluations: those that finished are recorded; resume the run"
            )
        worker, told, text = "", self._shared_folder, ""
        if future.status == "error":
            error = future.exception(timeout=_GATHER)
            if isinstance(error, KilledWorker):
                worker = error.last_worker.address
            else:  # what evaluates could not do its part: a full disk, say
                told, text = False, f"{type(error).__name__}: {error}"
        return Death(lastwords.read(self._folder, future.key), worker, told, text)

    def close(self) -> None:
        """Give up what is still in flight."""
        futures = [future for future, _ in self._live.values()]
        self._live.clear()
        if futures and self._client.status == "running":
            with contextlib.suppress(Exception):  # the scheduler may be gone
                self._client.cancel(futures, force=True)
        for future in futures:
            future.release()
