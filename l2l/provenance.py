"""Where a run came from: script, versions, host, command. Recorded with every run."""

from __future__ import annotations

import getpass
import hashlib
import importlib.metadata
import platform
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

_PACKAGES = ("l2l", "numpy", "numba", "llvmlite", "scipy", "dask", "distributed", "cma", "deap", "sqlalchemy")
_LARGEST_SCRIPT = 1_000_000  # bytes; a longer file is no script that a person wrote


def gather(script: Path | None) -> dict[str, Any]:
    """What is known of the script, the machine and the software at this moment, as JSON values."""
    known: dict[str, Any] = {
        "command": sys.argv,
        "directory": str(Path.cwd()),
        "host": socket.gethostname(),
        "machine": platform.machine(),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "user": _user(),
        "versions": _versions(),
    }
    if script is not None:
        known["script"] = _script(script)
        known["git"] = _git(script.parent)
    return known


def script_of_main() -> Path | None:
    """The file that Python was started with, or None in a notebook or an interactive session."""
    path = getattr(sys.modules.get("__main__"), "__file__", None)
    return Path(path).resolve() if path and Path(path).is_file() else None


def _script(script: Path) -> dict[str, str]:
    if script.stat().st_size > _LARGEST_SCRIPT:
        return {"path": str(script)}
    content = script.read_bytes()
    return {
        "path": str(script),
        "sha256": hashlib.sha256(content).hexdigest(),
        "text": content.decode("utf-8", errors="replace").replace("\x00", ""),
    }


def _versions() -> dict[str, str]:
    versions = {}
    for package in _PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = "not installed as a package"
    return versions


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user without a name
        return ""


def _git(folder: Path) -> dict[str, Any] | None:
    """Commit and cleanliness of the script's repository; None where there is none."""
    try:
        commit, status = (
            subprocess.run(
                ["git", *arguments], cwd=folder, capture_output=True, text=True, timeout=5, check=True
            ).stdout
            for arguments in (("rev-parse", "HEAD"), ("status", "--porcelain", "--untracked-files=no"))
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return {"commit": commit.strip(), "clean": not status.strip()}
