"""Dask workers in the jobs of a queue: submitted, watched, replaced when they are lost, and ended with the driver."""

from __future__ import annotations

import contextlib
import os
import shlex
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from l2l.errors import RunnerError
from l2l.runners.dialect import JobState
from l2l.runners.jobqueue import JobQueue
from l2l.runners.naming import job_of
from l2l.runners.preflight import ask
from l2l.runners.scheduler import OwnScheduler, Worker, worker_keys

_STILLBORN = 3  # jobs in a row that end before a worker comes of them: then there is something wrong with all
_ASK_FIRST, _ASK_AT_MOST = 1.0, 30.0  # seconds between two questions to the queue while jobs have no worker
_AGAIN = 30.0  # seconds after which a refused submission is tried again
_IDLE = 60.0  # seconds that a job without work is kept, where their number adapts: the next generation comes soon
_AT_ONCE = 8  # submissions that run side by side
_LATE = 0.5  # seconds by which a job's log may lag behind a death
_TAIL = 4000  # bytes of a job's log that are worth showing


@dataclass
class _Job:
    """A job that was submitted. submitted, seen: when, and when a worker of it was first connected (monotonic)."""

    number: str
    submitted: float
    seen: float | None = None
    state: JobState | None = None
    retiring: bool = False


class QueuedJobs:
    """A scheduler in this process, and jobs with workers."""

    shared_folder = False  # a network's file system may show a worker's last words too late
    own_environment = False

    def __init__(self, queue: JobQueue) -> None:
        self.queue = queue
        self.folder = ""
        self._scheduler: OwnScheduler | None = None
        self._keys: dict[str, str] = {}
        self._jobs: dict[str, _Job] = {}
        self._submitted = 0
        self._stillborn = 0
        self._last_log = ""
        self._refusal = ""
        self._submit_again = 0.0
        self._ask_again = 0.0
        self._pause = _ASK_FIRST
        self._idle_since: float | None = None

    def prepare(self) -> None:
        problems = self.queue.check()
        if problems:
            raise RunnerError(f"no job can be submitted to {self.queue.system}: {'; '.join(problems)}")
        folder = Path(self.queue.folder).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        # mkdtemp makes it this user's alone: it may hold keys.
        self.folder = tempfile.mkdtemp(prefix=time.strftime("%Y%m%d-%H%M%S-"), dir=folder)

    def start(self) -> dict[str, Any]:
        self._scheduler = OwnScheduler(self._host(), self.queue.tls)
        self._keys = dict(worker_keys(self._scheduler.security, self.folder))
        self._fit(1, time.monotonic())
        return self._scheduler.connection

    def _host(self) -> str:
        """The address that workers connect to."""
        from distributed.utils import get_ip, get_ip_interface

        return str(get_ip_interface(self.queue.interface) if self.queue.interface else get_ip())

    def expected(self) -> int:
        return 1  # the others join when the queue lets them

    # --- keeping their number -------------------------------------------------------------------------------------

    def tick(self, wanted: int) -> None:
        now = time.monotonic()
        workers = self._workers_by_job(now)
        waiting = [job for job in self._jobs.values() if job.number not in workers]
        if waiting and now >= self._ask_again:
            self._look_at_queue(now)
        self._retire_before_walltime(workers, now)
        self._cancel_retired(workers)
        self._fit(wanted, now)
        self._retire_idle(workers, wanted, now)

    def _workers_by_job(self, now: float) -> dict[str, list[Worker]]:
        assert self._scheduler is not None
        found: dict[str, list[Worker]] = {}
        for worker in self._scheduler.workers():
            found.setdefault(job_of(worker.name), []).append(worker)
        for number, job in self._jobs.items():
            if number in found and job.seen is None:
                job.seen = now
                self._stillborn = 0
                self._pause = _ASK_FIRST
        return found

    def _look_at_queue(self, now: float) -> None:
        """Forget the jobs that have left the queue; `_fit` replaces them."""
        self._ask_again = now + self._pause
        self._pause = min(_ASK_AT_MOST, 1.5 * self._pause)
        answer = ask(list(self.queue.dialect.list_jobs))
        if answer is None or answer.returncode != 0:
            return  # a queue that does not answer has not lost its jobs
        for job in list(self._jobs.values()):
            job.state = self.queue.dialect.find(answer.stdout, job.number)
            # A listing may be older than a submission.
            if job.state is None and now - job.submitted > _ASK_FIRST:
                del self._jobs[job.number]
                self._pause = _ASK_FIRST
                if job.seen is None:
                    self._stillborn += 1
                    self._last_log = self._tail(job.number) or self._last_log
        if self._stillborn >= _STILLBORN:
            raise RunnerError(
                f"{self._stillborn} jobs in a row ended before a worker came of them{self._quote_log()}; "
                f"the logs are in {self.folder}"
            )

    def _fit(self, wanted: int, now: float) -> None:
        """Submit what is missing."""
        alive = [job for job in self._jobs.values() if not job.retiring]
        missing = self._target(wanted) - len(alive)
        if missing <= 0 or now < self._submit_again:
            return
        assert self._scheduler is not None
        refused = [error for error in self._scheduler.sync(self._submit, missing) if error]
        self._ask_again = min(self._ask_again, now + self._pause)
        self._refusal = refused[0] if refused else ""
        if refused:
            self._submit_again = now + _AGAIN
            if not self._jobs:
                raise RunnerError(f"{self.queue.system} refuses the job: {self._refusal}")

    def _target(self, wanted: int) -> int:
        least, most = self.queue.bounds
        return min(most, max(least, -(-wanted // self.queue.workers)))

    async def _submit(self, count: int) -> list[str]:
        """Submit so many jobs; returns what the queue said to each, "" where it took it."""
        import asyncio

        gate = asyncio.Semaphore(_AT_ONCE)

        async def submit_one() -> str:
            assert self._scheduler is not None
            self._submitted += 1
            job = self.queue.make_job(self._scheduler.address, f"{self._submitted}", self.folder, self._keys)
            async with gate:
                try:
                    await job.start()
                except (RuntimeError, ValueError, OSError) as error:
                    return _short(str(error))
            self._jobs[str(job.job_id)] = _Job(str(job.job_id), time.monotonic())
            return ""

        return await asyncio.gather(*(submit_one() for _ in range(count)))

    # --- giving jobs back -----------------------------------------------------------------------------------------

    def _retire_before_walltime(self, workers: dict[str, list[Worker]], now: float) -> None:
        lasts = self.queue.walltime_seconds - self.queue.drain_seconds
        for job in self._jobs.values():
            if job.seen is not None and not job.retiring and now - job.seen > lasts:
                self._retire(job, workers)

    def _retire_idle(self, workers: dict[str, list[Worker]], wanted: int, now: float) -> None:
        least, most = self.queue.bounds
        excess = len([job for job in self._jobs.values() if not job.retiring]) - self._target(wanted)
        if least == most or excess <= 0:
            self._idle_since = None
            return
        self._idle_since = now if self._idle_since is None else self._idle_since
        if now - self._idle_since < _IDLE:
            return
        idle = [job for job in self._jobs.values() if not any(each.busy for each in workers.get(job.number, ()))]
        for job in [job for job in idle if not job.retiring][:excess]:
            self._retire(job, workers)

    def _retire(self, job: _Job, workers: dict[str, list[Worker]]) -> None:
        assert self._scheduler is not None
        job.retiring = True
        addresses = [worker.address for worker in workers.get(job.number, ())]
        if addresses:
            self._scheduler.retire(addresses)

    def _cancel_retired(self, workers: dict[str, list[Worker]]) -> None:
        """End those that were told to take no more, once they have finished what they were at."""
        over = [
            job.number
            for job in self._jobs.values()
            if job.retiring and not any(worker.busy for worker in workers.get(job.number, ()))
        ]
        if over:
            self._cancel(over)
            for number in over:
                del self._jobs[number]

    def _cancel(self, numbers: list[str]) -> None:
        job = self.queue.make_job("tcp://none", "none", self.folder)
        ask([*shlex.split(job.cancel_command), *numbers])

    # --- what went wrong ------------------------------------------------------------------------------------------

    def why_no_workers(self) -> str:
        with contextlib.suppress(RunnerError):
            self._look_at_queue(time.monotonic())
        states = [f"job {job.number} is {job.state or 'not listed'}" for job in self._jobs.values()]
        shown = ", ".join(states[:5]) + (f" and {len(states) - 5} more" if len(states) > 5 else "")
        refused = f"; the last submission was refused: {self._refusal}" if self._refusal else ""
        for job in self._jobs.values():
            self._last_log = self._tail(job.number) or self._last_log
        return f"{self.queue.system} says: {shown or 'there is no job'}{refused}{self._quote_log()}"

    def _quote_log(self) -> str:
        if not self._last_log:
            return "" if not self._stillborn else " and printed nothing"
        return f"; the last lines of a job's log:\n{self._last_log}\n"

    def log_of(self, worker: str) -> str:
        number = job_of(worker)
        if not number:
            return ""
        # The news of a death comes sooner than the last words of those who watched it.
        end = time.monotonic() + _LATE
        while not self._fresh(number) and time.monotonic() < end:
            time.sleep(0.02)
        tail = self._tail(number)
        return f"The end of the log of job {number}:\n{tail}" if tail else ""

    def _fresh(self, number: str) -> bool:
        """Whether something was printed to a job's log just now."""
        logs = self._logs(number)
        return any(time.time() - path.stat().st_mtime < _LATE for path in logs)

    def _logs(self, number: str) -> list[Path]:
        """The files in the folder that carry the job's number in their names, as each queue does in its way."""
        paths = [path for path in Path(self.folder).iterdir() if path.is_file() and path.suffix != ".pem"]
        return sorted(path for path in paths if number.split(".")[0] in _numbers(path.name))

    def _tail(self, number: str) -> str:
        """The end of what a job printed."""
        parts = []
        for path in self._logs(number):
            with contextlib.suppress(OSError), path.open("rb") as file:
                file.seek(max(0, path.stat().st_size - _TAIL))
                parts.append(file.read().decode(errors="replace").strip())
        return "\n".join(part for part in parts if part)

    def close(self) -> None:
        numbers = list(self._jobs)
        self._jobs.clear()
        if numbers:
            self._cancel(numbers)
        scheduler, self._scheduler = self._scheduler, None
        if scheduler is not None:
            scheduler.close()
        for path in self._keys.values():
            with contextlib.suppress(OSError):
                os.unlink(path)
        self._keys = {}


def _numbers(name: str) -> set[str]:
    """The numbers among the parts of a file's name, also where a letter stands before them, as in PBS's l2l.o17."""
    return {part.lstrip("oe") for part in name.split(".")}


def _short(refusal: str) -> str:
    """What the queue's own command said, out of dask-jobqueue's account of it."""
    _, found, said = refusal.partition("stderr:")
    return " ".join((said if found else refusal).split())
