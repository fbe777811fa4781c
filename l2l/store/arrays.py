"""Large arrays beside the database, as Zarr (version 3): one folder a recording, which any Zarr reader opens.

Beside an SQLite file `l2l.db` they lie in `l2l.db.arrays/`, for PostgreSQL where L2L_ARRAYS says. The database holds
the path below that folder, so that both can be moved together. Reading trusts neither: paths stay below the folder,
the metadata must be as written here, and every chunk must claim just the bytes its place needs, before anything is
allocated.
"""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import zstandard
from numpy.typing import NDArray

from l2l.errors import StoreError
from l2l.store.labels import Labels
from l2l.store.recordings import DTYPES, digest, portable

#: Arrays of more bytes lie beside the database, where there is a place for them.
INLINE_BYTES = 2**24
#: The largest array beside the database, bytes before compression.
MAX_BYTES = 2**37
CODEC = "zarr"
VARIABLE = "L2L_ARRAYS"

_CHUNK = 2**24  # bytes
_NAMES = {"|b1": "bool"} | {name: np.dtype(name).name for name in DTYPES if name != "|b1"}
_PART = re.compile(r"[A-Za-z0-9_.%~-]+")


class ArrayFolder:
    """Where the large arrays of one database lie."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @classmethod
    def beside(cls, database: Path | None) -> ArrayFolder | None:
        """The folder of an SQLite file, or of PostgreSQL (None), which has one if L2L_ARRAYS names it."""
        if database is not None:
            return cls(database.with_name(f"{database.name}.arrays"))
        named = os.environ.get(VARIABLE)
        return cls(Path(named).expanduser().absolute()) if named else None

    def write(self, key: Sequence[Any], name: str, array: Any, labels: Labels) -> tuple[str, str]:
        """Writes an array to the disk, synced; returns its path below the folder and its SHA-256."""
        import zarr
        from zarr.codecs import BytesCodec, ZstdCodec

        values = portable(array)
        if values.nbytes > MAX_BYTES:
            raise StoreError(f"a recording must not exceed {MAX_BYTES} bytes, but has {values.nbytes}")
        run_id, *place = key
        # A new name each time: what an interrupted transaction left is never taken for what is written now.
        told = "_".join(quote(str(part), safe="") for part in (*place, name))[:120]
        uri = f"run_{run_id}/{told}_{uuid.uuid4().hex[:12]}.zarr"
        target = self.root / uri
        partial = target.with_suffix(".partial")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            written = zarr.create_array(
                str(partial),
                shape=values.shape,
                chunks=_chunks(values.shape, values.itemsize),
                dtype=values.dtype,
                serializer=BytesCodec(endian="little") if values.itemsize > 1 else BytesCodec(endian=None),
                compressors=[ZstdCodec(level=1)],
                fill_value=0,
                dimension_names=labels.dims,
                attributes={"units": labels.unit} if labels.unit else {},
                config={"write_empty_chunks": True},
                zarr_format=3,
            )
            written[...] = values
            _sync(partial)
            partial.rename(target)
            _sync_folder(target.parent)
        except OSError as error:
            shutil.rmtree(partial, ignore_errors=True)
            raise StoreError(f"the array {uri} cannot be written to {self.root}: {error}: free some space") from error
        return uri, digest(values)

    def read(self, uri: str, dtype: str, shape: Sequence[int]) -> NDArray[Any]:
        """An array that was written. Raises StoreError if it is missing, or not what the database says."""
        if dtype not in DTYPES:
            raise StoreError(f"a recording's type must be one of {', '.join(DTYPES)}, but is {dtype!r:.60}")
        path = self.path(uri)
        metadata = _metadata(path)
        sizes, kind = _checked_sizes(shape, np.dtype(dtype)), np.dtype(dtype)
        chunks = _check_metadata(path, metadata, dtype, sizes)
        whole = math.prod(chunks) * kind.itemsize
        for chunk in _chunk_paths(path, sizes, chunks):
            _check_chunk(chunk, whole)
        import zarr

        values: NDArray[Any] = np.asarray(zarr.open_array(str(path), mode="r", zarr_format=3)[...])
        if values.dtype != kind or values.shape != sizes:
            raise StoreError(f"the array {path} is not what the database says: {values.dtype}, {values.shape}")
        return values.astype(kind.newbyteorder("="), copy=False)

    def path(self, uri: str) -> Path:
        """Where an array lies. Raises StoreError for what leads out of the folder."""
        parts = uri.split("/")
        fine = len(parts) == 2 and re.fullmatch(r"run_[0-9]+", parts[0]) and _PART.fullmatch(parts[1])
        path = self.root / uri
        if not fine or not parts[1].endswith(".zarr") or not path.resolve().is_relative_to(self.root.resolve()):
            raise StoreError(f"an array's path must lie below {self.root}, as run_1/name.zarr, but is {uri!r:.100}")
        return path

    def delete(self, uri: str) -> None:
        """Removes one array, if it is there."""
        shutil.rmtree(self.path(uri), ignore_errors=True)

    def delete_run(self, run_id: int) -> None:
        """Removes every array of a run."""
        shutil.rmtree(self.root / f"run_{int(run_id)}", ignore_errors=True)
        if self.root.is_dir() and not any(self.root.iterdir()):
            self.root.rmdir()

    def found(self) -> Iterator[str]:
        """The paths of all arrays, whole and partial, that lie here."""
        for run in sorted(self.root.glob("run_*")):
            for array in sorted(run.iterdir()):
                yield f"{run.name}/{array.name}"


def _chunks(shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    """Whole slices along the first axes: what is read is usually all of it, or a stretch of time."""
    chunks = [max(size, 1) for size in shape]
    for axis, size in enumerate(chunks):
        rest = math.prod(chunks[axis + 1 :]) * itemsize
        chunks[axis] = max(1, min(size, _CHUNK // rest))
        if rest <= _CHUNK:
            break
    return tuple(chunks)


def _metadata(path: Path) -> dict[str, Any]:
    file = path / "zarr.json"
    try:
        if file.stat().st_size > 10**6:
            raise StoreError(f"the array {path} is damaged: its zarr.json is too long")
        found = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise StoreError(
            f"the array {path} is missing: was the folder moved without its database, or deleted?"
        ) from None
    except (OSError, ValueError) as error:
        raise StoreError(f"the array {path} cannot be read: {error}") from error
    if not isinstance(found, dict):
        raise StoreError(f"the array {path} is damaged: its zarr.json holds no object")
    return found


def _checked_sizes(shape: Sequence[int], kind: np.dtype[Any]) -> tuple[int, ...]:
    fine = isinstance(shape, list | tuple) and len(shape) <= 32
    if not fine or any(isinstance(size, bool) or not isinstance(size, int) or size < 0 for size in shape):
        raise StoreError(f"a recording's shape must be a list of sizes, but is {shape!r:.60}")
    if math.prod(shape) * kind.itemsize > MAX_BYTES:
        raise StoreError(f"a recording must not exceed {MAX_BYTES} bytes, but claims the shape {list(shape)}")
    return tuple(shape)


def _check_metadata(path: Path, found: dict[str, Any], dtype: str, sizes: tuple[int, ...]) -> list[int]:
    """The sizes of its chunks. Codecs above all: Zarr knows some that run what they read."""
    try:
        codecs = [codec["name"] for codec in found["codecs"]]
        chunks = found["chunk_grid"]["configuration"]["chunk_shape"]
        as_written = {
            "zarr_format": (found["zarr_format"], 3),
            "node_type": (found["node_type"], "array"),
            "shape": (found["shape"], list(sizes)),
            "data_type": (found["data_type"], _NAMES[dtype]),
            "codecs": (codecs, ["bytes", "zstd"]),
            "chunk_grid": (found["chunk_grid"]["name"], "regular"),
            "chunk_key_encoding": (found["chunk_key_encoding"]["name"], "default"),
            "storage_transformers": (found.get("storage_transformers") or [], []),
            "chunks": (chunks, list(_chunks(sizes, np.dtype(dtype).itemsize))),
        }
    except (KeyError, TypeError) as error:
        raise StoreError(f"the array {path} is damaged: its zarr.json lacks {error}") from error
    for what, (given, wanted) in as_written.items():
        if given != wanted:
            raise StoreError(f"the array {path} is not what the database says: {what} is {given!r:.80}, not {wanted!r}")
    return list(chunks)


def _chunk_paths(path: Path, sizes: tuple[int, ...], chunks: list[int]) -> Iterator[Path]:
    counts = [-(-size // chunk) for size, chunk in zip(sizes, chunks, strict=True)]
    for place in np.ndindex(*counts):
        yield path.joinpath("c", *map(str, place))


def _check_chunk(chunk: Path, size: int) -> None:
    try:
        with chunk.open("rb") as file:
            header = file.read(18)  # the longest that zstd has
    except OSError as error:
        raise StoreError(f"the array's part {chunk} cannot be read: {error.strerror}") from error
    try:
        claimed = zstandard.frame_content_size(header)
    except zstandard.ZstdError as error:
        raise StoreError(f"the array's part {chunk} is damaged: {error}") from error
    if claimed != size:
        raise StoreError(f"the array's part {chunk} must hold {size} bytes, but claims {claimed}")


def _sync(folder: Path) -> None:
    for at, _, files in os.walk(folder):
        for name in files:
            with open(os.path.join(at, name), "rb") as file:
                os.fsync(file.fileno())
        _sync_folder(Path(at))


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
