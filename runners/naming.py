"""How workers are named in the record, and which job a name tells."""

from __future__ import annotations


def label(address: str, name: object) -> str:
    """A worker as it is recorded: its address and, where it runs in a job, its name, which holds the job's number."""
    return f"{address} {name}" if str(name).startswith("job-") else address


def job_of(worker: str) -> str:
    """The number of the job in a worker's name ("job-17-0") or label ("tcp://host:port job-17-0"); "" without one."""
    kind, _, rest = worker.rpartition(" ")[2].partition("-")
    number, dash, _ = rest.rpartition("-")
    return number if kind == "job" and dash else ""
