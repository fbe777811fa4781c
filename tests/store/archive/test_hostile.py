"""Archives from strangers: each is refused with a reason, before much is allocated, and leaves nothing behind."""

from __future__ import annotations

import json
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from l2l.errors import StoreError
from l2l.store import Store
from l2l.store.archive import Archive, restore, write

Members = dict[str, bytes]
_GOOD: Members = {}  # made once


@pytest.fixture
def members(tmp_path: Path, spec, asked, done) -> Members:
    """What a good archive of a small run holds."""
    if _GOOD:
        return dict(_GOOD)
    with Store.open(tmp_path / "source.db") as store:
        writer = store.create_run(spec())
        individuals = asked(0)
        writer.record_generation(0, individuals)
        recorded = [
            done(each, recordings={"fc": np.full((8, 8), 0.5 + place)}) for place, each in enumerate(individuals)
        ]
        writer.record_evaluations(recorded)
        writer.record_evaluations([done(replace(individuals[0], replicate=1))])
        writer.record_told(0, {})
        writer.record_event("note", {})
        writer.finish("finished", "")
        write(store, 1, tmp_path / "good.l2l.zip")
    with zipfile.ZipFile(tmp_path / "good.l2l.zip") as archive:
        _GOOD.update({name: archive.read(name) for name in archive.namelist()})
    return dict(_GOOD)


def save(path: Path, members: Members, *, sealed: bool = True) -> Path:
    """A zip of these members; sealed: with a manifest that fits them, as an attacker would write it."""
    if sealed:
        import hashlib

        manifest = json.loads(members["manifest.json"])
        manifest["sha256"] = {
            name: hashlib.sha256(content).hexdigest()
            for name, content in members.items()
            if name.endswith(("l", "n.json"))
        }
        members = {**members, "manifest.json": json.dumps(manifest).encode()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def lines(members: Members, table: str) -> list[dict]:
    return [json.loads(line) for line in members[f"{table}.jsonl"].splitlines()]


def with_line(members: Members, table: str, number: int, **changes: object) -> Members:
    rows = lines(members, table)
    rows[number] |= changes
    return {**members, f"{table}.jsonl": b"".join(json.dumps(row).encode() + b"\n" for row in rows)}


def with_run(members: Members, **changes: object) -> Members:
    return {**members, "run.json": json.dumps(json.loads(members["run.json"]) | changes).encode()}


def npy(header: str, content: bytes = b"") -> bytes:
    text = header.encode("latin1")
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + content


def refused(path: Path, said: str) -> None:
    target = path.with_name("target.db")
    with Store.open(target) as store:
        with pytest.raises(StoreError, match=said):
            restore(store, path)
        assert store.runs() == []
        assert store.arrays is not None
        assert not store.arrays.root.exists()
        tables = store.read(
            lambda connection: connection.exec_driver_sql("SELECT count(*) FROM individuals").scalar_one()
        )
        assert tables == 0


def test_the_good_one_is_taken(members: Members, tmp_path: Path) -> None:
    with Store.open(tmp_path / "target.db") as store:
        assert restore(store, save(tmp_path / "x.zip", members)).new


@pytest.mark.parametrize(
    "name",
    ["../evil", "/etc/passwd", "arrays/../../x.npy", "arrays\\..\\x", "C:evil", "arrays/00.npy", "run.pkl", "x/"],
)
def test_names_that_lead_elsewhere_are_refused(members: Members, name: str, tmp_path: Path) -> None:
    refused(save(tmp_path / "x.zip", {**members, name: b"x"}), "holds no member")
    assert not (tmp_path.parent / "evil").exists()


def test_a_name_with_a_nul_is_refused(members: Members, tmp_path: Path) -> None:
    path = save(tmp_path / "x.zip", {**members, "arrays/9.npyZx": b"x"})
    path.write_bytes(path.read_bytes().replace(b"arrays/9.npyZx", b"arrays/9.npy\x00x"))
    refused(path, "holds no member|cannot be read|no whole zip")


def test_members_that_come_twice_are_refused(members: Members, tmp_path: Path) -> None:
    path = save(tmp_path / "x.zip", members)
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(path, "a") as archive:
        archive.writestr("run.json", members["run.json"])
    refused(path, "twice")


def test_other_compressions_and_encryption_are_refused(members: Members, tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_BZIP2) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    refused(path, "stored or deflated")
    content = bytearray(save(path, members).read_bytes())
    content[content.rfind(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    refused(path, "not encrypted")


def test_a_bomb_is_refused_before_it_is_opened(members: Members, tmp_path: Path) -> None:
    bomb = npy("{'descr': '<f8', 'fortran_order': False, 'shape': (25000000,), }\n", bytes(200_000_000))
    recordings = with_line(members, "recordings", 0, dtype="<f8", shape=[25_000_000])
    path = save(tmp_path / "x.zip", {**recordings, "arrays/0.npy": bomb})
    assert path.stat().st_size < 10**6
    del bomb, recordings
    tracemalloc.start()
    with pytest.raises(StoreError, match=r"more than the .* allowed"):
        Archive(path, most_bytes=10**8)
    assert tracemalloc.get_traced_memory()[1] < 10**7
    tracemalloc.stop()


def test_sizes_that_no_compression_reaches_and_overlaps_are_refused(members: Members, tmp_path: Path) -> None:
    path = save(tmp_path / "x.zip", members)
    content = bytearray(path.read_bytes())
    at = content.find(b"PK\x01\x02")
    claimed = content.copy()
    claimed[at + 24 : at + 28] = struct.pack("<L", 2**31)
    path.write_bytes(claimed)
    refused(path, "no archive can")
    claimed = content.copy()
    claimed[at + 20 : at + 28] = struct.pack("<LL", len(content) + 1, len(content) + 1)
    path.write_bytes(claimed)
    refused(path, "overlap")


def test_a_directory_that_claims_gigabytes_is_refused(members: Members, tmp_path: Path) -> None:
    path = save(tmp_path / "x.zip", members)
    content = bytearray(path.read_bytes())
    at = content.rfind(b"PK\x05\x06")
    content[at + 12 : at + 16] = struct.pack("<L", 2**31)
    path.write_bytes(content)
    refused(path, "claims 2147483648 bytes")


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("{'descr': '|O', 'fortran_order': False, 'shape': (8, 8), }\n", "is not what"),
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (8, 9), }\n", "is not what"),
        ("{'descr': '<f8', 'fortran_order': True, 'shape': (8, 8), }\n", "is not what"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (8, 8), }\n", "is not what"),
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (-8, -8), }\n", "is not what"),
        ("__import__('os').system('touch evil')\n", "is not what"),
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (" + "1" * 9000 + "x", "is not what"),
        ("(" * 5000 + "\n", "is not what"),
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (8, 8), }" + " " * 20_000 + "\n", "is not what"),
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (8, 8), }\n", "must hold"),
    ],
    ids=["objects", "shape", "order", "type", "negative", "code", "digits", "nested", "long", "short"],
)
def test_arrays_that_are_not_what_they_say_are_refused(
    members: Members, header: str, said: str, tmp_path: Path
) -> None:
    refused(save(tmp_path / "x.zip", {**members, "arrays/2.npy": npy(header, b"x" * 100)}), said)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"shape": [2**39, 2**39]}, "must not exceed"),
        ({"shape": [-1, -64]}, "list of sizes"),
        ({"shape": [8.0, 8]}, "list of sizes"),
        ({"shape": [1] * 40}, "list of sizes"),
        ({"dtype": "|O"}, "type must be one of"),
        ({"dtype": "<f8,<f8"}, "type must be one of"),
        ({"sha256": "0" * 64}, "is damaged"),
        ({"generation": 77}, "do not fit each other"),
        ({"attempt": 0}, "do not fit each other"),
        ({"data": "AAAA"}, "must have the fields"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_recordings_that_cannot_be_are_refused(members: Members, changes: dict, said: str, tmp_path: Path) -> None:
    refused(save(tmp_path / "x.zip", with_line(members, "recordings", 1, **changes)), said)


@pytest.mark.parametrize(
    ("table", "changes"),
    [
        ("individuals", {"generation": "0); DROP TABLE runs;--"}),
        ("individuals", {"position": -1}),
        ("individuals", {"position": True}),
        ("individuals", {"position": 3}),  # there is one already
        ("individuals", {"seed": 2**64}),
        ("individuals", {"parameters": [1, 2]}),
        ("individuals", {"parents": [[0]]}),
        ("individuals", {"generation": 5}),
        ("evaluations", {"status": "fine"}),
        ("evaluations", {"loss": "0"}),
        ("evaluations", {"loss": 1e400}),
        ("evaluations", {"worker": 12}),
        ("evaluations", {"error": "a\x00b"}),
        ("evaluations", {"error": "\ud800"}),
        ("generations", {"size": -1}),
        ("generations", {"summary": "x"}),
        ("workers", {"name": None}),
        ("events", {"at": None}),
    ],
    ids=lambda value: str(value)[:30],
)
def test_rows_that_cannot_be_are_refused(members: Members, table: str, changes: dict, tmp_path: Path) -> None:
    refused(save(tmp_path / "x.zip", with_line(members, table, 0, **changes)), "cannot be|do not fit|no JSON")


@pytest.mark.parametrize(
    "changes",
    [
        {"space": {}},
        {"space": {"x'); DROP TABLE runs;--": {"kind": "real", "low": 0, "high": 1}}},
        {"space": {"x": {"kind": "real", "low": 0, "high": 1, "shape": "ab"}}},
        {"space": {"x": {"kind": "os.system", "low": 0, "high": 1}}},
        {"objectives": []},
        {"objectives": [{"name": 3}]},
        {"objectives": [{"name": "a"}, {"name": "a"}]},
        {"status": "unknown"},
        {"seed": "-1"},
        {"seed": 1},
        {"name": "  "},
        {"tags": [1]},
        {"id": 7},
    ],
    ids=lambda value: str(value)[:40],
)
def test_runs_that_cannot_be_are_refused(members: Members, changes: dict, tmp_path: Path) -> None:
    refused(save(tmp_path / "x.zip", with_run(members, **changes)), "run.json")


@pytest.mark.parametrize("member", ["run.json", "individuals.jsonl", "arrays/3.npy", "manifest.json"])
def test_what_is_missing_is_told(members: Members, member: str, tmp_path: Path) -> None:
    kept = {name: content for name, content in members.items() if name != member}
    refused(save(tmp_path / "x.zip", kept, sealed=False), "lacks|must hold an array")


@pytest.mark.parametrize("member", ["run.json", "evaluations.jsonl"])
def test_what_was_altered_is_told(members: Members, member: str, tmp_path: Path) -> None:
    altered = {**members, member: members[member].replace(b"0.25", b"0.26").replace(b'"fit"', b'"fat"')}
    assert altered[member] != members[member]
    refused(save(tmp_path / "x.zip", altered, sealed=False), "is damaged")


@pytest.mark.parametrize("text", [b"[" * 200_000, b"{", b"NaN", b'{"a": ' + b"9" * 6000 + b"}", b"\xff\xfe"])
def test_what_is_no_json_is_refused(members: Members, text: bytes, tmp_path: Path) -> None:
    refused(save(tmp_path / "x.zip", {**members, "events.jsonl": text}), "no JSON|must be an object")
    refused(save(tmp_path / "y.zip", {**members, "manifest.json": text}, sealed=False), "no JSON|does not say")


def test_versions_of_the_future_and_other_files_are_refused(members: Members, tmp_path: Path) -> None:
    manifest = json.loads(members["manifest.json"]) | {"version": 2}
    refused(save(tmp_path / "x.zip", {**members, "manifest.json": json.dumps(manifest).encode()}), "update l2l")
    manifest = json.loads(members["manifest.json"]) | {"format": "holiday photos"}
    refused(save(tmp_path / "y.zip", {**members, "manifest.json": json.dumps(manifest).encode()}), "does not say")
    manifest = json.loads(members["manifest.json"])
    manifest["rows"]["events"] = 2**40
    refused(save(tmp_path / "z.zip", {**members, "manifest.json": json.dumps(manifest).encode()}), "must have")
    (tmp_path / "text.zip").write_text("no zip file at all")
    refused(tmp_path / "text.zip", "refused")
    (tmp_path / "empty.zip").write_bytes(b"")
    refused(tmp_path / "empty.zip", "refused")
    refused(tmp_path / "absent.zip", "there is no archive")


@pytest.mark.parametrize("part", [0.2, 0.6, 0.9, 0.999])
def test_an_archive_cut_short_is_refused(members: Members, part: float, tmp_path: Path) -> None:
    path = save(tmp_path / "x.zip", members)
    content = path.read_bytes()
    path.write_bytes(content[: int(part * len(content))])
    refused(path, "refused")


def test_no_bit_can_be_turned_unnoticed(members: Members, tmp_path: Path) -> None:
    """Any byte of the members' contents changed: refused, or (padding, times) without consequence; never a crash."""
    path = save(tmp_path / "x.zip", members)
    content = path.read_bytes()
    rng = np.random.default_rng(1)
    seen: Callable[[Path], dict] = lambda at: {  # noqa: E731
        name: list(Archive(at).lines(name)) for name in ("individuals", "evaluations", "recordings")
    }
    expected = seen(path)
    outcomes = set()
    for place in rng.integers(0, len(content), 60):
        changed = bytearray(content)
        changed[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(changed)
        try:
            assert seen(path) == expected
            outcomes.add("same")
        except StoreError:
            outcomes.add("refused")
    assert "refused" in outcomes
