"""Whether a worker computes with what the driver computes with: versions of Python and of the packages that matter."""

from __future__ import annotations

import functools
import os
import sys
import sysconfig
from collections.abc import Mapping
from importlib import metadata

from l2l.errors import RunnerError

# What pickles travel by, and what the last bits of results hang on.
PACKAGES = ("l2l", "numpy", "numba", "cloudpickle", "distributed")


@functools.cache
def _here() -> tuple[tuple[str, str], ...]:
    versions = {"python": "{}.{}".format(*sys.version_info)}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = "none"
    return tuple(versions.items())


def here() -> dict[str, str]:
    """The versions of this process, by name; "none" for what is not installed."""
    return dict(_here())


def differences(there: Mapping[str, str | None], driver: Mapping[str, str] | None = None) -> str:
    """In one line, what differs there from the driver's versions (by default, this process's); "" if nothing does."""
    return ", ".join(
        f"{name} is {there.get(name) or 'none'} there and {version} here"
        for name, version in (here() if driver is None else driver).items()
        if (there.get(name) or "none") != version
    )


def require_same(versions: Mapping[str, Mapping[str, str | None]], driver: Mapping[str, str] | None = None) -> None:
    """Raise RunnerError, naming the worker and the difference, unless all workers have the driver's versions.

    versions: by worker, as `here` gives them; Python's may have more parts than two.
    driver: the driver's, by default those of this process.
    """
    for worker, found in versions.items():
        there = dict(found)
        there["python"] = ".".join(str(there.get("python")).split(".")[:2])
        different = differences(there, driver)
        if different:
            raise RunnerError(
                f"the worker {worker} has another environment than the driver (here): {different}. "
                "Start workers from the driver's environment (same virtual environment or container), or install the "
                "same versions in both"
            )


def additions_to_path() -> list[str]:
    """The entries of sys.path that this process has beyond a bare interpreter's: the script's folder, PYTHONPATH."""
    own = {os.path.realpath(sysconfig.get_path(kind)) for kind in ("stdlib", "platstdlib", "purelib", "platlib")}
    entries = [os.path.abspath(entry) for entry in sys.path]  # "" is the working directory
    return [
        entry
        for entry in dict.fromkeys(entries)
        if os.path.isdir(entry) and os.path.realpath(entry) not in own and "lib-dynload" not in entry
    ]
