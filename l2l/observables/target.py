"""What was measured in a person or a group, and what a simulation is compared with."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from l2l.duration import seconds
from l2l.errors import ObservableError, SimulationError, nearest
from l2l.observables import target_cache
from l2l.observables import target_parts as parts
from l2l.observables.analysis import Analysis
from l2l.observables.bold_files import Orientation, read_bold
from l2l.observables.filters import bandpass
from l2l.observables.measured import Run, regions_left
from l2l.observables.observed import OBSERVABLES, Observed, Pooled, is_shared

if TYPE_CHECKING:
    from l2l.simulator.connectome import Connectome

Floats = NDArray[np.float64]
SCRUBS = ("mask", "exclude")
LONGEST_TR = 100.0
"""s; whoever gives more has given milliseconds."""


class Target:
    """Measured functional connectivity, BOLD, and whatever else a simulation should match.

    fc: (node, node) correlations, symmetric, in [-1, 1]; the diagonal is not compared. None: of `bold`.
    name: where it comes from, for tables.
    bold: (node, volume), or a list of several runs of one subject. Observables are taken of each run: correlations are
        averaged as Fisher z, the values of FCD are put together, spectra and all else averaged. No window spans two
        runs.
    tr: repetition time of `bold`, s, or a text such as "720 ms"; None: that of the simulation.
    keep: (volume,) boolean, False for scrubbed volumes; a list of them for several runs. Volumes in which no region has
        a value (NaN) count as scrubbed, too.
    scrub: "mask": scrubbed volumes are left out of correlations and of the windows of FCD, whose places in time stay;
        for filters, spectra and phases they are filled in by straight lines. "exclude": they are cut out and the gap
        closes, which moves windows together.
    band: (low, high) Hz, to which `bold` is filtered before scrubbed volumes are left out; a simulation is filtered
        alike, unless told otherwise.
    exclude: regions (labels or indices) that are not compared, or "unusable": those whose signal is constant or not
        finite. A connectome of all regions is simulated whole and those left out are not compared; `connectome_of`
        takes them out of the network instead.
    fcd: the values of FCD, (value,), or the (window, window) matrix. spectrum: (frequency, node) power, with
        `frequencies` (frequency,), Hz. rates: mean rates, a number or (node,), in the unit of the model's rate.
        pci: perturbational complexity index. Each of these is taken as it is rather than computed of `bold`.
    data: anything else by name, for one's own terms, which take it as `target_NAME`.
    labels: of the regions, where known.
    Raises ObservableError for what breaks a law, naming the region.
    """

    def __init__(
        self,
        fc: ArrayLike | None = None,
        name: str = "",
        *,
        bold: ArrayLike | Sequence[ArrayLike] | None = None,
        tr: str | float | None = None,
        keep: Any = None,
        scrub: Literal["mask", "exclude"] = "mask",
        band: tuple[float, float] | None = None,
        exclude: str | int | Iterable[str | int] = (),
        fcd: ArrayLike | None = None,
        spectrum: ArrayLike | None = None,
        frequencies: ArrayLike | None = None,
        rates: ArrayLike | None = None,
        pci: float | None = None,
        data: Mapping[str, ArrayLike] | None = None,
        labels: Sequence[str] = (),
    ) -> None:
        if scrub not in SCRUBS:
            raise ObservableError(f"unknown scrub {scrub!r}: {nearest(str(scrub), SCRUBS)}")
        self.name = name
        self.tr = None if tr is None else _tr(tr)
        self.scrub = scrub
        self.band = None if band is None else Analysis(band=band).band
        self.labels = tuple(labels)
        self.runs = _runs(bold, keep)
        self._given: dict[str, Any] = {}
        self.n_regions = self._count(fc, spectrum, rates)
        if self.labels and len(self.labels) != self.n_regions:
            raise ObservableError(f"labels must name {self.n_regions} regions, but name {len(self.labels)}")
        if len(set(self.labels)) < len(self.labels):
            twice = next(each for each in self.labels if self.labels.count(each) > 1)
            raise ObservableError(f"each region must have a label of its own, but several are called {twice!r}")
        self.regions = regions_left(self.runs, self.n_regions, exclude, self.labels)
        """Indices of the regions that are compared."""
        for what, value, check in (
            ("fc", fc, parts.correlations),
            ("fcd", fcd, parts.values_of_fcd),
            ("spectrum", spectrum, parts.power),
            ("frequencies", frequencies, parts.numbers),
            ("rates", rates, parts.rates),
            ("pci", pci, parts.number),
        ):
            if value is not None:
                self._given["fcd_values" if what == "fcd" else what] = check(
                    np.array(value, dtype=np.float64), what, self.regions
                )
        if ("spectrum" in self._given) != ("frequencies" in self._given):
            raise ObservableError("a target spectrum needs its frequencies (Hz), and they need it: give both or none")
        for what, value in (data or {}).items():
            if what in OBSERVABLES or not what.isidentifier():
                raise ObservableError(
                    f"data of a target need names of their own, but {what!r} is taken or no identifier"
                )
            self._given[what] = np.asarray(value)
        for value in self._given.values():
            value.setflags(write=False)

    @classmethod
    def from_bold(
        cls,
        source: str | Path | ArrayLike | Sequence[Any],
        *,
        tr: str | float | None = None,
        name: str = "",
        keep: Any = None,
        scrub: Literal["mask", "exclude"] = "mask",
        band: tuple[float, float] | None = None,
        exclude: str | int | Iterable[str | int] = (),
        labels: Sequence[str] = (),
        key: str | None = None,
        orientation: Orientation = "auto",
    ) -> Target:
        """From a file or an array, (node, volume), or a list of several runs of one subject.

        source: .tsv and .csv as fMRIPrep and XCP-D write them (a header row of regions, then a volume a row, n/a where
            nothing was measured); .csv, .tsv or .txt without a header (a region a row); .npy, .npz, .mat (a region a
            row). Nothing is unpickled.
        key: the array of an .npz or .mat file, if it holds several. orientation: of files and arrays: "auto" as above,
            "nodes first" or "volumes first".
        tr, keep, scrub, band, exclude: see `Target`. labels: by default those of the header.
        Raises ObservableError with the path.
        """
        several = isinstance(source, list | tuple) and (not source or np.ndim(source[0]) != 1)
        signals, headers = [], []
        for each in source if several else [source]:  # type: ignore[union-attr]
            if isinstance(each, str | Path):
                run, header = read_bold(each, key, orientation)
                headers.append((str(each), header))
            else:
                run = np.asarray(each)
                run = run.T if orientation == "volumes first" else run
            signals.append(run)
        for path, header in headers[1:]:
            if header != headers[0][1]:
                raise ObservableError(
                    f"all runs must have the same regions in the same order, but {path} names others than "
                    f"{headers[0][0]}"
                )
        found = headers[0][1] if headers else ()
        first = headers[0][0] if headers else ""
        try:
            return cls(
                None, name or Path(first).stem, bold=signals, tr=tr, keep=keep, scrub=scrub, band=band, exclude=exclude,
                labels=labels or found,
            )  # fmt: skip
        except ObservableError as error:
            raise ObservableError(f"{first}: {error}" if first else str(error)) from None

    @property
    def n_nodes(self) -> int:
        """Regions that are compared."""
        return len(self.regions)

    @property
    def n_volumes(self) -> int:
        """Of the shortest run; 0 without BOLD."""
        return min((len(run.keep) for run in self.runs), default=0)

    @property
    def fc(self) -> Floats:
        """(node, node) of the regions that are compared."""
        return np.asarray(self.reference(["fc"], Analysis(), self.tr or 1.0)["fc"])

    def reference(self, names: Iterable[str], analysis: Analysis, tr: float) -> dict[str, Any]:
        """The observables that terms take, without an axis of simulations.

        tr: of the simulation, s, for a target that does not tell its own. What takes time is kept in the cache folder,
        under the hash of its content. Raises ObservableError where one cannot be had of what was measured.
        """
        pooled = self._pooled(analysis, self.tr or tr)
        found: dict[str, Any] = {}
        for name in dict.fromkeys(names):
            if not pooled.available(name):
                needed = OBSERVABLES[name].remedy if name in OBSERVABLES else f"Target(data={{{name!r}: ...}})"
                named = f"the target {self.name!r}" if self.name else "the target"
                remedy = needed or "give it, or what it is computed of: Target(bold=..., tr=...)"
                if name not in OBSERVABLES:
                    remedy = f"{nearest(name, dict.fromkeys([*OBSERVABLES, *self._given]))}; or give it by {remedy}"
                raise ObservableError(f"{named} has no {name}: {remedy}")
            if name in self._given:
                found[name] = self._of_regions(name)
                continue
            settings = {"observable": name, "target": self.digest(), "tr": self.tr or tr} | analysis.as_json()

            def compute(name: str = name) -> Any:
                value = pooled[name]
                return value if is_shared(name) else value[0]

            found[name] = target_cache.kept(settings, compute) if self.runs else compute()
        return found

    def connectome_of(self, connectome: Connectome) -> Connectome:
        """The connectome of the compared regions alone. Raises ObservableError unless it has all regions."""
        if connectome.n_nodes != self.n_regions:
            raise ObservableError(
                f"the connectome must have all {self.n_regions} regions of the target, but has {connectome.n_nodes}"
            )
        return connectome.subset(self.regions.tolist()) if self.n_nodes < self.n_regions else connectome

    def compared(self, connectome: Connectome) -> NDArray[np.intp] | None:
        """Which nodes of a network are compared: None for all. Raises ObservableError where they do not fit."""
        nodes = connectome.n_nodes
        self._check_order(connectome.labels)
        if nodes == self.n_nodes or not self.n_regions:
            return None
        if nodes == self.n_regions:
            return self.regions
        turned = " (its BOLD seems to be turned: rows are regions)" if nodes == self.n_volumes else ""
        raise ObservableError(
            f"target and connectome must have the same regions, but have {self.n_nodes} and {nodes}{turned}: "
            "reorder or drop regions with Connectome.subset"
        )

    def _check_order(self, labels: tuple[str, ...]) -> None:
        """Raises ObservableError where a region of the network and of the target of the same name stand elsewhere."""
        if not self.labels or all(label.isdigit() for label in labels):  # numbers are no names
            return
        own = self.labels if len(labels) == self.n_regions else tuple(self.labels[i] for i in self.regions)
        if len(own) != len(labels):
            return
        places = {label: place for place, label in enumerate(labels)}
        for place, label in enumerate(own):
            if places.get(label, place) != place:
                raise ObservableError(
                    f"target and connectome must have their regions in the same order, but {label!r} has index {place} "
                    f"in the target and {places[label]} in the connectome: reorder by connectome.subset(target.labels)"
                )

    def digest(self) -> str:
        """SHA-256 of all that is compared."""
        if not self.runs and set(self._given) == {"fc"} and self.n_nodes == self.n_regions:
            # As it was when targets held nothing else, so that recorded runs stay what they are.
            return hashlib.sha256(np.ascontiguousarray(self._given["fc"]).tobytes()).hexdigest()
        settings = [self.tr, self.scrub, self.band, self.regions.tolist()]
        digest = hashlib.sha256(json.dumps(settings).encode())
        for name, value in sorted(self._given.items()):
            digest.update(f"{name} {value.shape} {value.dtype}".encode())
            digest.update(np.ascontiguousarray(value).tobytes())
        for run in self.runs:
            digest.update(repr(run.signals.shape).encode() + run.signals.tobytes() + run.keep.tobytes())
        return digest.hexdigest()

    def mask_of_pairs(self, analysis: Analysis) -> NDArray[np.bool_] | None:
        """(node, node) pairs of compared regions that count, or None for all."""
        mask = analysis.mask_of_pairs(self.n_regions) if self.n_regions else None
        return None if mask is None else mask[np.ix_(self.regions, self.regions)]

    def _pooled(self, analysis: Analysis, tr: float) -> Observed:
        shared = {"tr": tr, "pairs": self.mask_of_pairs(analysis)}
        runs = [self._observed(run.of_regions(self.regions), shared, analysis) for run in self.runs]
        given = {
            name: self._of_regions(name) if is_shared(name) else self._of_regions(name)[None] for name in self._given
        }
        if len(runs) == 1:
            return Observed({**runs[0], **given}, analysis)
        return Pooled(runs, {**shared, **given}, analysis)

    def _observed(self, run: Run, shared: Mapping[str, Any], analysis: Analysis) -> Observed:
        signals = run.filled()
        if self.band is not None:
            signals = bandpass(signals, shared["tr"] * 1e3, self.band)
        scrubbed = not run.keep.all()
        if scrubbed and self.scrub == "exclude":
            signals = signals[run.keep]
        volumes = run.keep if scrubbed and self.scrub == "mask" else None
        return Observed({"bold": signals[None], "volumes": volumes, **shared}, analysis)

    def _of_regions(self, name: str) -> Any:
        value = self._given[name]
        if self.n_nodes == self.n_regions or name not in ("fc", "spectrum", "rates") or value.ndim == 0:
            return value
        return value[np.ix_(self.regions, self.regions)] if name == "fc" else value[..., self.regions]

    def _count(self, fc: Any, spectrum: Any, rates: Any) -> int:
        """Regions that all parts agree on; 0 where none tells."""
        told = {f"bold of run {i + 1}": run.signals.shape[1] for i, run in enumerate(self.runs)}
        for what, value in (("fc", fc), ("spectrum", spectrum), ("rates", rates)):
            if value is not None and np.ndim(value):
                told[what] = int(np.shape(value)[-1])
        if len(set(told.values())) > 1:
            listed = ", ".join(f"{what}: {count}" for what, count in told.items())
            raise ObservableError(f"all parts of a target must have the same regions, but have {listed}")
        return next(iter(told.values()), 0)


def _tr(given: str | float) -> float:
    try:
        tr = seconds(given, "tr")
    except SimulationError as error:
        raise ObservableError(str(error)) from None
    if tr > LONGEST_TR:
        raise ObservableError(f'tr <= {LONGEST_TR:g} s must hold, but got {given!r}, which is in s: write "720 ms"')
    return tr


def _runs(bold: Any, keep: Any) -> tuple[Run, ...]:
    if bold is None:
        if keep is not None:
            raise ObservableError("keep says which volumes of bold stay, but there is no bold")
        return ()
    several = np.ndim(bold) == 3 if isinstance(bold, np.ndarray) else bool(len(bold)) and np.ndim(bold[0]) == 2
    signals = list(bold) if several else [bold]
    masks = list(keep) if several and keep is not None else [keep] * len(signals)
    if len(masks) != len(signals):
        raise ObservableError(f"keep must be one for each of {len(signals)} runs, but there are {len(masks)}")
    return tuple(
        Run.of(each, mask, "bold" if len(signals) == 1 else f"bold of run {number + 1}")
        for number, (each, mask) in enumerate(zip(signals, masks, strict=True))
    )
