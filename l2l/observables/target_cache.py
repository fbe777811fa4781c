"""Observables of targets, kept on disk under the hash of all that they are computed of."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

# To be counted up whenever an observable is computed differently.
_VERSION = 1


def folder() -> Path:
    """Where they are kept: $L2L_CACHE, else the user's cache folder."""
    chosen = os.environ.get("L2L_CACHE")
    if chosen:
        return Path(chosen) / "targets"
    import platformdirs

    return Path(platformdirs.user_cache_dir("l2l")) / "targets"


def kept(settings: Mapping[str, Any], compute: Callable[[], Any]) -> Any:
    """What `compute` returns for these settings (JSON): an array of numbers, from the cache if it is there.

    A file that cannot be read is computed anew; where nothing can be written, nothing is kept.
    """
    key = hashlib.sha256(json.dumps([_VERSION, dict(settings)], sort_keys=True).encode()).hexdigest()
    path = folder() / f"{key}.npy"
    try:
        return np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        value = compute()
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        return value
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
        with os.fdopen(handle, "wb") as file:
            np.save(file, array, allow_pickle=False)
        os.replace(temporary, path)  # all of it or nothing, whoever else writes it
    except OSError:
        pass
    return value
