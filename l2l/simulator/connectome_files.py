"""Readers of connectome files: text, .npz, TVB's .zip, MATLAB's .mat. None unpickles, none trusts a size.

Each returns `Parts`; `Connectome.from_csv` and its sisters validate them.
"""

from __future__ import annotations

import bz2
import csv
import io
import math
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt

from l2l.errors import ConnectomeError, nearest

# No file, and no member of an archive, larger than this is read: 16,000 nodes in float64.
MAX_BYTES = 2**31

LENGTHS_KEYS = ("tract_lengths", "lengths")
LABELS_KEYS = ("labels", "region_labels")
CENTRES_KEYS = ("centres",)


@dataclass(frozen=True)
class Parts:
    """What a file holds of a connectome, as read: not yet validated."""

    weights: npt.NDArray[Any]
    tract_lengths: npt.NDArray[Any] | None = None
    labels: tuple[str, ...] = ()
    centres: npt.NDArray[Any] | None = None


def read_csv(
    weights: str | Path, lengths: str | Path | None, labels: str | Path | Sequence[str] | None, delimiter: str | None
) -> Parts:
    """Text matrices, one row a line; a header row and a first column of names are recognised and become labels."""
    matrix, names = _parse_matrix(_text(Path(weights)), str(weights), delimiter)
    tracts = None if lengths is None else _parse_matrix(_text(Path(lengths)), str(lengths), delimiter)[0]
    if isinstance(labels, str | Path):
        names = tuple(line.strip() for line in _text(Path(labels)).splitlines() if line.strip())
    elif labels is not None:
        names = tuple(labels)
    return Parts(matrix, tracts, names)


def read_npz(path: str | Path, weights: str, lengths: str | None, labels: str | None, centres: str | None) -> Parts:
    """Arrays of an .npz archive, by key; keys left out are looked for under their usual names."""
    path = _existing(Path(path))
    with _archive(path, "an .npz archive (numpy.savez)") as archive:
        for info in archive.infolist():
            _check_size(info.file_size, f"{path}: {info.filename}")
        keys = [info.filename.removesuffix(".npy") for info in archive.infolist()]

    def wanted(key: str | None, usual: tuple[str, ...]) -> str | None:
        if key is not None and key not in keys:
            raise ConnectomeError(f"{path} must hold the array {key!r}, but does not: {nearest(key, keys)}")
        return key if key is not None else next((name for name in usual if name in keys), None)

    found = (
        wanted(weights, ()), wanted(lengths, LENGTHS_KEYS), wanted(labels, LABELS_KEYS), wanted(centres, CENTRES_KEYS)
    )  # fmt: skip
    arrays: list[npt.NDArray[Any] | None] = []
    with np.load(path, allow_pickle=False) as archive:
        for key in found:
            try:
                arrays.append(None if key is None else np.asarray(archive[key]))
            except Exception as error:  # numpy raises whatever its parsers do on damaged input
                raise ConnectomeError(
                    f"{path}: the array {key!r} must be plain numbers or strings, but cannot be read ({error}); "
                    "save it again without object arrays"
                ) from None
    matrix, tracts, names, centre_array = arrays
    assert matrix is not None
    return Parts(matrix, tracts, () if names is None else _names(names, f"{path}: {found[2]}"), centre_array)


def read_tvb_zip(path: str | Path) -> Parts:
    """TVB's connectivity zip: weights.txt, and tract_lengths.txt, centres.txt (label x y z) if there.

    The files may lie in a folder, or be compressed once more (.txt.bz2).
    Source: tvb.datatypes.connectivity.Connectivity.from_file.
    """
    path = _existing(Path(path))
    with _archive(path, "a zip archive of TVB text files") as archive:
        return parse_tvb_zip(archive, str(path))


def parse_tvb_zip(archive: zipfile.ZipFile, what: str) -> Parts:
    """The same from an open archive, called `what` in messages."""
    weights = _member_text(archive, "weights", what)
    if weights is None:
        names = ", ".join(archive.namelist()[:8]) or "nothing"
        raise ConnectomeError(f"{what} must hold weights.txt (or weights.txt.bz2), but holds {names}")
    lengths = _member_text(archive, "tract_lengths", what)
    centres = _member_text(archive, "centres", what) or _member_text(archive, "centers", what)
    matrix = _parse_matrix(weights, f"{what}: weights", None)[0]
    tracts = None if lengths is None else _parse_matrix(lengths, f"{what}: tract_lengths", None)[0]
    if centres is None:
        return Parts(matrix, tracts)
    labels, positions = _parse_centres(centres, f"{what}: centres")
    return Parts(matrix, tracts, labels, positions)


def read_mat(path: str | Path, weights: str, lengths: str | None, labels: str | None) -> Parts:
    """Variables of a MATLAB file (version 4 to 7.2); cells, structs and objects are refused."""
    import scipy.io

    path = _existing(Path(path))
    try:
        listed = {name: (shape, kind) for name, shape, kind in scipy.io.whosmat(str(path))}
    except NotImplementedError:
        raise ConnectomeError(
            f"{path} must be a MATLAB file of version 7.2 or older, but is of 7.3 (HDF5); "
            "save it again in MATLAB with '-v7'"
        ) from None
    except Exception as error:  # scipy raises whatever its parsers do on bytes of another format
        raise ConnectomeError(f"{path} must be a MATLAB .mat file, but cannot be read as one: {error}") from None
    wanted = [key for key in (weights, lengths, labels) if key is not None]
    for key in wanted:
        if key not in listed:
            raise ConnectomeError(f"{path} must hold the variable {key!r}, but does not: {nearest(key, listed)}")
        shape, kind = listed[key]
        if kind in ("cell", "struct", "object", "function", "opaque", "unknown"):
            raise ConnectomeError(
                f"{path}: {key!r} must be a matrix of numbers (labels: of characters), but is a {kind}; "
                "save the matrix itself, and pass labels as a list"
            )
        _check_size(8 * math.prod(shape), f"{path}: {key}")
    try:
        arrays = scipy.io.loadmat(str(path), variable_names=wanted, spmatrix=False)
    except Exception as error:
        raise ConnectomeError(f"{path} must be a whole MATLAB .mat file, but: {error}") from None

    def dense(key: str) -> npt.NDArray[Any]:
        array = arrays[key]
        return np.asarray(array.toarray() if hasattr(array, "toarray") else array)

    names = () if labels is None else _names(np.char.strip(dense(labels).ravel()), f"{path}: {labels}")
    return Parts(dense(weights), None if lengths is None else dense(lengths), names)


def _existing(path: Path) -> Path:
    if not path.is_file():
        try:
            there = sorted(entry.name for entry in path.parent.iterdir() if entry.suffix == path.suffix)[:20]
        except OSError:
            there = []
        raise ConnectomeError(f"{path} must be an existing file, but is not: {nearest(path.name, there)}")
    _check_size(path.stat().st_size, str(path))
    return path


def _check_size(size: int, what: str) -> None:
    if size > MAX_BYTES:
        raise ConnectomeError(f"{what} must be at most {MAX_BYTES} bytes, but says it is {size}; is it a connectome?")


def _text(path: Path) -> str:
    return _decode(_existing(path).read_bytes(), str(path))


def _decode(data: bytes, what: str) -> str:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise ConnectomeError(f"{what} must be text (UTF-8), but is binary: it begins with {data[:8]!r}")
    return text


def _archive(path: Path, what: str) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, NotImplementedError):
        with path.open("rb") as file:
            head = file.read(8)
        raise ConnectomeError(f"{path} must be {what}, but is not: it begins with {head!r}") from None


def _member_text(archive: zipfile.ZipFile, stem: str, source: str) -> str | None:
    """The text of `stem`.txt or `stem`.txt.bz2, wherever in the archive it lies."""
    infos = [
        info for info in archive.infolist()
        if PurePosixPath(info.filename.lower()).name in (f"{stem}.txt", f"{stem}.txt.bz2", stem)
        and not info.filename.startswith("__MACOSX/")
    ]  # fmt: skip
    if len(infos) > 1:
        names = ", ".join(info.filename for info in infos)
        raise ConnectomeError(f"{source} must hold one {stem}.txt, but holds {names}; keep one connectome a file")
    if not infos:
        return None
    what = f"{source}: {infos[0].filename}"
    _check_size(infos[0].file_size, what)
    try:
        data = archive.read(infos[0])  # never reads beyond the size it declares
        if infos[0].filename.lower().endswith(".bz2"):
            # A bz2 stream declares no size: stop one byte beyond the limit.
            data = bz2.BZ2Decompressor().decompress(data, max_length=MAX_BYTES + 1)
            _check_size(len(data), what)
    except (zipfile.BadZipFile, OSError, EOFError, RuntimeError, NotImplementedError, ValueError) as error:
        if isinstance(error, ConnectomeError):
            raise
        raise ConnectomeError(f"{what} must be a whole, unencrypted member, but: {error}") from None
    return _decode(data, what)


def _parse_matrix(
    text: str, what: str, delimiter: str | None
) -> tuple[npt.NDArray[np.float64], tuple[str, ...]]:  # fmt: skip
    """A matrix, and the names in its header row if it has one. Lines that begin with # are comments."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if not lines:
        raise ConnectomeError(f"{what} must hold a matrix of numbers, but is empty")
    delimiter = delimiter or next((mark for mark in "\t;," if mark in lines[0].strip()), " ")
    if delimiter.isspace() and delimiter != "\t":
        rows = [line.split() for line in lines]
    else:
        rows = [
            [cell.strip() for cell in row] for row in csv.reader(io.StringIO("\n".join(lines)), delimiter=delimiter)
        ]
        if all(row and row[-1] == "" for row in rows):  # a delimiter at the end of every line
            rows = [row[:-1] for row in rows]
    header: tuple[str, ...] = ()
    # A row of numbers with one mistyped is no header: only names, or pandas' empty corner, make one.
    if (rows[0][0] == "" or not any(_looks_numeric(cell) for cell in rows[0])) and len(rows) > 1:
        header, rows = tuple(rows[0]), rows[1:]
        named_rows = header[:1] == ("",) or not _looks_numeric(rows[0][0])
        rows = [row[1:] for row in rows] if named_rows else rows
        header = header[1:] if named_rows and len(header) > len(rows[0]) else header
    width = len(rows[0])
    for i, row in enumerate(rows):
        if len(row) != width:
            raise ConnectomeError(
                f"{what}: every row must have as many entries as the first, {width}, but row {i} has {len(row)} "
                f"(delimiter {delimiter!r})"
            )
        for j, cell in enumerate(row):
            if not _is_number(cell):
                raise ConnectomeError(
                    f"{what}: every entry must be a number with a decimal point, but row {i}, column {j} is {cell!r} "
                    f"(delimiter {delimiter!r}); pass delimiter=... if that is wrong"
                )
    return np.array(rows, dtype=np.float64), header


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell  # float("1_0") is 10: Python's habit, no data file's


def _looks_numeric(cell: str) -> bool:
    """A number, or one with a decimal comma: to be refused as such, not taken for a name."""
    return _is_number(cell.replace(",", "."))


def _parse_centres(text: str, what: str) -> tuple[tuple[str, ...], npt.NDArray[np.float64]]:
    labels, positions = [], []
    for number, line in enumerate(text.splitlines()):
        cells = line.replace(",", " ").split()
        if not cells or cells[0].startswith("#"):
            continue
        # connectivity_66.zip has a fifth column, "None".
        if len(cells) < 4 or not all(_is_number(cell) for cell in cells[1:4]):
            raise ConnectomeError(f"{what}: each line must be 'label x y z', but line {number + 1} is {line[:60]!r}")
        labels.append(cells[0])
        positions.append([float(cell) for cell in cells[1:4]])
    return tuple(labels), np.array(positions, dtype=np.float64).reshape(-1, 3)


def _names(array: npt.NDArray[Any], what: str) -> tuple[str, ...]:
    if array.dtype.kind == "S":
        array = np.char.decode(array, "utf-8")
    if array.dtype.kind != "U" or array.ndim != 1:
        raise ConnectomeError(
            f"{what} must be one string a node, but is an array of {array.dtype}, shape {array.shape}"
        )
    return tuple(str(name) for name in array)
