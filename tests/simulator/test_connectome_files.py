"""Reading connectomes: what is written comes back, and files that are not what they say are refused."""

from __future__ import annotations

import bz2
import zipfile
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from l2l.errors import ConnectomeError
from l2l.simulator import connectome_files
from l2l.simulator.connectome import Connectome

WEIGHTS = np.array([[0.0, 1.5, 2.0], [1.0, 0.0, 4.25], [2.0, 4.0, 0.0]])
LENGTHS = np.array([[0.0, 10.0, 20.0], [10.0, 0.0, 40.0], [20.0, 40.0, 0.0]])
LABELS = ("L.a", "L.b", "R.a")
CENTRES = np.array([[-1.0, 2.0, 3.5], [-4.0, 5.0, 6.0], [1.0, 2.0, 3.0]])
WHOLE = Connectome(WEIGHTS, LENGTHS, LABELS, centres=CENTRES)
PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)


def text(matrix: np.ndarray, delimiter: str = " ") -> str:
    return "\n".join(delimiter.join(repr(float(x)) for x in row) for row in matrix) + "\n"


def tvb_zip(path: Path, folder: str = "", compress: bool = False, **texts: str) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in texts.items():
            data = content.encode()
            archive.writestr(
                f"{folder}{name}.txt" + (".bz2" if compress else ""), bz2.compress(data) if compress else data
            )
    return path


TVB = {
    "weights": text(WEIGHTS),
    "tract_lengths": text(LENGTHS),
    "centres": "".join(f"{name} {x} {y} {z}\n" for name, (x, y, z) in zip(LABELS, CENTRES, strict=True)),
}

# Text


@pytest.mark.parametrize("delimiter", [" ", "\t", ",", ";", "   "])
def test_csv_finds_its_delimiter(tmp_path: Path, delimiter: str) -> None:
    (tmp_path / "w.csv").write_text("# command: tck2connectome\n\n" + text(WEIGHTS, delimiter))
    (tmp_path / "l.csv").write_text(text(LENGTHS, delimiter))
    (tmp_path / "names.txt").write_text("\n".join(LABELS))
    read = Connectome.from_csv(tmp_path / "w.csv", tmp_path / "l.csv", tmp_path / "names.txt")
    assert read == Connectome(WEIGHTS, LENGTHS, LABELS)
    assert read.name == "w"
    assert Connectome.from_csv(tmp_path / "w.csv", labels=LABELS) == Connectome(WEIGHTS, labels=LABELS)


@pytest.mark.parametrize("corner", ["", "region", None])
def test_csv_takes_labels_from_a_header(tmp_path: Path, corner: str | None) -> None:
    """As pandas.DataFrame.to_csv writes it, with a named index, without an index."""
    rows = text(WEIGHTS, ",").splitlines()
    if corner is not None:
        rows = [f"{label},{row}" for label, row in zip(LABELS, rows, strict=True)]
    header = ",".join(LABELS if corner is None else (corner, *LABELS))
    (tmp_path / "w.csv").write_text("\n".join([header, *rows]), encoding="utf-8-sig")
    assert Connectome.from_csv(tmp_path / "w.csv") == Connectome(WEIGHTS, labels=LABELS)


@given(st.integers(1, 6), st.integers(0, 2**32 - 1), st.sampled_from([" ", ",", ";", "\t"]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
def test_csv_gives_back_every_bit(tmp_path: Path, n: int, seed: int, delimiter: str) -> None:
    weights = np.random.default_rng(seed).lognormal(sigma=20, size=(n, n)) * (1 - np.eye(n))
    (tmp_path / "w.csv").write_text(text(weights, delimiter))
    assert Connectome.from_csv(tmp_path / "w.csv") == Connectome(weights)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (PNG, "must be text.*PNG"),
        (b"", "is empty"),
        (b"0 1 2\n1 0\n2 1 0\n", "as many entries as the first, 3, but row 1 has 2"),
        (b"0 1\n1 x\n", "row 1, column 1 is 'x'"),
        (b"0;0,5\n0,5;0\n", "decimal point, but row 0, column 1 is '0,5'"),
        (b"0,5;0,5\n0,5;0\n", "decimal point"),
        (b"x 1 2\n1 0 2\n1 2 0\n", "row 0, column 0 is 'x'"),
        (b"0 1 2\n1 0 2\n", r"square.*\(2, 3\)"),
        (b"0 nan\n1 0\n", "finite"),
        (b"0 -1\n1 0\n", ">= 0"),
        (b"0 1_0\n1 0\n", "is '1_0'"),
    ],
)
def test_csv_that_is_none_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "w.csv").write_bytes(content)
    with pytest.raises(ConnectomeError, match=message) as caught:
        Connectome.from_csv(tmp_path / "w.csv")
    assert "w.csv" in str(caught.value)


def test_csv_of_other_lengths_or_names_is_refused(tmp_path: Path) -> None:
    (tmp_path / "w.csv").write_text(text(WEIGHTS))
    (tmp_path / "l.csv").write_text(text(LENGTHS[:2, :2]))
    with pytest.raises(ConnectomeError, match=r"shape of weights, \(3, 3\), but has shape \(2, 2\)"):
        Connectome.from_csv(tmp_path / "w.csv", tmp_path / "l.csv")
    with pytest.raises(ConnectomeError, match="one label a node"):
        Connectome.from_csv(tmp_path / "w.csv", labels=["a"])


def test_a_missing_file_suggests_its_neighbour(tmp_path: Path) -> None:
    (tmp_path / "weights.csv").write_text("0\n")
    with pytest.raises(ConnectomeError, match=r"did you mean 'weights.csv'"):
        Connectome.from_csv(tmp_path / "weigths.csv")
    with pytest.raises(ConnectomeError, match="existing file"):
        Connectome.from_npz(tmp_path / "nowhere" / "x.npz")


# npz


def test_npz_by_usual_and_given_keys(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", weights=WEIGHTS, lengths=LENGTHS, region_labels=np.array(LABELS), centres=CENTRES)
    assert Connectome.from_npz(tmp_path / "a.npz") == WHOLE
    np.savez_compressed(tmp_path / "b.npz", sc=WEIGHTS, mm=LENGTHS, who=np.array([s.encode() for s in LABELS]))
    read = Connectome.from_npz(tmp_path / "b.npz", "sc", lengths="mm", labels="who")
    assert read == Connectome(WEIGHTS, LENGTHS, LABELS)


def test_npz_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    path.write_bytes(PNG)
    with pytest.raises(ConnectomeError, match=r"\.npz archive.*PNG"):
        Connectome.from_npz(path)
    np.savez(path, weights=WEIGHTS)
    whole = path.read_bytes()
    with pytest.raises(ConnectomeError, match=r"'weigth'.*did you mean 'weights'"):
        Connectome.from_npz(path, "weigth")
    with pytest.raises(ConnectomeError, match="must hold the array 'mm'"):
        Connectome.from_npz(path, lengths="mm")
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ConnectomeError, match=r"\.npz"):
        Connectome.from_npz(path)
    path.write_bytes(whole.replace(np.float64(4.25).tobytes(), bytes(8)))
    with pytest.raises(ConnectomeError, match="CRC"):
        Connectome.from_npz(path)


def test_npz_never_unpickles(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (tmp_path / "sprung",))

    np.savez(tmp_path / "a.npz", weights=np.array([[Trap()]], dtype=object))
    with pytest.raises(ConnectomeError, match="object arrays"):
        Connectome.from_npz(tmp_path / "a.npz")
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("kind", ["npz", "zip", "bz2", "mat", "csv"])
def test_a_file_that_grows_beyond_the_limit_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    zeros = np.zeros((200, 200))
    np.savez_compressed(tmp_path / "a.npz", weights=zeros)
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("weights.txt", text(zeros))
    tvb_zip(tmp_path / "a.bz2", compress=True, weights=text(zeros))
    scipy.io.savemat(tmp_path / "a.mat", {"weights": zeros}, do_compression=True)
    (tmp_path / "a.csv").write_text(text(zeros))
    limit = 10_000
    assert kind == "csv" or (tmp_path / f"a.{kind}").stat().st_size < limit
    monkeypatch.setattr(connectome_files, "MAX_BYTES", limit)
    readers = {"npz": Connectome.from_npz, "mat": Connectome.from_mat, "csv": Connectome.from_csv}
    with pytest.raises(ConnectomeError, match="at most 10000 bytes"):
        readers.get(kind, Connectome.from_tvb_zip)(tmp_path / f"a.{kind}")  # type: ignore[operator]


# TVB


@pytest.mark.parametrize("folder", ["", "connectivity_3/"])
@pytest.mark.parametrize("compress", [False, True])
def test_tvb_zip_in_all_its_forms(tmp_path: Path, folder: str, compress: bool) -> None:
    path = tvb_zip(tmp_path / "connectivity_3.zip", folder, compress, info="Remark", **TVB)
    read = Connectome.from_tvb_zip(path)
    assert read == WHOLE
    assert read.name == "connectivity_3"
    assert Connectome.from_tvb_zip(tvb_zip(tmp_path / "w.zip", weights=TVB["weights"])) == Connectome(WEIGHTS)


def test_tvb_zip_keeps_self_connections_when_asked(tmp_path: Path) -> None:
    path = tvb_zip(tmp_path / "c.zip", weights=text(WEIGHTS + np.eye(3)))
    with pytest.raises(ConnectomeError, match="allow_self_connections=True"):
        Connectome.from_tvb_zip(path)
    assert Connectome.from_tvb_zip(path, allow_self_connections=True).weights[2, 2] == 1


def test_tvb_zip_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.zip"
    path.write_bytes(PNG)
    with pytest.raises(ConnectomeError, match=r"zip archive.*PNG"):
        Connectome.from_tvb_zip(path)
    with pytest.raises(ConnectomeError, match=r"must hold weights.txt.*holds info.txt"):
        Connectome.from_tvb_zip(tvb_zip(path, info="x"))
    with pytest.raises(ConnectomeError, match="one label a node"):
        Connectome.from_tvb_zip(tvb_zip(path, **{**TVB, "centres": "a 1 2 3\n"}))
    with pytest.raises(ConnectomeError, match="'label x y z', but line 2 is 'b 1 2'"):
        Connectome.from_tvb_zip(tvb_zip(path, **{**TVB, "centres": "a 1 2 3\nb 1 2\n"}))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/weights.txt", "0")
        archive.writestr("b/weights.txt", "0")
    with pytest.raises(ConnectomeError, match=r"one weights.txt, but holds a/weights.txt, b/weights.txt"):
        Connectome.from_tvb_zip(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("weights.txt.bz2", b"no bz2")
    with pytest.raises(ConnectomeError, match=r"weights.txt.bz2 must be a whole"):
        Connectome.from_tvb_zip(path)


# MATLAB


def test_mat_variables(tmp_path: Path) -> None:
    path = tmp_path / "c.mat"
    scipy.io.savemat(path, {"sc": WEIGHTS, "len": LENGTHS, "names": np.array(LABELS), "other": np.array([{}])})
    read = Connectome.from_mat(path, "sc", "len", "names")
    assert read == Connectome(WEIGHTS, LENGTHS, LABELS)
    scipy.io.savemat(path, {"sc": scipy.sparse.csc_array(WEIGHTS)})
    assert Connectome.from_mat(path, "sc") == Connectome(WEIGHTS)


def test_mat_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.mat"
    for content in (PNG * 8, b"", b"MATLAB 5.0"):
        path.write_bytes(content)
        with pytest.raises(ConnectomeError, match=r"must be a MATLAB \.mat file"):
            Connectome.from_mat(path)
    header = b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM"
    path.write_bytes(header + bytes(512))
    with pytest.raises(ConnectomeError, match="-v7"):
        Connectome.from_mat(path)
    scipy.io.savemat(path, {"sc": WEIGHTS, "cells": np.array([[1, "a"]], dtype=object), "struct": {"a": 1}})
    with pytest.raises(ConnectomeError, match=r"'SC'.*did you mean 'sc'"):
        Connectome.from_mat(path, "SC")
    for key in ("cells", "struct"):
        with pytest.raises(ConnectomeError, match="must be a matrix of numbers"):
            Connectome.from_mat(path, key)
    whole = path.read_bytes()
    path.write_bytes(whole[:200])
    with pytest.raises(ConnectomeError, match="MATLAB"):
        Connectome.from_mat(path, "sc")
