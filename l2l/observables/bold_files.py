"""Readers of measured BOLD: TSV as fMRIPrep and XCP-D write it, CSV, .npy, .npz, MATLAB's .mat. None unpickles."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from l2l.errors import ObservableError, nearest

Orientation = Literal["auto", "nodes first", "volumes first"]
ORIENTATIONS = ("auto", "nodes first", "volumes first")
ENDINGS = (".tsv", ".csv", ".txt", ".npy", ".npz", ".mat")
# How missing values are written: BIDS says n/a; pandas and MATLAB write the others.
_MISSING = {"n/a", "na", "nan", ""}
MAX_BYTES = 2**32  # nobody's parcellated BOLD is larger


def read_bold(
    path: str | Path, key: str | None = None, orientation: Orientation = "auto"
) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """(node, volume) signals, NaN where the file says n/a, and the names of the regions if it has them, else ().

    key: the array of an .npz or .mat file; may be left out where there is one matrix only.
    orientation: "auto": text with a header row holds a volume in each row, as fMRIPrep and XCP-D write it; everything
        else a region in each row.
    Raises ObservableError with the path.
    """
    if orientation not in ORIENTATIONS:
        raise ObservableError(f"unknown orientation {orientation!r}: {nearest(str(orientation), ORIENTATIONS)}")
    file = Path(path)
    if not file.is_file():
        raise ObservableError(
            f"{file} must be a file of BOLD signals, but is {'a folder' if file.is_dir() else 'absent'}"
        )
    if file.stat().st_size > MAX_BYTES:
        raise ObservableError(f"{file} must be smaller than {MAX_BYTES >> 30} GiB, but has {file.stat().st_size} bytes")
    ending = file.suffix.lower()
    labels: tuple[str, ...] = ()
    if ending in (".tsv", ".csv", ".txt"):
        matrix, labels = _text(file)
    elif ending == ".npy":
        matrix = _numbers(_plain(file, lambda: np.load(file, allow_pickle=False)), str(file))
    elif ending == ".npz":
        matrix = _npz(file, key)
    elif ending == ".mat":
        matrix = _mat(file, key)
    else:
        raise ObservableError(f"{file}: BOLD is read from files ending in {', '.join(ENDINGS)}, but not {ending!r}")
    volumes_first = orientation == "volumes first" or (orientation == "auto" and bool(labels))
    return (matrix.T if volumes_first else matrix), labels


def _text(file: Path) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """The matrix as written, and the header row if there is one."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ObservableError(f"{file} must be UTF-8 text, but is not: {error}") from None
    first = text.partition("\n")[0]
    delimiter = next((each for each in "\t;," if each in first), None)
    lines = (
        [line.split() for line in text.splitlines()]
        if delimiter is None
        else list(csv.reader(io.StringIO(text), delimiter=delimiter))
    )
    rows = [[cell.strip() for cell in line] for line in lines if any(cell.strip() for cell in line)]
    if not rows:
        raise ObservableError(f"{file} must hold BOLD signals, but is empty")
    header: tuple[str, ...] = ()
    if not all(_is_number(cell) for cell in rows[0]) or _numbers_regions(rows):
        header, rows = tuple(rows[0]), rows[1:]
    # A line is a row of the matrix; quoted cells do not span lines in such files.
    width = len(header) or len(rows[0])
    matrix = np.empty((len(rows), width))
    for number, row in enumerate(rows):
        if len(row) != width:
            raise ObservableError(
                f"{file}: each row must have {width} values, but row {number + 1} after the header has {len(row)}"
            )
        for column, cell in enumerate(row):
            if not _is_number(cell):
                raise ObservableError(
                    f"{file}: row {number + 1}, column {column + 1} must be a number, but is {cell!r}"
                )
            matrix[number, column] = np.nan if cell.lower() in _MISSING else float(cell)
    if header and header[0] == "":  # pandas wrote its index before the regions
        matrix, header = matrix[:, 1:], header[1:]
    return matrix, header


def _numbers_regions(rows: list[list[str]]) -> bool:
    """Whether the first row counts regions up (0, 1, 2, ... or 1, 2, ...) while the others hold fractions."""
    if len(rows) < 2 or not all(cell.isdigit() for cell in rows[0]):
        return False
    counted = [int(cell) for cell in rows[0]]
    return counted == list(range(counted[0], counted[0] + len(counted))) and any("." in cell for cell in rows[1])


def _is_number(cell: str) -> bool:
    if cell.lower() in _MISSING:
        return True
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _npz(file: Path, key: str | None) -> NDArray[np.float64]:
    archive = _plain(file, lambda: np.load(file, allow_pickle=False))
    with archive:
        chosen = _chosen(file, key, list(archive.files), archive.files)
        return _numbers(_plain(file, lambda: archive[chosen]), f"{file}: {chosen}")


def _mat(file: Path, key: str | None) -> NDArray[np.float64]:
    import scipy.io

    try:
        listed = {name: (len(shape), min(shape), kind) for name, shape, kind in scipy.io.whosmat(str(file))}
    except NotImplementedError:
        raise ObservableError(
            f"{file} must be a MATLAB file of version 7.2 or older, but is of 7.3 (HDF5); "
            "save it again in MATLAB with save(..., '-v7'), or write the matrix to .npy"
        ) from None
    except Exception as error:  # scipy raises whatever its parsers do on bytes of another format
        raise ObservableError(f"{file} must be a MATLAB .mat file, but cannot be read as one: {error}") from None
    matrices = [
        name for name, (axes, shortest, kind) in listed.items() if axes == 2 and shortest > 1 and kind in _KINDS
    ]
    chosen = _chosen(file, key, list(listed), matrices)
    loaded = _plain(file, lambda: scipy.io.loadmat(str(file), variable_names=[chosen], spmatrix=False))
    return _numbers(loaded[chosen], f"{file}: {chosen}")


_KINDS = {"double", "single", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"}


def _chosen(file: Path, key: str | None, known: Sequence[str], matrices: Sequence[str]) -> str:
    if key is not None:
        if key not in known:
            raise ObservableError(f"{file} must hold {key!r}, but does not: {nearest(key, known)}")
        return key
    if len(matrices) != 1:
        raise ObservableError(
            f"{file} holds {', '.join(known) or 'nothing'}: say which is the BOLD with key=, since "
            f"{len(matrices)} of them are matrices"
        )
    return matrices[0]


def _plain(file: Path, read: Any) -> Any:
    try:
        return read()
    except Exception as error:  # parsers raise whatever they do on damaged or foreign bytes
        raise ObservableError(
            f"{file} must hold plain arrays of numbers, but cannot be read ({error}); save it again without objects"
        ) from None


def _numbers(array: Any, what: str) -> NDArray[np.float64]:
    matrix = np.asarray(array)
    if matrix.dtype.kind not in "iuf" or matrix.ndim != 2:
        raise ObservableError(
            f"{what} must be a matrix of real numbers, but has shape {matrix.shape} of {matrix.dtype}: "
            "give one run at a time"
        )
    return matrix.astype(np.float64)
