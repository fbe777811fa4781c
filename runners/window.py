"""The chunks in flight on a Dask cluster: sent as tasks, brought back as replies or as news of a death."""

from __future__ import annotations

import contextlib
import pickle
import queue
import time
import uuid
from collections.abc import Sequence
from typing import Any, NamedTuple

from l2l.errors import RunnerError
from l2l.individual import Individual
from l2l.runners import environment, lastwords
from l2l.runners.ledger import Chunk
from l2l.runners.worker import Order, Reply, pack, run_chunk

_GATHER = 60.0  # seconds within which a finished result must arrive; after that it is evaluated again
_QUIET = 2.0  # seconds without news after which Dask is asked whether it still knows of everything


class Death(NamedTuple):
    """A chunk came to nothing. words: its worker's last. told: whether they would have been found. error: Dask's.

    worker, name: the worker's address and its name.
    """

    words: lastwords.LastWords | None
    worker: str
    told: bool
    error: str = ""
    name: str = ""


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
        self._quiet_since = time.monotonic()
        self._suspects: set[str] = set()

    def __len__(self) -> int:
        return len(self._live)

    def send(self, chunk: Chunk, individuals: Sequence[Individual], with_optimizee: bool = False) -> None:
        """Send a chunk to any worker; with the optimizee after one has answered that it does not have it.

        Not to that very worker: Dask can leave a task that names its worker waiting for ever when that worker dies.
        """
        self._sent += 1
        key = f"l2l-{self._token}-{self._sent}"
        order = Order(self._name, key, self._folder, self._deadline, environment.here())
        pickled = self._pickled if with_optimizee else None
        future = self._client.submit(run_chunk, pack(order, individuals), pickled, key=key, pure=False, retries=0)
        self._live[key] = (future, chunk)
        future.add_done_callback(self._finished.put)

    def news(self, timeout: float) -> list[tuple[Chunk, Reply | Death]]:
        """What came back, at least one chunk unless `timeout` seconds pass."""
        futures = []
        with contextlib.suppress(queue.Empty):
            futures.append(self._finished.get(timeout=timeout))
            while True:
                futures.append(self._finished.get_nowait())
        if futures:
            self._quiet_since = time.monotonic()
            self._suspects = set()
        else:
            futures = self._forgotten()
        futures = [future for future in futures if future.key in self._live]
        replies = self._gather([future for future in futures if future.status == "finished"])
        news = []
        for future in futures:
            _, chunk = self._live.pop(future.key)
            news.append((chunk, replies.get(future.key) or self._death(future)))
            future.release()
        return news

    def _gather(self, futures: list[Any]) -> dict[str, Reply]:
        """The replies by key, without those that were lost with their worker.

        The scheduler is asked itself: Client.gather waits until a lost result is computed again, which may be never.
        """
        keys = [future.key for future in futures]
        while keys:
            try:
                answer = self._client.sync(self._client.scheduler.gather, keys=keys, callback_timeout=_GATHER)
            except (OSError, TimeoutError):
                break
            if answer["status"] == "OK":
                return {
                    key: Reply(*pickle.loads(pickled))._replace(size=len(pickled))
                    for key, pickled in answer["data"].items()
                }
            kept = [key for key in keys if key not in answer["keys"]]
            if len(kept) == len(keys):
                break
            keys = kept
        return {}

    def _forgotten(self) -> list[Any]:
        """Futures in flight that no worker has although some are idle, twice in a row: Dask has lost track of them."""
        if not self._live or time.monotonic() - self._quiet_since < _QUIET:
            return []
        self._quiet_since = time.monotonic()
        processing = self._client.sync(self._client.scheduler.processing, workers=None, callback_timeout=_GATHER)
        threads = self._client.sync(self._client.scheduler.ncores, workers=None, callback_timeout=_GATHER)
        working = {key for keys in processing.values() for key in keys}
        idle = any(len(processing.get(worker, ())) < count for worker, count in threads.items())
        suspects = {key for key in self._live if key not in working} if idle else set()
        suspects, self._suspects = suspects & self._suspects, suspects
        return [self._live[key][0] for key in suspects]

    def _death(self, future: Any) -> Death:
        from distributed.scheduler import KilledWorker

        if future.status == "cancelled":
            raise RunnerError(
                "the scheduler is gone, or cancelled the evaluations: those that finished are recorded; resume the run"
            )
        if future.status != "error":  # a result that died with its worker: nobody is to blame
            with contextlib.suppress(Exception):
                self._client.cancel([future], asynchronous=False)
            return Death(None, "", True)
        error = future.exception(timeout=_GATHER)
        if isinstance(error, KilledWorker):
            words = lastwords.read(self._folder, future.key)
            worker = error.last_worker
            return Death(words, worker.address, self._shared_folder, name=str(worker.name))
        # What evaluates could not do its part: a full disk, say.
        return Death(None, "", False, f"{type(error).__name__}: {error}")

    def close(self) -> None:
        """Give up what is still in flight."""
        futures = [future for future, _ in self._live.values()]
        self._live.clear()
        if futures and self._client.status == "running":
            with contextlib.suppress(Exception):  # the scheduler may be gone
                self._client.cancel(futures, force=True)
        for future in futures:
            future.release()
