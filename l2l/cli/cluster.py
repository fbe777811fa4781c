"""The options that say where to evaluate: a runner or a profile, and settings; the same for every command."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

import typer

from l2l import duration
from l2l.errors import RunnerError, SimulationError

SYSTEMS = "slurm, pbs, sge, lsf, htcondor, oar, moab"
_PANEL = "Where to evaluate"


@dataclass(frozen=True)
class Chosen:
    """What the options and the profile say together.

    settings: as `runners.create` takes them; None leaves the choice to the script. driver: the profile's, of the job
    that `l2l submit` makes for the driver.
    """

    settings: Mapping[str, Any] | None = None
    driver: Mapping[str, Any] = field(default_factory=dict)


def _option(kind: Any, name: str, text: str, metavar: str | None = None, *more: str) -> Any:
    return Annotated[kind, typer.Option(name, *more, help=text, metavar=metavar, rich_help_panel=_PANEL)]


# By the setting's name; each option is that name with dashes, but for --directive, which is said once a line.
_OPTIONS: dict[str, Any] = {
    "profile": _option(
        str | None, "--profile", "Settings from ~/.config/l2l/NAME.toml, or from a file.", "NAME|FILE.toml"
    ),
    "runner": _option(
        str | None, "--runner", f"serial, dask, dask:4, a scheduler's address, or a job queue: {SYSTEMS}."
    ),
    "jobs": _option(str | None, "--jobs", "Jobs: 64, or as many as there is work for: 4..64.", "N|MIN..MAX"),
    "minimum_jobs": _option(int | None, "--min-jobs", "At least so many jobs, with --max-jobs."),
    "maximum_jobs": _option(int | None, "--max-jobs", "At most so many jobs, with --min-jobs."),
    "workers_per_job": _option(int | None, "--workers-per-job", "Evaluations that a job runs at once."),
    "gpus_per_job": _option(int | None, "--gpus-per-job", "GPUs of each job; each of its workers gets one."),
    "threads_per_worker": _option(int | None, "--threads-per-worker", "Cores of each worker."),
    "memory": _option(str | None, "--memory", "Memory of each job, such as 4GB."),
    "walltime": _option(str | None, "--walltime", 'Of each job: 2:00:00, 1-12:00:00, "90 min".'),
    "queue": _option(str | None, "--queue", "The queue or partition to submit to.", None, "--partition"),
    "account": _option(str | None, "--account", "The project to charge."),
    "directives": _option(
        list[str] | None, "--directive", 'A line of the job script\'s header, such as "--constraint=gpu".', "LINE"
    ),
    "prologue": _option(
        list[str] | None, "--prologue", 'A line before the worker starts, such as "module load CUDA".', "LINE"
    ),
    "workers": _option(int | None, "--workers", "Processes of this machine, with --runner dask."),
    "gpus": _option(int | None, "--gpus", "Local workers that get a GPU each, with --runner dask."),
    "interface": _option(str | None, "--interface", "The network interface to listen on, such as ib0."),
    "tls": _option(bool | None, "--tls/--no-tls", "Encrypt and authenticate what driver and workers say."),
    "deadline": _option(str | None, "--deadline", 'The time that one evaluation may take, such as "10 min".'),
    "attempts": _option(int | None, "--attempts", "Workers an individual may take down before it is lost."),
}
_FLAGS = {"minimum_jobs": "--min-jobs", "maximum_jobs": "--max-jobs", "directives": "--directive"}


def with_runner(command: Callable[..., None]) -> Callable[..., None]:
    """Gives a command all these options; its parameter `where` receives what they mean."""
    own = inspect.signature(command, eval_str=True).parameters.values()
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
        for name, annotation in _OPTIONS.items()
    ]
    asked = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in own if each.name != "where"] + added

    @functools.wraps(command)
    def wrapped(**given: Any) -> None:
        where = choose({name: given.pop(name) for name in _OPTIONS})
        command(**given, where=where)

    del wrapped.__wrapped__  # typer must see the options, not what they became
    wrapped.__signature__ = inspect.Signature(asked)  # type: ignore[attr-defined]
    wrapped.__annotations__ = {each.name: each.annotation for each in asked}
    return wrapped


def choose(options: Mapping[str, Any]) -> Chosen:
    """The profile's settings, with those of the command line over them. Raises RunnerError, before any work."""
    from l2l import runners
    from l2l.runners import profiles

    given = {name: value for name, value in options.items() if value is not None and value != []}
    name, runner = given.pop("profile", None), given.pop("runner", None)
    said = _settings(given)
    if name is None and runner is None:
        if given:
            flags = ", ".join(_flag(key) for key in given)
            raise RunnerError(
                f"{flags} says how to evaluate, but not where: add --runner ({SYSTEMS}) or --profile NAME"
            )
        return Chosen()
    profile = profiles.read(name) if name is not None else profiles.Profile("", {})
    parsed = runners.parse(runner) if runner is not None else {}
    for key in set(parsed) & set(said):
        raise RunnerError(f"--runner {runner} and {_flag(key)} both say how many {key}: give one of them")
    if "runner" not in {**profile.settings, **parsed}:
        raise RunnerError(f'the profile {name!r} names no runner: add runner = "slurm" (or {SYSTEMS}) to it')
    kind = parsed.get("runner", profile.settings.get("runner"))
    if profile.settings.get("runner", kind) != kind:
        raise RunnerError(
            f"the profile {name!r} is for the runner {profile.settings['runner']!r}, but --runner {runner} was given"
        )
    known = profiles.known_settings(str(kind))
    for key in given:
        _check_known(key, str(kind), known)
    settings = {**_without_bounds(profile.settings, {**said, **parsed}), **said, **parsed}
    _make(settings, profile.name if profile.settings and not given else "")
    return Chosen(settings, profile.driver)


def _make(settings: Mapping[str, Any], profile: str) -> None:
    """What is wrong with the settings is known once the runner is made of them, which starts nothing."""
    from l2l import runners

    try:
        runners.create(settings)
    except RunnerError as error:
        raise RunnerError(f"the profile {profile!r}: {error}" if profile else str(error)) from None


def _settings(given: Mapping[str, Any]) -> dict[str, Any]:
    """The options as settings: 4..64 jobs are two bounds, and a deadline is seconds."""
    said = dict(given)
    if "jobs" in said:
        least, dots, most = str(said.pop("jobs")).partition("..")
        if not least.isdecimal() or (dots and not most.isdecimal()):
            raise RunnerError(f"--jobs must be a number, or two as in 4..64, but got {given['jobs']!r}")
        if dots and ("minimum_jobs" in said or "maximum_jobs" in said):
            raise RunnerError(f"--jobs {given['jobs']} and --min-jobs or --max-jobs say the same: give one of them")
        said |= {"minimum_jobs": int(least), "maximum_jobs": int(most)} if dots else {"jobs": int(least)}
    if "deadline" in said:
        try:
            said["deadline"] = duration.seconds(said["deadline"], "--deadline")
        except SimulationError as error:
            raise RunnerError(str(error)) from None
    return said


def _without_bounds(settings: Mapping[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
    """The profile's settings without its number of jobs, where the command line says another."""
    bounds = {"minimum_jobs", "maximum_jobs"}
    if not {"jobs", *bounds} & set(said):
        return dict(settings)
    # One bound said alone moves that one of the profile.
    dropped = {"jobs", *bounds} if "jobs" in said or bounds <= set(said) else {"jobs"}
    return {key: value for key, value in settings.items() if key not in dropped}


def _check_known(key: str, runner: str, known: list[str]) -> None:
    if key in known:
        return
    if runner in ("serial", "dask") and key not in ("workers", "gpus"):
        raise RunnerError(f"{_flag(key)} needs a job queue (--runner {SYSTEMS}), but the runner is {runner!r}")
    if runner == "serial":
        raise RunnerError(f"{_flag(key)} needs --runner dask, but the runner is 'serial', which is this process")
    raise RunnerError(
        f"{_flag(key)} is for this machine (--runner dask), but the runner is {runner!r}: use {_flag(key)}-per-job"
    )


def _flag(key: str) -> str:
    return _FLAGS.get(key, f"--{key.replace('_', '-')}")
