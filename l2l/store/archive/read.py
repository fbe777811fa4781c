"""Reads an archive that anybody may have made: nothing is run, and every size is checked before it is believed."""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from l2l.errors import StoreError
from l2l.store.archive.layout import FORMAT, MANIFEST, MEMBER, RUN, TABLES, VERSION, checked, checked_run
from l2l.store.arrays import MAX_BYTES
from l2l.store.recordings import DTYPES, digest

#: The most that an archive may hold, bytes, unless the caller allows more.
MOST_BYTES = 2**36

_LONGEST = 2**26  # bytes of a line, or of a JSON member
_LARGEST_DIRECTORY = 2**28  # bytes
_DEFLATE = 1032  # bytes that one byte can become at most
_LONGEST_HEADER = 10_000  # bytes of an .npy
_NPY = re.compile(
    rb"\{'descr': '([<|][a-z][0-9]{1,2})', 'fortran_order': (True|False), "
    rb"'shape': \(((?:[0-9]{1,15}(?:, ?[0-9]{1,15})*,?)?)\), ?\} *\n"
)
_AT_ONCE = 2**24


class Archive:
    """An archive, opened for reading; a context manager.

    most_bytes: what it may hold in all, uncompressed.
    Raises StoreError if it is no archive of a run, is damaged, or claims what cannot be.
    """

    def __init__(self, path: str | os.PathLike[str], *, most_bytes: int = MOST_BYTES) -> None:
        self.path = Path(path)
        with self._translated():
            size = self.path.stat().st_size
            with self.path.open("rb") as file:
                _check_directory(file, size)
            self._zip = zipfile.ZipFile(self.path)
        try:
            self._members = _checked_members(self._zip.infolist(), size, most_bytes)
            self._manifest = self._checked_manifest()
            self.run = checked_run(self._json(RUN))
            self.rows: dict[str, int] = {table: self._manifest["rows"][table] for table in TABLES}
        except BaseException:
            self._zip.close()
            raise

    def lines(self, table: str) -> Iterator[dict[str, Any]]:
        """The rows of a table, each checked; at the end, their number and hash too."""
        name, hashed, number = f"{table}.jsonl", hashlib.sha256(), 0
        with self._open(name) as member:
            while line := member.readline(_LONGEST + 1):
                if len(line) > _LONGEST:
                    self._refuse(f"line {number + 1} of {name} is longer than {_LONGEST} bytes")
                hashed.update(line)
                yield checked(table, _parse(line, f"line {number + 1} of {name}"), f"line {number + 1} of {name}")
                number += 1
        if number != self.rows[table]:
            self._refuse(f"{name} must have {self.rows[table]} lines, but has {number}")
        self._check_hash(name, hashed.hexdigest())

    def array(self, number: int, row: dict[str, Any]) -> NDArray[Any]:
        """The array of line `number` of the recordings. Raises StoreError if it is not what the line says."""
        name = f"arrays/{number}.npy"
        if row["dtype"] not in DTYPES:
            self._refuse(f"{name}: the type must be one of {', '.join(DTYPES)}, but is {row['dtype']!r:.60}")
        shape = row["shape"]
        if len(shape) > 32 or any(isinstance(n, bool) or not isinstance(n, int) or not 0 <= n < 2**40 for n in shape):
            self._refuse(f"{name}: the shape must be a list of sizes, but is {shape!r:.80}")
        size = math.prod(shape) * np.dtype(row["dtype"]).itemsize
        if size > MAX_BYTES:
            self._refuse(f"{name}: an array must not exceed {MAX_BYTES} bytes, but claims the shape {shape}")
        with self._open(name) as member:
            found = _header(member)
            if found != (row["dtype"], False, tuple(shape)):
                self._refuse(f"{name} is not what recordings.jsonl says: {found!r:.200}")
            if self._members[name].file_size != member.tell() + size:
                self._refuse(f"{name} must hold {size} bytes of an array {shape}, but does not")
            values = np.empty(shape, row["dtype"])
            flat = values.reshape(-1).view(np.uint8)
            for start in range(0, size, _AT_ONCE):
                part = flat[start : start + _AT_ONCE]
                part[:] = np.frombuffer(member.read(len(part)), np.uint8)
        if digest(values) != row["sha256"]:
            self._refuse(f"{name} is damaged: its SHA-256 is not the one recorded")
        return values.astype(values.dtype.newbyteorder("="), copy=False)

    def sha256(self) -> str:
        """Of the file as a whole."""
        with self._translated(), self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def total_bytes(self) -> int:
        """What it holds, uncompressed."""
        return sum(info.file_size for info in self._members.values())

    def _checked_manifest(self) -> dict[str, Any]:
        manifest = self._json(MANIFEST, verify=False)
        if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
            self._refuse(f"its {MANIFEST} does not say {FORMAT!r}")
        if manifest.get("version") != VERSION:
            self._refuse(f"it is of version {manifest.get('version')!r:.20}, and this l2l reads {VERSION}: update l2l")
        rows, hashes = manifest.get("rows"), manifest.get("sha256")
        fine = isinstance(rows, dict) and all(
            isinstance(rows.get(table), int) and not isinstance(rows[table], bool) and rows[table] >= 0
            for table in TABLES
        )
        if not fine or not isinstance(hashes, dict):
            self._refuse(f"its {MANIFEST} does not tell rows and hashes")
        arrays = sum(name.startswith("arrays/") for name in self._members)
        if arrays != manifest["rows"]["recordings"]:
            self._refuse(f"it must hold an array for each of {manifest['rows']['recordings']} recordings, not {arrays}")
        return manifest

    def _json(self, name: str, *, verify: bool = True) -> Any:
        with self._open(name) as member:
            content = member.read(_LONGEST + 1)
        if len(content) > _LONGEST:
            self._refuse(f"{name} is longer than {_LONGEST} bytes")
        if verify:
            self._check_hash(name, hashlib.sha256(content).hexdigest())
        return _parse(content, name)

    def _check_hash(self, name: str, found: str) -> None:
        if self._manifest["sha256"].get(name) != found:
            self._refuse(f"{name} is damaged: its SHA-256 is not the one in {MANIFEST}")

    @contextmanager
    def _open(self, name: str) -> Iterator[IO[bytes]]:
        if name not in self._members:
            self._refuse(f"it lacks {name}")
        with self._translated(), self._zip.open(self._members[name]) as member:
            yield member

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise StoreError(f"there is no archive {self.path}") from None
        except (OSError, EOFError, ValueError, NotImplementedError, struct.error, zlib.error) as error:
            self._refuse(f"it cannot be read: {error}", error)
        except zipfile.BadZipFile as error:
            self._refuse(f"it is no whole zip file: {error}", error)

    def _refuse(self, why: str, cause: BaseException | None = None) -> NoReturn:
        raise StoreError(f"{self.path} is refused: {why}") from cause

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()


def _header(member: IO[bytes]) -> tuple[str, bool, tuple[int, ...]] | None:
    """Type, order and shape of an .npy of version 1.0; None for anything else. NumPy's own reader parses Python."""
    start = member.read(10)
    if len(start) < 10 or start[:8] != b"\x93NUMPY\x01\x00":
        return None
    matched = _NPY.fullmatch(member.read(min(struct.unpack_from("<H", start, 8)[0], _LONGEST_HEADER)))
    if matched is None:
        return None
    dtype, order, sizes = (group.decode() for group in matched.groups())
    return dtype, order == "True", tuple(int(size) for size in sizes.split(",") if size.strip())


def _check_directory(file: IO[bytes], size: int) -> None:
    """The list of members, which is read as a whole, must be as long as a run's can be."""
    tail = min(size, 65_557 + 20)
    file.seek(size - tail)
    end = file.read(tail)
    at = end.rfind(b"PK\x05\x06")
    if at < 0 or len(end) < at + 22:
        raise zipfile.BadZipFile("it does not end as a zip file")
    (length,) = struct.unpack_from("<L", end, at + 12)
    if length == 0xFFFFFFFF and end[at - 20 : at - 16] == b"PK\x06\x07":
        (place,) = struct.unpack_from("<Q", end, at - 12)
        file.seek(min(place, size))
        record = file.read(56)
        if len(record) < 56 or record[:4] != b"PK\x06\x06":
            raise zipfile.BadZipFile("its end record is damaged")
        (length,) = struct.unpack_from("<Q", record, 40)
    if length > min(size, _LARGEST_DIRECTORY):
        raise zipfile.BadZipFile(f"its list of members claims {length} bytes")


def _checked_members(found: list[zipfile.ZipInfo], size: int, most_bytes: int) -> dict[str, zipfile.ZipInfo]:
    members: dict[str, zipfile.ZipInfo] = {}
    for info in found:
        # The name as it stands in the file: ZipInfo cuts names at NUL.
        name = info.orig_filename
        if not MEMBER.fullmatch(name) or info.filename != name:
            raise StoreError(f"an archive of a run holds no member {name!r:.100}: this one is refused")
        if name in members:
            raise StoreError(f"an archive holds each member once, but this one has {name} twice: it is refused")
        if info.flag_bits & 0x1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise StoreError(f"members are stored or deflated, and not encrypted, but {name} is not so: refused")
        if info.file_size > _DEFLATE * info.compress_size + 64:
            raise StoreError(
                f"{name} claims {info.file_size} bytes out of {info.compress_size}: no archive can, refused"
            )
        members[name] = info
    # Overlapping members, the other way to make much out of little.
    if sum(info.compress_size for info in found) > size:
        raise StoreError("the members of an archive lie one after the other, but these overlap: it is refused")
    total = sum(info.file_size for info in found)
    if total > most_bytes:
        raise StoreError(
            f"the archive holds {total:,} bytes, more than the {most_bytes:,} allowed: if you trust it, allow more"
        )
    return members


def _parse(content: bytes, where: str) -> Any:
    def refuse(constant: str) -> NoReturn:
        raise ValueError(f"{constant} is no JSON")

    try:
        return json.loads(content, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise StoreError(f"{where} is no JSON: {error!s:.200}") from error
