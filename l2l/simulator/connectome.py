"""The connectome: who is wired to whom, how strongly, and how far apart."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from l2l.errors import ConnectomeError, nearest
from l2l.simulator import connectome_files as files
from l2l.simulator.connectome_laws import check_entries, is_acyclic, real_array, unique_labels

FloatArray = npt.NDArray[np.float64]
Normalisation = Literal["max", "mean", "rows", "strength", "spectral"]
NORMALISATIONS: tuple[str, ...] = ("max", "mean", "rows", "strength", "spectral")


@dataclass(frozen=True, eq=False, repr=False)
class Connectome:
    """A weighted, directed graph of brain regions.

    weights: (node, node), row receives from column, >= 0, finite; units of its source (say streamlines).
    tract_lengths: (node, node), mm, >= 0, finite; None: no delays can be computed.
    labels: one unique name a node; default "0", "1", ...
    name: what messages and provenance call it.
    centres: (node, 3), mm, or None.
    allow_self_connections: admit a non-zero diagonal of `weights`.
    history: the operations that led here from the original, oldest first.

    The arrays are read-only copies; every operation returns a new connectome and adds itself to `history`.
    Two connectomes are equal when their arrays and labels are, whatever their names and histories.
    Raises ConnectomeError where a law is broken.
    """

    weights: FloatArray
    tract_lengths: FloatArray | None = None
    labels: tuple[str, ...] = ()
    name: str = "connectome"
    centres: FloatArray | None = None
    allow_self_connections: bool = False
    history: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        weights = real_array(self.weights, "weights")
        if weights.ndim != 2 or weights.shape[0] != weights.shape[1] or weights.shape[0] == 0:
            raise ConnectomeError(
                f"weights must be a square (node, node) matrix, but has shape {weights.shape}; "
                "rows receive, columns send, one of each a region"
            )
        labels = unique_labels(self.labels, len(weights))
        check_entries(weights, "weights", labels)
        diagonal = np.flatnonzero(np.diagonal(weights))
        if len(diagonal) and not self.allow_self_connections:
            node = diagonal[0]
            raise ConnectomeError(
                f"the diagonal of weights must be zero, but {len(diagonal)} of {len(weights)} nodes connect to "
                f"themselves, first {labels[node]!r} (weights[{node}, {node}] = {weights[node, node]:g}); "
                "pass allow_self_connections=True to keep them, or set them to zero"
            )
        lengths = self.tract_lengths
        if lengths is not None:
            lengths = real_array(lengths, "tract_lengths")
            if lengths.shape != weights.shape:
                raise ConnectomeError(
                    f"tract_lengths must have the shape of weights, {weights.shape}, but has shape {lengths.shape}; "
                    "give both for the same regions in the same order"
                )
            check_entries(lengths, "tract_lengths", labels)
        centres = self.centres
        if centres is not None:
            centres = real_array(centres, "centres")
            if centres.shape != (len(weights), 3) or not np.isfinite(centres).all():
                raise ConnectomeError(
                    f"centres must be finite, of shape {(len(weights), 3)}: x, y, z of each node in mm, "
                    f"but has shape {centres.shape} and {int((~np.isfinite(centres)).sum())} entries not finite"
                )
        set_ = object.__setattr__
        set_(self, "weights", weights)
        set_(self, "tract_lengths", lengths)
        set_(self, "labels", labels)
        set_(self, "centres", centres)
        set_(self, "name", str(self.name))
        set_(self, "history", tuple(self.history))

    # Where it comes from: each is named after its file and takes allow_self_connections

    @classmethod
    def from_csv(
        cls,
        weights: str | Path,
        lengths: str | Path | None = None,
        labels: str | Path | Sequence[str] | None = None,
        *,
        delimiter: str | None = None,
        allow_self_connections: bool = False,
    ) -> Connectome:
        """From text files: a matrix of weights, one of tract lengths (mm), labels one a line (or a sequence).

        delimiter: None finds it: tab, semicolon, comma or blanks. A header row of names gives the labels.
        """
        return cls._from_parts(files.read_csv(weights, lengths, labels, delimiter), weights, allow_self_connections)

    @classmethod
    def from_npz(
        cls,
        path: str | Path,
        weights: str = "weights",
        lengths: str | None = None,
        labels: str | None = None,
        centres: str | None = None,
        *,
        allow_self_connections: bool = False,
    ) -> Connectome:
        """From arrays of an .npz archive, by key; never unpickles.

        Keys that are None are taken if there under their usual names: tract_lengths or lengths, labels or
        region_labels, centres.
        """
        parts = files.read_npz(path, weights, lengths, labels, centres)
        return cls._from_parts(parts, path, allow_self_connections)

    @classmethod
    def from_tvb_zip(cls, path: str | Path, *, allow_self_connections: bool = False) -> Connectome:
        """From TVB's zip of weights.txt, tract_lengths.txt, centres.txt; most of TVB's own have self-connections."""
        return cls._from_parts(files.read_tvb_zip(path), path, allow_self_connections)

    @classmethod
    def from_mat(
        cls,
        path: str | Path,
        weights: str = "weights",
        lengths: str | None = None,
        labels: str | None = None,
        *,
        allow_self_connections: bool = False,
    ) -> Connectome:
        """From variables of a MATLAB file of version 7.2 or older; `labels` must be a character array."""
        return cls._from_parts(files.read_mat(path, weights, lengths, labels), path, allow_self_connections)

    @classmethod
    def _from_parts(cls, parts: files.Parts, path: str | Path, allow_self_connections: bool) -> Connectome:
        try:
            return cls(
                parts.weights,
                parts.tract_lengths,
                parts.labels,
                Path(path).stem,
                parts.centres,
                allow_self_connections=allow_self_connections,
            )
        except ConnectomeError as error:
            raise ConnectomeError(f"{path}: {error}") from None

    # What it is

    @property
    def n_nodes(self) -> int:
        return len(self.weights)

    @property
    def density(self) -> float:
        """Share of the off-diagonal entries of `weights` that are positive; 0 for one node."""
        n = self.n_nodes
        connected = np.count_nonzero(self.weights) - np.count_nonzero(np.diagonal(self.weights))
        return float(connected / (n * (n - 1))) if n > 1 else 0.0

    @property
    def strengths(self) -> FloatArray:
        """(node,): what each node receives, the row sums of `weights`."""
        return np.asarray(self.weights.sum(axis=1), dtype=np.float64)

    @property
    def spectral_radius(self) -> float:
        """Largest absolute eigenvalue of `weights`."""
        if is_acyclic(self.weights):  # exactly 0, which eigenvalues of a nilpotent matrix miss by far
            return 0.0
        return float(np.abs(np.linalg.eigvals(self.weights)).max())

    @property
    def is_symmetric(self) -> bool:
        """Whether weights, and tract lengths if any, equal their transposes exactly."""
        lengths = self.tract_lengths
        return np.array_equal(self.weights, self.weights.T) and (lengths is None or np.array_equal(lengths, lengths.T))

    @property
    def provenance(self) -> dict[str, Any]:
        """What a record of a run keeps of it; JSON."""
        return {
            "name": self.name,
            "n_nodes": self.n_nodes,
            "history": list(self.history),
            "sha256": self.digest(),
        }

    def digest(self) -> str:
        """SHA-256, hexadecimal, of arrays and labels; the same on every machine."""
        digest = hashlib.sha256(json.dumps(self.labels).encode())
        for array in (self.weights, self.tract_lengths, self.centres):
            digest.update(b"none" if array is None else str(array.shape).encode())
            if array is not None:
                digest.update(array.astype("<f8").tobytes())
        return digest.hexdigest()

    def __eq__(self, other: object) -> bool:
        return self.digest() == other.digest() if isinstance(other, Connectome) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.digest())

    def __repr__(self) -> str:
        lengths = "no tract lengths" if self.tract_lengths is None else f"tracts to {self.tract_lengths.max():.0f} mm"
        steps = "".join(f".{step}" for step in self.history)
        return f"<Connectome {self.name}{steps}: {self.n_nodes} nodes, density {self.density:.2f}, {lengths}>"

    def __reduce__(self) -> tuple[Any, ...]:
        # Unpickled arrays are writable: go through the constructor again.
        return Connectome, (
            self.weights,
            self.tract_lengths,
            self.labels,
            self.name,
            self.centres,
            self.allow_self_connections,
            self.history,
        )

    # What the simulator asks

    def delays(self, speed: float | npt.ArrayLike, dt: float) -> npt.NDArray[np.int64]:
        """Delay of each connection in steps: lengths / speed / dt, rounded, halves to even (as TVB does).

        speed: conduction speed, mm/ms, > 0; a number, or (simulation,).
        dt: step, ms, > 0.
        Returns (node, node), or (simulation, node, node).
        """
        if self.tract_lengths is None:
            raise ConnectomeError(
                f"delays need tract lengths, but {self.name!r} has none; give them, or speed=None for no delays"
            )
        speeds = real_array(speed, "speed")
        if speeds.ndim > 1 or not (np.isfinite(speeds) & (speeds > 0)).all():
            raise ConnectomeError(
                f"0 < speed < infinity must hold (mm/ms, a number or one a simulation), but got {speed!r}; "
                "typical is 1 to 20; speed=None simulates without delays"
            )
        if not (np.isfinite(dt) and dt > 0):
            raise ConnectomeError(f"0 < dt < infinity must hold (ms), but got {dt!r}")
        with np.errstate(over="ignore"):
            steps = np.rint(self.tract_lengths / speeds[..., None, None] / dt)
        if steps.max() >= 2**31:
            raise ConnectomeError(
                f"every delay must be below 2**31 steps, but the longest is {steps.max():g} "
                f"(tract {self.tract_lengths.max():g} mm, speed {speeds.min():g} mm/ms, dt {dt:g} ms); check the units"
            )
        return steps.astype(np.int64)

    # Normalisations

    def normalised(self, by: Normalisation = "spectral") -> Connectome:
        """Divide the weights by a size of their own.

        "max": the largest weight. "mean": the mean of the positive weights. "strength": the largest row sum (TVB's
        "region"). "spectral": the spectral radius, after which a linear network x' = -x + g W x is stable for
        g < 1. "rows": each row by its own sum (rows without input stay zero).
        """
        weights = self.weights
        if by not in NORMALISATIONS:
            raise ConnectomeError(f"unknown normalisation {by!r}: {nearest(by, NORMALISATIONS)}")
        step = f"normalised({by!r})"
        if by == "rows":
            sums = self.strengths
            return self._with_weights(weights / np.where(sums > 0, sums, 1.0)[:, None], step)
        size = (
            float(weights.max()) if by == "max"
            else float(weights[weights > 0].mean()) if by == "mean" and weights.any()
            else float(self.strengths.max()) if by == "strength"
            else self.spectral_radius
        )  # fmt: skip
        if size <= 0:
            why = "its graph has no cycle: normalise by 'max' instead" if weights.any() else "all weights are zero"
            raise ConnectomeError(f"normalised({by!r}) needs a size > 0, but that of {self.name!r} is 0; {why}")
        return self._with_weights(weights / size, step)

    def log(self, unit: float = 1.0) -> Connectome:
        """Weights log(1 + w / unit): order is kept, zero stays zero.

        unit: the weight that counts as one, > 0: 1 for streamline counts; the smallest positive weight otherwise.
        """
        if not (np.isfinite(unit) and unit > 0):
            raise ConnectomeError(f"0 < unit < infinity must hold, but got {unit!r}")
        return self._with_weights(np.log1p(self.weights / unit), f"log({unit:g})")

    def sqrt(self) -> Connectome:
        """Weights to the power of one half."""
        return self._with_weights(np.sqrt(self.weights), "sqrt()")

    def scaled(self, factor: float) -> Connectome:
        """Weights times `factor`, >= 0, finite."""
        if not (np.isfinite(factor) and factor >= 0):
            raise ConnectomeError(f"0 <= factor < infinity must hold, but got {factor!r}")
        return self._with_weights(self.weights * factor, f"scaled({factor!r})")

    # Changes of the graph

    def without_self_connections(self) -> Connectome:
        """The diagonals of weights and tract lengths set to zero."""
        off = 1.0 - np.eye(self.n_nodes)
        return replace(
            self,
            weights=self.weights * off,
            tract_lengths=None if self.tract_lengths is None else self.tract_lengths * off,
            allow_self_connections=False,
            history=(*self.history, "without_self_connections()"),
        )

    def symmetrised(self) -> Connectome:
        """Weights and tract lengths replaced by the mean of themselves and their transposes."""
        lengths = self.tract_lengths
        return replace(
            self,
            weights=(self.weights + self.weights.T) / 2,
            tract_lengths=None if lengths is None else (lengths + lengths.T) / 2,
            history=(*self.history, "symmetrised()"),
        )

    def subset(self, nodes: Iterable[int | str]) -> Connectome:
        """The named nodes only, in the order given.

        nodes: labels or indices (negative ones count from the end), unique; or a mask, (node,), of booleans.
        """
        chosen = list(nodes)
        if chosen and all(isinstance(node, bool | np.bool_) for node in chosen):
            if len(chosen) != self.n_nodes:
                raise ConnectomeError(f"a mask must have one entry a node, {self.n_nodes}, but has {len(chosen)}")
            chosen = [int(node) for node in np.flatnonzero(chosen)]
        index = [self._index(node) for node in chosen]
        if not index or len(set(index)) < len(index):
            raise ConnectomeError(f"a subset must name at least one node and each once, but got {chosen!r}")
        lengths = self.tract_lengths
        return replace(
            self,
            weights=self.weights[np.ix_(index, index)],
            tract_lengths=None if lengths is None else lengths[np.ix_(index, index)],
            labels=tuple(self.labels[i] for i in index),
            centres=None if self.centres is None else self.centres[index],
            history=(*self.history, f"subset({len(index)} of {self.n_nodes})"),
        )

    def _index(self, node: int | str) -> int:
        if isinstance(node, str):
            if node not in self.labels:
                raise ConnectomeError(f"no node is labelled {node!r}: {nearest(node, self.labels)}")
            return self.labels.index(node)
        if not isinstance(node, int | np.integer) or not -self.n_nodes <= node < self.n_nodes:
            raise ConnectomeError(f"a node must be a label or an index below {self.n_nodes}, but got {node!r}")
        return int(node) % self.n_nodes

    def _with_weights(self, weights: FloatArray, step: str) -> Connectome:
        return replace(self, weights=weights, history=(*self.history, step))
