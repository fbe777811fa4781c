"""Where a run came from: script, versions, host, command. Recorded with every run, and read back."""

from __future__ import annotations

import getpass
import hashlib
import importlib.metadata
import platform
import re
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from l2l.trajectory import Trajectory

_PACKAGES = ("l2l", "numpy", "numba", "llvmlite", "scipy", "dask", "distributed", "cma", "deap", "sqlalchemy")
_LARGEST_SCRIPT = 1_000_000  # bytes; a longer file is no script that a person wrote


def gather(script: Path | None) -> dict[str, Any]:
    """What is known of the script, the machine and the software at this moment, as JSON values.

    Workers have the same versions: a runner refuses those that have not.
    """
    known: dict[str, Any] = {
        "command": sys.argv,
        "directory": str(Path.cwd()),
        "host": socket.gethostname(),
        "machine": platform.machine(),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "user": _user(),
        "versions": versions(),
        # As one text, which pip reads: a list of runs has a thousand of them to parse.
        "packages": "\n".join(f"{name}=={version}" for name, version in installed().items()),
    }
    if script is not None:
        known["script"] = _script(script)
        known["git"] = _git(script.parent)
    return known


def script_of_main() -> Path | None:
    """The file that Python was started with, or None in a notebook or an interactive session."""
    path = getattr(sys.modules.get("__main__"), "__file__", None)
    return Path(path).resolve() if path and Path(path).is_file() else None


def account(trajectory: Trajectory) -> dict[str, Any]:
    """All that is recorded of where a run comes from and what decided its outcomes, as JSON values.

    Beside what `gather` found: its seed, the fingerprint of its optimizee, the hashes of its data (connectomes,
    targets), its workers, the run it was warm-started from, and the archive it was imported from.
    """
    run = trajectory.run
    workers = trajectory.workers()
    events = trajectory.events()
    imported = events.loc[events["kind"] == "imported", "details"].tolist()
    return {
        "run": run.id,
        "name": run.name,
        "created": str(run.created),
        **run.provenance,
        "seed": run.seed,
        "optimizee": {"fingerprint": run.fingerprint, "data": dict(_hashes("", run.optimizee))},
        "workers": [{name: value for name, value in row.items() if value} for row in workers.to_dict(orient="records")],
        "warm-started from run": run.parent,
        "imported": imported,
    }


def versions() -> dict[str, str]:
    """Of the packages that results hang on."""
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed as a package"
    return found


def _hashes(name: str, value: Any) -> Iterator[tuple[str, dict[str, str]]]:
    """What is described by a SHA-256: its place in the description, its name and its hash."""
    if isinstance(value, Mapping):
        if isinstance(value.get("sha256"), str):
            yield name, {key: str(value[key]) for key in ("name", "sha256") if key in value}
        for key, item in value.items():
            yield from _hashes(f"{name}.{key}".lstrip("."), item)
    elif isinstance(value, list | tuple):
        for place, item in enumerate(value):
            yield from _hashes(f"{name}[{place}]", item)


def _script(script: Path) -> dict[str, str]:
    if script.stat().st_size > _LARGEST_SCRIPT:
        return {"path": str(script)}
    content = script.read_bytes()
    return {
        "path": str(script),
        "sha256": hashlib.sha256(content).hexdigest(),
        "text": content.decode("utf-8", errors="replace").replace("\x00", ""),
    }


def installed() -> dict[str, str]:
    """Every package that Python finds, by the names of their folders: reading their metadata takes a second."""
    found: dict[str, str] = {}
    for entry in sys.path:
        try:
            names = [path.name for path in Path(entry or ".").glob("*.dist-info")]
        except OSError:
            continue
        for name in names:
            package, _, version = name.removesuffix(".dist-info").partition("-")
            found.setdefault(re.sub(r"[-_.]+", "-", package).lower(), version)
    return dict(sorted(found.items()))


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user without a name
        return ""


def _git(folder: Path) -> dict[str, Any] | None:
    """Commit and cleanliness of the script's repository; None where there is none.

    diff_sha256: of what `git diff HEAD --binary` prints, if tracked files were changed.
    """
    try:
        commit, status = (
            _ask_git(folder, *arguments).decode(errors="replace").strip()
            for arguments in (("rev-parse", "HEAD"), ("status", "--porcelain", "--untracked-files=no"))
        )
        known: dict[str, Any] = {"commit": commit, "clean": not status}
        if status:
            known["diff_sha256"] = hashlib.sha256(_ask_git(folder, "diff", "HEAD", "--binary")).hexdigest()
    except (OSError, subprocess.SubprocessError):
        return None
    return known


def _ask_git(folder: Path, *arguments: str) -> bytes:
    return subprocess.run(["git", *arguments], cwd=folder, capture_output=True, timeout=5, check=True).stdout
