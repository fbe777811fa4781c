"""The runner that evaluates on Dask workers: of this machine, of a job queue, or of a scheduler that is running."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import pickle
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self

import cloudpickle

from l2l.errors import RunnerError
from l2l.individual import Evaluation, Individual
from l2l.optimizees.base import Optimizee
from l2l.runners import environment
from l2l.runners.base import Runner
from l2l.runners.cluster import DASK_SETTINGS, Cluster, ExistingScheduler
from l2l.runners.jobqueue import JobQueue
from l2l.runners.ledger import Chunk, Ledger
from l2l.runners.local import LocalWorkers, available_cores
from l2l.runners.naming import label
from l2l.runners.plan import Plan
from l2l.runners.window import Death, Window
from l2l.runners.worker import Reply

_AHEAD = 2  # chunks in flight a worker: one is evaluated while the next is on its way
_TICK = 1.0  # seconds without news after which the cluster is looked at
_PATIENCE, _QUEUE_PATIENCE = 60.0, 86400.0  # seconds; jobs may wait for long
_ANSWER = 30.0  # seconds in which a scheduler or a worker must answer


class DaskRunner(Runner):
    """Evaluates on many processes. A context manager: workers live between enter and exit.

    workers: processes of this machine; by default one for every `threads_per_worker` cores that are available.
    threads_per_worker: threads that an engine (Numba, BLAS) may use in each; a worker evaluates one chunk at a time.
    address: of a running scheduler ("tcp://host:8786") whose workers are used instead.
    scheduler_file: the file to which a running scheduler wrote its address, instead.
    queue: a JobQueue, in whose jobs the workers run instead; `DaskRunner.slurm` makes one.
    gpus: how many of the local workers get a GPU each, the others none; 0 lets all use what this process may use.
    tls: whether driver, scheduler and local workers encrypt what they say to each other; a JobQueue has its own.
    deadline: seconds that one call of the optimizee may take; past it the worker is ended, whatever it is doing.
    attempts: how many workers an individual may take down before it is recorded as lost, >= 1.
    patience: seconds without any worker after which there is a RunnerError; by default a minute, for a job queue a day.
    heartbeat: seconds of silence after which a local worker is replaced: code that holds the interpreter lock
        keeps it silent. None: never.

    The optimizee is pickled by value where it is defined in the script or in `__main__`, and sent to each worker once.
    """

    def __init__(
        self,
        workers: int | None = None,
        threads_per_worker: int = 1,
        *,
        address: str | None = None,
        scheduler_file: str | None = None,
        queue: JobQueue | Mapping[str, Any] | None = None,
        gpus: int = 0,
        tls: bool = False,
        deadline: float | None = None,
        attempts: int = 3,
        patience: float | None = None,
        heartbeat: float | None = 3600.0,
    ) -> None:
        if isinstance(queue, Mapping):
            queue = JobQueue.from_json(queue)
        if address is not None and scheduler_file is not None:
            raise RunnerError("a scheduler has an address or a file, but both were given")
        elsewhere = address is not None or scheduler_file is not None
        if queue is not None and elsewhere:
            raise RunnerError("workers are those of a job queue or of a running scheduler, but both were given")
        if workers is not None and elsewhere:
            raise RunnerError(f"a running scheduler has its own workers, but workers={workers} was given")
        if queue is not None and (workers is not None or threads_per_worker != 1 or gpus or tls):
            raise RunnerError("with a job queue, its own settings say how many workers there are, of which kind")
        if elsewhere and tls:
            raise RunnerError(
                "a running scheduler has its own keys: give its tls:// address, and set Dask's configuration "
                "distributed.comm.tls"
            )
        if isinstance(gpus, bool) or not isinstance(gpus, int) or gpus < 0:
            raise RunnerError(f"gpus must be an integer >= 0, but got {gpus!r}")
        for name, value in (("workers", workers), ("threads_per_worker", threads_per_worker), ("attempts", attempts)):
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
                raise RunnerError(f"{name} must be an integer >= 1, but got {value!r}")
        for name, limit in (("deadline", deadline), ("patience", patience), ("heartbeat", heartbeat)):
            if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int | float) or not limit > 0):
                raise RunnerError(f"{name} must be a number of seconds > 0, but got {limit!r}")
        self.workers = workers or gpus or max(1, available_cores() // threads_per_worker)
        self.threads_per_worker = threads_per_worker
        self.address = address
        self.scheduler_file = scheduler_file
        self.queue = queue
        self.gpus = gpus
        self.tls = tls
        self.deadline = deadline
        self.attempts = attempts
        self.patience = patience if patience is not None else _PATIENCE if queue is None else _QUEUE_PATIENCE
        self.heartbeat = heartbeat
        self._cluster: Cluster | None = None
        self._client: Any = None
        self._open = contextlib.ExitStack()
        self._deaths = 1
        self._pickled: tuple[Optimizee, str, bytes] | None = None
        self._pace: dict[str, tuple[float | None, float]] = {}
        self._slots = 0
        self._looked = 0.0
        self._ticked = 0.0
        self._worker_seen = 0.0

    @classmethod
    def slurm(
        cls,
        *,
        jobs: int | None = None,
        minimum_jobs: int | None = None,
        maximum_jobs: int | None = None,
        workers_per_job: int | None = None,
        threads_per_worker: int = 1,
        gpus_per_job: int = 0,
        memory: str = "4GB",
        walltime: str | float = "1:00:00",
        queue: str | None = None,
        account: str | None = None,
        directives: Sequence[str] = (),
        prologue: Sequence[str] = (),
        interface: str | None = None,
        tls: bool = False,
        folder: str = "l2l-jobs",
        deadline: float | None = None,
        attempts: int = 3,
        patience: float | None = None,
    ) -> Self:
        """Workers in Slurm's jobs; each setting as `JobQueue` and `DaskRunner` explain it.

        For what is not here, and for other queues: `DaskRunner(queue=JobQueue(system=..., ...))`.
        """
        settings = JobQueue(
            system="slurm",
            jobs=jobs,
            minimum_jobs=minimum_jobs,
            maximum_jobs=maximum_jobs,
            workers_per_job=workers_per_job,
            threads_per_worker=threads_per_worker,
            gpus_per_job=gpus_per_job,
            memory=memory,
            walltime=walltime,
            queue=queue,
            account=account,
            directives=tuple(directives),
            prologue=tuple(prologue),
            interface=interface,
            tls=tls,
            folder=folder,
        )
        return cls(queue=settings, deadline=deadline, attempts=attempts, patience=patience)

    def describe(self) -> dict[str, Any]:
        settings: dict[str, Any] = {"runner": "dask"}
        if self.queue is not None:
            settings["queue"] = self.queue.as_json()
        elif self.address is not None:
            settings["address"] = self.address
        elif self.scheduler_file is not None:
            settings["scheduler_file"] = self.scheduler_file
        else:
            settings["workers"] = self.workers
            settings["threads_per_worker"] = self.threads_per_worker
            settings |= {"gpus": self.gpus} if self.gpus else {}
            settings |= {"tls": True} if self.tls else {}
        return settings | {
            "deadline": self.deadline,
            "attempts": self.attempts,
            "patience": self.patience,
            "heartbeat": self.heartbeat,
        }

    # --- workers -----------------------------------------------------------------------------------------------

    def _make_cluster(self) -> Cluster:
        """Where the workers come from."""
        if self.queue is not None:
            from l2l.runners.jobs import QueuedJobs

            return QueuedJobs(self.queue)
        if self.address is not None or self.scheduler_file is not None:
            return ExistingScheduler(self.address, self.scheduler_file)
        return LocalWorkers(self.workers, self.threads_per_worker, self.gpus, self.tls)

    def __enter__(self) -> Self:
        if self._client is not None:
            raise RunnerError("this DaskRunner is already open")
        with contextlib.ExitStack() as stack:
            self._cluster = self._make_cluster()
            stack.callback(self._cluster.close)
            self._cluster.prepare()
            import dask
            import distributed  # noqa: F401 - adds its defaults, which must be there before they are changed

            stack.enter_context(dask.config.set(self._dask_settings()))
            connection = self._cluster.start()
            self._client = self._connect(connection)
            stack.callback(self._disconnect)
            self._wait_for_workers()
            self._compare_environments()
            self._deaths = self._deaths_a_report()
            self._open = stack.pop_all()
        return self

    def _dask_settings(self) -> dict[str, Any]:
        silence = self.heartbeat
        if silence is not None and self.deadline is not None:
            silence = max(silence, 2 * self.deadline)
        return DASK_SETTINGS | {"distributed.scheduler.worker-ttl": None if silence is None else f"{silence} s"}

    def _connect(self, connection: dict[str, Any]) -> Any:
        from distributed import Client

        try:
            return Client(**connection, set_as_default=False, timeout=min(self.patience, _ANSWER))
        except (OSError, TimeoutError, ValueError) as error:
            where = connection.get("address") or connection.get("scheduler_file")
            raise RunnerError(f"no scheduler answers at {where}: {error}") from error

    def _disconnect(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close(timeout=2)

    def _wait_for_workers(self) -> None:
        assert self._cluster is not None
        self._worker_seen = time.monotonic()
        while self._look(at_once=True) < self._cluster.expected():
            if time.monotonic() - self._worker_seen > self.patience:
                raise RunnerError(f"no worker for {self.patience:g} s: {self._cluster.why_no_workers()}")
            self._tick(1)
            time.sleep(0.02)

    def _compare_environments(self) -> None:
        """Raise RunnerError, before anything is evaluated, if a worker computes with other versions."""
        assert self._cluster is not None
        if self._cluster.own_environment:
            return
        # Dask's own question, which a worker answers that has no l2l.
        message = {"op": "versions", "packages": list(environment.PACKAGES)}
        answers: dict[str, Any] = {}
        with contextlib.suppress(OSError, TimeoutError):  # a silent one is asked again with its first chunk
            answers = self._client.sync(
                self._client.scheduler.broadcast, msg=message, on_error="ignore", callback_timeout=_ANSWER
            )
        environment.require_same({worker: answer["packages"] for worker, answer in answers.items()})

    def _tick(self, wanted: int) -> None:
        """Let the cluster look after its workers, about once a second."""
        assert self._cluster is not None
        if time.monotonic() - self._ticked > _TICK:
            self._cluster.tick(wanted)
            self._ticked = time.monotonic()

    def _deaths_a_report(self) -> int:
        """How many workers a task takes down before the scheduler reports it: one, if the settings are ours."""
        try:
            allowed = self._client.run_on_scheduler(lambda dask_scheduler: dask_scheduler.allowed_failures)
        except Exception:  # a scheduler that cannot import l2l, or refuses to run code
            allowed = 0
        return int(allowed) + 1

    def close(self) -> None:
        self._open.close()
        self._cluster = None

    def _look(self, at_once: bool = False) -> int:
        """The number of tasks the workers run at once; asked at most once a second."""
        now = time.monotonic()
        if at_once or now - self._looked > _TICK:
            if self._client.status not in ("running", "connecting"):
                raise RunnerError(_gone(self._client.status))
            try:
                threads = self._client.sync(self._client.scheduler.ncores, workers=None, callback_timeout=_ANSWER)
            except (OSError, TimeoutError) as error:
                raise RunnerError(_gone(str(error) or type(error).__name__)) from error
            self._slots, self._looked = sum(threads.values()), now
            if self._slots:
                self._worker_seen = now
        return self._slots

    # --- individuals -------------------------------------------------------------------------------------------

    def evaluate(self, optimizee: Optimizee, individuals: Sequence[Individual]) -> Iterator[Evaluation]:
        bursts = self.evaluate_in_bursts(optimizee, individuals)
        return (evaluation for burst in bursts for evaluation in burst)

    def evaluate_in_bursts(
        self, optimizee: Optimizee, individuals: Sequence[Individual]
    ) -> Iterator[Sequence[Evaluation]]:
        if self._client is None:
            raise RunnerError("a DaskRunner evaluates while it is open: `with DaskRunner() as runner: ...`")
        name, pickled = self._pickle(optimizee)
        plan = Plan(optimizee.batch_size, *self._pace.get(name, (None, 0.0)))
        ledger = Ledger(individuals, plan, self.attempts, deadline=self.deadline, deaths=self._deaths)
        return self._stream(ledger, name, pickled)

    def _pickle(self, optimizee: Optimizee) -> tuple[str, bytes]:
        """The optimizee as bytes, and their hash; once for each optimizee object."""
        if self._pickled is None or self._pickled[0] is not optimizee:
            try:
                pickled = cloudpickle.dumps(optimizee, protocol=pickle.HIGHEST_PROTOCOL)
            except Exception as error:
                raise RunnerError(
                    f"the optimizee cannot be sent to workers: {type(error).__name__}: {error}; what cannot be pickled "
                    "(open files, locks, device memory) is best made on first use inside simulate"
                ) from error
            self._pickled = (optimizee, hashlib.sha256(pickled).hexdigest(), pickled)
        return self._pickled[1:]

    def _stream(self, ledger: Ledger, name: str, pickled: bytes) -> Iterator[Sequence[Evaluation]]:
        assert self._cluster is not None
        folder, shared = self._cluster.folder, self._cluster.shared_folder
        window = Window(self._client, name, pickled, folder, shared, self.deadline)
        try:
            while True:
                while len(window) < max(2, _AHEAD * self._look()):
                    chunk = ledger.next(max(1, self._slots))
                    if chunk is None:
                        break
                    window.send(chunk, ledger.of(chunk))
                if not len(window):
                    break
                news = window.news(_TICK)
                self._tick(len(window) + ledger.chunks_left())
                if not news:
                    self._check()
                settled = [each for chunk, reply in news for each in self._settle(ledger, window, chunk, reply)]
                if settled:
                    yield settled
            self._pace[name] = (ledger.plan.seconds, ledger.plan.size)
        finally:
            window.close()

    def _settle(self, ledger: Ledger, window: Window, chunk: Chunk, reply: Reply | Death) -> Iterator[Evaluation]:
        if isinstance(reply, Death):
            assert self._cluster is not None
            yield from ledger.lost(
                chunk,
                reply.words,
                label(reply.worker, reply.name),
                told=reply.told,
                error=reply.error,
                log=functools.partial(self._cluster.log_of, reply.name),
            )
        elif reply.kind == "done":
            yield from ledger.done(chunk, reply.fields, reply.size)
        elif reply.kind == "missing":
            # The worker asks for the optimizee: a new one, or one that was restarted.
            window.send(chunk, ledger.of(chunk), with_optimizee=True)
        elif reply.kind == "different":
            raise RunnerError(reply.error)
        else:
            raise RunnerError(
                f"the optimizee cannot be loaded on the worker at {reply.worker}: {reply.error}; "
                f"is what it imports installed there?\n{reply.traceback}"
            )

    def _check(self) -> None:
        """Nothing came back for a while: are there still workers?"""
        assert self._cluster is not None
        self._look(at_once=True)
        if time.monotonic() - self._worker_seen > self.patience:
            raise RunnerError(f"no worker for {self.patience:g} s: {self._cluster.why_no_workers()}")


def _gone(why: str) -> str:
    return f"the scheduler is gone ({why}): evaluations that finished are recorded; resume the run"
