"""What a data set holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from l2l.errors import DatasetError, nearest
from l2l.simulator.connectome import Connectome

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """A connectome and what was measured of the same brain, or of the same group.

    name: as `load` knows it; of a subject, "data set/subject".
    connectome: the subject's, or the group's average.
    fc: (node, node), functional connectivity, Pearson correlations, diagonal 1; None if not measured.
    bold: (node, time), BOLD as published, units of the scanner; None for groups or if not measured.
    tr: repetition time of `bold`, s; None if not known.
    subjects: the data sets of the single subjects, by identifier; empty if only the average is there.
    licence, source, citation: terms of use, where the data come from, what to cite.

    Arrays are read-only; node order is that of `connectome.labels` everywhere.
    """

    name: str
    connectome: Connectome
    fc: FloatArray | None = None
    bold: FloatArray | None = None
    tr: float | None = None
    subjects: Mapping[str, Dataset] = field(default_factory=dict)
    licence: str = ""
    source: str = ""
    citation: str = ""

    def __post_init__(self) -> None:
        n = self.connectome.n_nodes
        for what, array, ndim in (("fc", self.fc, 2), ("bold", self.bold, 2)):
            if array is None:
                continue
            copy = np.array(array, dtype=np.float64)
            if copy.ndim != ndim or len(copy) != n or (what == "fc" and copy.shape[1] != n):
                raise DatasetError(f"{self.name}: {what} must have one row a node, {n}, but has shape {copy.shape}")
            if not np.isfinite(copy).all():
                raise DatasetError(f"{self.name}: {what} must be finite, but {int((~np.isfinite(copy)).sum())} are not")
            copy.flags.writeable = False
            object.__setattr__(self, what, copy)
        object.__setattr__(self, "subjects", MappingProxyType(dict(self.subjects)))

    def subject(self, identifier: str) -> Dataset:
        """The data of one subject. Raises DatasetError, with the nearest identifier, if there is none."""
        if identifier not in self.subjects:
            raise DatasetError(f"{self.name} has no subject {identifier!r}: {nearest(identifier, self.subjects)}")
        return self.subjects[identifier]

    def __repr__(self) -> str:
        parts = [repr(self.connectome)]
        parts += ["fc"] if self.fc is not None else []
        parts += [f"bold {self.bold.shape}, TR {self.tr} s"] if self.bold is not None else []
        parts += [f"{len(self.subjects)} subjects"] if self.subjects else []
        return f"<Dataset {self.name}: {', '.join(parts)}>"

    def __reduce__(self) -> tuple[Any, ...]:
        # A mapping proxy does not pickle, and unpickled arrays are writable.
        return Dataset, (
            self.name,
            self.connectome,
            self.fc,
            self.bold,
            self.tr,
            dict(self.subjects),
            self.licence,
            self.source,
            self.citation,
        )
