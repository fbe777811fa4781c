"""What all pictures share: matplotlib when it is needed, colours, figures without a window, files."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from l2l.errors import L2LError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure, SubFigure

# Okabe and Ito (2008): told apart with any kind of colour vision. Yellow is left out: too pale for lines on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
QUIET = "#777777"
SEQUENTIAL = "viridis"
DIVERGING = "RdBu_r"
DPI = 150  # dots an inch of a written file
FORMATS = (".png", ".pdf", ".svg")


def require() -> None:
    """Raises L2LError, with the remedy, if matplotlib is not installed."""
    try:
        importlib.import_module("matplotlib")
    except ImportError as error:
        raise L2LError("plots need matplotlib, which is not installed: pip install 'l2l[plots]'") from error


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of that size in inches. It belongs to no window system and to no global list."""
    require()
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=DPI, layout="constrained", facecolor="white")


def one_axes(ax: Axes | None, width: float = 5.0, height: float = 3.4) -> tuple[Figure, Axes]:
    """The user's axes with their figure, or new ones."""
    if ax is None:
        figure = new_figure(width, height)
        return figure, tidy(figure.subplots())
    owner = ax.get_figure(root=True)
    if owner is None:
        raise L2LError("axes must belong to a figure, but these do not: make them with figure.subplots()")
    return owner, ax


def tidy(ax: Axes) -> Axes:
    """Small labels, and no frame above or to the right."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(labelsize=8)
    return ax


def checked_file(path: str | Path) -> Path:
    """`path`, if a picture can be written there; raises L2LError otherwise."""
    path = Path(path)
    if path.suffix.lower() not in FORMATS:
        raise L2LError(f"a picture must end in one of {', '.join(FORMATS)}, but got {path.name!r}")
    if not path.resolve().parent.is_dir():
        raise L2LError(f"the folder of a picture must exist, but {path.resolve().parent} does not: make it first")
    return path


def name_axes(ax: Axes, x: str = "", y: str = "", title: str = "") -> None:
    """Labels and title in the sizes of all pictures; what is empty stays as it is."""
    for text, write, size in ((x, ax.set_xlabel, 9), (y, ax.set_ylabel, 9), (title, ax.set_title, 9.5)):
        if text:
            write(text, fontsize=size)


def colour_bar(figure: Figure | SubFigure, image: ScalarMappable, axes: Sequence[Axes], label: str, **how: Any) -> Axes:
    """The scale of the colours beside `axes`; returns the scale's own axes."""
    bar = figure.colorbar(image, ax=list(axes), **how)
    bar.set_label(label, fontsize=9)
    bar.ax.tick_params(labelsize=8)
    return bar.ax


def save(figure: Figure, path: str | Path, *, dpi: float = DPI) -> Path:
    """Write a figure as .png, .pdf or .svg; returns the file. dpi: dots an inch, > 0."""
    path = checked_file(path)
    if not dpi > 0:
        raise L2LError(f"dpi > 0 must hold, but got {dpi!r}")
    try:
        figure.savefig(path, dpi=dpi)
    except OSError as error:
        raise L2LError(f"{path} cannot be written: {error}") from error
    return path
