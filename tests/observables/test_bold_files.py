"""Files of measured BOLD: what is read is what was written; what cannot be read says why."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from l2l.errors import ObservableError
from l2l.observables.bold_files import read_bold

SIGNALS = np.random.default_rng(0).normal(size=(4, 7))  # (node, volume)
LABELS = ("LH_Vis_1", "LH_Som_1", "RH_Vis_1", "RH_Som_1")


def as_xcpd(path: Path) -> Path:
    """As XCP-D writes it: tabs, a header, a volume a row, censored volumes n/a."""
    rows = [[repr(float(value)) for value in row] for row in SIGNALS.T]
    rows[3] = ["n/a"] * 4
    path.write_text("\n".join("\t".join(row) for row in [list(LABELS), *rows]) + "\n")
    return path


def test_a_table_of_volumes_with_a_header_is_turned_and_labelled(tmp_path: Path) -> None:
    signals, labels = read_bold(as_xcpd(tmp_path / "sub-1_timeseries.tsv"))
    assert labels == LABELS
    assert np.isnan(signals[:, 3]).all()
    kept = np.arange(7) != 3
    np.testing.assert_array_equal(signals[:, kept], SIGNALS[:, kept])


def save_text(path: Path) -> None:
    np.savetxt(path, SIGNALS, delimiter=",", fmt="%.17g")


def save_pandas(path: Path) -> None:
    import pandas as pd

    pd.DataFrame(SIGNALS.T, columns=list(LABELS)).to_csv(path)


@pytest.mark.parametrize(
    ("name", "write", "key"),
    [
        ("bold.csv", save_text, None),
        ("index.csv", save_pandas, None),
        ("bold.npy", lambda path: np.save(path, SIGNALS), None),
        ("one.npz", lambda path: np.savez(path, bold=SIGNALS), None),
        ("several.npz", lambda path: np.savez(path, bold=SIGNALS, fc=np.eye(4)), "bold"),
        ("bold.mat", lambda path: scipy.io.savemat(path, {"ts": SIGNALS, "tr": 0.72}), None),
        ("two.mat", lambda path: scipy.io.savemat(path, {"ts": SIGNALS, "sc": np.eye(4)}), "ts"),
    ],
)
def test_every_format_gives_the_same_signals(
    tmp_path: Path, name: str, write: Callable[[Path], None], key: str | None
) -> None:
    write(tmp_path / name)
    signals, _ = read_bold(tmp_path / name, key)
    np.testing.assert_array_equal(signals, SIGNALS)


def test_the_orientation_may_be_told(tmp_path: Path) -> None:
    np.save(tmp_path / "bold.npy", SIGNALS.T)
    signals, _ = read_bold(tmp_path / "bold.npy", orientation="volumes first")
    np.testing.assert_array_equal(signals, SIGNALS)


def write(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.tsv", "r1\tr2\n1\t2\n3\n", "each row must have 2 values, but row 2 after the header has 1"),
        ("a.tsv", "r1\tr2\n1\tx\n", "row 1, column 2 must be a number, but is 'x'"),
        ("a.csv", "", "is empty"),
        ("a.tsv", b"\xff\xfe\x00", "must be UTF-8 text"),
        ("a.nii", "", "BOLD is read from files ending in .tsv"),
        ("a.npy", b"\x80\x04broken", "plain arrays of numbers"),
        ("a.mat", b"no matlab", "cannot be read as one"),
        # What MATLAB -v7.3 begins with: an HDF5 file behind a header that says version 2.
        ("a.mat", b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + b"\x89HDF\r\n\x1a\n", "-v7"),
    ],
)
def test_a_damaged_file_says_what_is_wrong(tmp_path: Path, name: str, content: str | bytes, message: str) -> None:
    path = write(tmp_path / name, content)
    with pytest.raises(ObservableError, match=message) as raised:
        read_bold(path)
    assert str(path) in str(raised.value)


def test_objects_are_never_unpickled(tmp_path: Path) -> None:
    np.save(tmp_path / "bold.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(ObservableError, match="save it again without objects"):
        read_bold(tmp_path / "bold.npy")


def test_several_arrays_need_a_key(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", bold=SIGNALS, fc=np.eye(4))
    with pytest.raises(ObservableError, match="say which is the BOLD with key="):
        read_bold(tmp_path / "a.npz")
    with pytest.raises(ObservableError, match="did you mean 'bold'"):
        read_bold(tmp_path / "a.npz", "bolds")
    with pytest.raises(ObservableError, match="absent"):
        read_bold(tmp_path / "b.npz")


def test_a_header_may_number_the_regions(tmp_path: Path) -> None:
    rows = ["1\t2\t3", *("\t".join(f"{value:.3f}" for value in row) for row in np.arange(15.0).reshape(5, 3))]
    (tmp_path / "timeseries.tsv").write_text("\n".join(rows))
    signals, labels = read_bold(tmp_path / "timeseries.tsv")
    assert labels == ("1", "2", "3")
    np.testing.assert_array_equal(signals, np.arange(15.0).reshape(5, 3).T)
    (tmp_path / "whole.txt").write_text("1 2 3\n4 6 5\n7 9 8")  # numbers without fractions may all be signals
    assert read_bold(tmp_path / "whole.txt")[0].shape == (3, 3)
