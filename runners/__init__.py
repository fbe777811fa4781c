"""Runners: where individuals are evaluated."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from l2l.errors import RunnerError, nearest
from l2l.runners.base import Runner
from l2l.runners.dialect import DIALECTS

if TYPE_CHECKING:
    from l2l.runners.dask import DaskRunner
    from l2l.runners.jobqueue import JobQueue
    from l2l.runners.serial import SerialRunner

__all__ = ["DaskRunner", "JobQueue", "Runner", "SerialRunner", "create"]

# The name in configurations and on the command line, and where the class is. A new runner adds a line here.
_RUNNERS = {
    "serial": ("l2l.runners.serial", "SerialRunner"),
    "dask": ("l2l.runners.dask", "DaskRunner"),
}


def __getattr__(name: str) -> Any:
    for module, class_name in (*_RUNNERS.values(), ("l2l.runners.jobqueue", "JobQueue")):
        if name == class_name:
            return getattr(importlib.import_module(module), name)
    raise AttributeError(f"module 'l2l.runners' has no attribute {name!r}: {nearest(name, __all__)}")


def create(spec: str | Mapping[str, Any] | Runner) -> Runner:
    """The runner that `spec` means.

    "serial"; "dask"; "dask:4", with 4 workers; "slurm:16" or another job queue, with 16 jobs;
    "tcp://host:8786" or "tls://...", a running scheduler; a mapping as `Runner.describe` gives it,
    {"runner": "dask", "workers": 4}, or with a job queue's name and the settings of `JobQueue` and `DaskRunner`,
    {"runner": "slurm", "jobs": 16, "deadline": 60.0}; or a runner, which is returned.
    Raises RunnerError for any other.
    """
    if isinstance(spec, Runner):
        return spec
    if isinstance(spec, str):
        spec = parse(spec)
    if not isinstance(spec, Mapping) or "runner" not in spec:
        raise RunnerError(f"a runner is given by its name, or a mapping with the key 'runner', but got {spec!r}")
    settings = dict(spec)
    name = settings.pop("runner")
    if name in DIALECTS:
        return _of_queue(name, settings)
    if name not in _RUNNERS:
        raise RunnerError(f"unknown runner {name!r}: {nearest(str(name), [*_RUNNERS, *DIALECTS])}")
    module, class_name = _RUNNERS[name]
    kind = getattr(importlib.import_module(module), class_name)
    _check_settings(name, settings, _settings_of(kind))
    runner: Runner = kind(**settings)
    return runner


def parse(text: str) -> dict[str, Any]:
    """The mapping that a runner's name means: "slurm:4" is {"runner": "slurm", "jobs": 4}."""
    if "://" in text:
        return {"runner": "dask", "address": text}
    name, colon, number = text.partition(":")
    if not colon:
        return {"runner": name}
    if (name != "dask" and name not in DIALECTS) or not number.isdecimal():
        raise RunnerError(
            f"a runner with a number of workers or jobs is written like 'dask:4' or 'slurm:4', but got {text!r}"
        )
    return {"runner": name, "workers" if name == "dask" else "jobs": int(number)}


def _of_queue(system: str, settings: Mapping[str, Any]) -> Runner:
    from l2l.runners.dask import DaskRunner
    from l2l.runners.jobqueue import JobQueue
    from l2l.runners.profiles import known_settings

    of_queue = JobQueue.settings()
    of_runner = [name for name in known_settings(system) if name not in of_queue]
    _check_settings(system, settings, known_settings(system))
    queue = JobQueue(system=system, **{name: value for name, value in settings.items() if name in of_queue})
    return DaskRunner(queue=queue, **{name: value for name, value in settings.items() if name in of_runner})


def _settings_of(kind: Any) -> list[str]:
    return list(inspect.signature(kind).parameters)


def _check_settings(name: str, settings: Mapping[str, Any], known: list[str]) -> None:
    for setting in settings:
        if setting not in known:
            raise RunnerError(f"the {name} runner has no setting {setting!r}: {nearest(setting, known)}")
