"""What the tests of optimizees share."""

from __future__ import annotations

from pathlib import Path

import pytest

from l2l.observables import target_cache


@pytest.fixture(autouse=True)
def _targets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is taken from, or left in, the user's cache of targets."""
    monkeypatch.setattr(target_cache, "folder", lambda: tmp_path / "targets")
