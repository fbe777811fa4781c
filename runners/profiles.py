"""Settings of a runner kept in a file: a TOML profile for each machine, such as `~/.config/l2l/juwels.toml`.

    runner = "slurm"
    gpus_per_job = 4
    walltime = "2:00:00"
    queue = "booster"
    prologue = ["module load CUDA"]

    [driver]            # only for `l2l submit`
    walltime = "24:00:00"

The keys are those of `JobQueue` and `DaskRunner`, as `runners.create` takes them.
"""

from __future__ import annotations

import inspect
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from l2l.errors import RunnerError, nearest
from l2l.runners.dialect import DIALECTS

DRIVER_KEYS = ("walltime", "memory", "threads_per_worker", "queue", "account", "directives", "prologue", "drain")


@dataclass(frozen=True)
class Profile:
    """settings: as `runners.create` takes them. driver: settings of the job that `l2l submit` makes for the driver."""

    name: str
    settings: Mapping[str, Any]
    driver: Mapping[str, Any] = field(default_factory=dict)


def folder() -> Path:
    """Where profiles are looked for by name."""
    import platformdirs

    return Path(platformdirs.user_config_dir("l2l", appauthor=False))


def read(name: str) -> Profile:
    """The profile of that name, or in the file of that path (which ends in .toml, or has a folder in it).

    Raises RunnerError if there is none, if it is no TOML, or if it holds a key that its runner does not know.
    """
    by_path = name.endswith(".toml") or "/" in name
    path = Path(name).expanduser() if by_path else folder() / f"{name}.toml"
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        near = sorted(file.stem for file in folder().glob("*.toml"))
        remedy = ": there is no such file" if by_path else f" (there is no {path}): {nearest(name, near)}"
        raise RunnerError(f"unknown profile {name!r}{remedy}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise RunnerError(f"the profile {path} cannot be read: {error}") from error
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RunnerError(f"the profile {path} is not valid TOML: {error}") from error
    driver = found.pop("driver", {})
    if not isinstance(driver, dict):
        raise RunnerError(f"the profile {path}: driver must be a table, [driver], but is {driver!r}")
    try:
        known = known_settings(str(found["runner"])) if "runner" in found else None
    except RunnerError as error:
        raise RunnerError(f"the profile {path}: {error}") from None
    _check(path, found, known, "key")
    _check(path, driver, DRIVER_KEYS, "key of [driver]")
    return Profile(name, found, driver)


def known_settings(runner: str) -> list[str]:
    """The settings that a runner of this name takes. Raises RunnerError for an unknown name."""
    from l2l.runners.dask import DaskRunner
    from l2l.runners.jobqueue import JobQueue

    if runner in DIALECTS:
        queue = [name for name in JobQueue.settings() if name != "system"]
        return [*queue, "deadline", "attempts", "patience", "heartbeat"]
    if runner == "dask":
        return [name for name in inspect.signature(DaskRunner).parameters if name != "queue"]
    if runner == "serial":
        return []
    raise RunnerError(f"unknown runner {runner!r}: {nearest(runner, ['serial', 'dask', *DIALECTS])}")


def _check(path: Path, found: Mapping[str, Any], known: Any, what: str) -> None:
    if known is None:  # a runner named elsewhere says what it knows; whatever none knows is wrong now
        known = sorted({*known_settings("slurm"), *known_settings("dask")})
    for key in found:
        if key not in known and not (what == "key" and key == "runner"):
            choices = nearest(key, known if what != "key" else ["runner", *known])
            raise RunnerError(f"the profile {path}: unknown {what} {key!r}: {choices}")
