"""Real data, fetched once a session into a cache of its own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from l2l import datasets
from l2l.errors import DatasetError


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder into which every data set was fetched. Skips without network, except on CI."""
    folder = tmp_path_factory.mktemp("l2l-data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("L2L_DATA", str(folder))
        for name in ("dk-average", "hcp-aal2", "tvb-68"):
            try:
                datasets.fetch(name, accept_terms=True)
            except DatasetError as error:
                if os.environ.get("CI") or "download" not in str(error):
                    raise
                pytest.skip(f"real data cannot be fetched here: {error}")
    return folder


@pytest.fixture
def fetched(filled: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The filled cache, in use."""
    monkeypatch.setenv("L2L_DATA", str(filled))
    return filled


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, in use."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("L2L_DATA", str(folder))
    return folder
