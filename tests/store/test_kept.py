"""Which arrays are kept, where they lie, and what their axes mean."""

import json
import shutil

import numpy as np
import pytest
import xarray as xr
import zstandard
from sqlalchemy import text

from l2l.errors import StoreError
from l2l.individual import Status
from l2l.store import Store, arrays
from l2l.store.keep import Policy
from l2l.trajectory import Trajectory


@pytest.fixture
def small_limit(monkeypatch, tmp_path):
    """Arrays of more than 1,000 bytes lie beside the database."""
    monkeypatch.setattr(arrays, "INLINE_BYTES", 1000)
    monkeypatch.setenv(arrays.VARIABLE, str(tmp_path / "beside"))


@pytest.fixture
def bold():
    rng = np.random.default_rng(0)
    return xr.DataArray(
        rng.standard_normal((40, 3)).astype(np.float32),
        {
            "time": ("time", 0.72 * np.arange(40), {"units": "s"}),
            "region": ["V1", "MT", "ünï"],
            "depth": ("region", [1.0, 2.5, 2.75]),
        },
        ("time", "region"),
        attrs={"units": "%"},
    )


def kept(store):
    query = text("SELECT DISTINCT generation, position, replicate FROM recordings ORDER BY 1, 2, 3")
    return [tuple(row) for row in store.read(lambda connection: connection.execute(query).all())]


def folders(store):
    return sorted(store.arrays.found())


@pytest.mark.parametrize("wrong", ["some", "best", "best:", "best:0", "best:-1", "best:x", "", "worst:3", None, 5])
def test_a_policy_that_is_none(wrong, store, spec):
    with pytest.raises(StoreError, match=r'recordings must be "all", "none" or "best:K" with K >= 1'):
        store.create_run(spec(), recordings=wrong)


def test_policies():
    assert Policy.parse("all").keeps_all
    assert Policy.parse("none").best == 0
    assert Policy.parse("best:7").best == 7


@pytest.mark.usefixtures("small_limit")  # before the store opens
@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize(("policy", "wanted"), [("all", range(6)), ("none", []), ("best:2", [2, 5])])
def test_the_policy_decides_whose_arrays_stay(store, spec, asked, done, policy, wanted, large):
    fitness = [0.1, 0.2, 0.6, 0.3, 0.4, 0.5]
    array = np.arange(1000.0 if large else 10.0)
    individuals = asked(0, 8)
    with store.create_run(spec(), recordings=policy) as writer:
        writer.record_generation(0, individuals, None)
        for place in (0, 1):
            writer.record_evaluations([done(individuals[place], fitness[place], recordings={"a": array})])
    # What was kept before counts after a resume.
    with store.continue_run(1, recordings=policy) as writer:
        writer.record_evaluations([done(individuals[p], fitness[p], recordings={"a": array}) for p in (2, 3)])
        writer.record_evaluations([done(individuals[p], fitness[p], recordings={"a": array}) for p in (4, 5)])
        writer.record_evaluations([done(individuals[6], status=Status.FAILED, fitness={}), done(individuals[7], 0.9)])
        writer.record_told(0, {})
        from dataclasses import replace

        writer.record_evaluations([done(replace(individuals[0], replicate=1), 0.0, recordings={"a": array})])
    anew = [] if policy == "none" else [(0, 0, 1)]
    assert kept(store) == sorted([*((0, place, 0) for place in wanted), *anew])
    assert len(folders(store)) == (len(kept(store)) if large else 0)
    for _, position, replicate in kept(store):
        np.testing.assert_array_equal(Trajectory.open(store).recording((0, position), "a", replicate=replicate), array)


@pytest.mark.usefixtures("small_limit")
@pytest.mark.parametrize("large", [False, True])
def test_axes_coordinates_and_units_come_back(store, spec, asked, done, bold, monkeypatch, large):
    monkeypatch.setattr(arrays, "INLINE_BYTES", 0 if large else 10**6)
    with store.create_run(spec()) as writer:
        writer.record_generation(0, asked(), None)
        writer.record_evaluations([done(asked()[0], recordings={"bold": bold, "bare": np.eye(3)})])
    trajectory = Trajectory.open(store)
    assert len(folders(store)) == (2 if large else 0)
    back = trajectory.labelled_recording((0, 0), "bold")
    xr.testing.assert_identical(back, bold.drop_vars("depth").rename("bold"))
    plain = trajectory.recording((0, 0), "bold")
    assert type(plain) is np.ndarray
    assert plain.dtype == np.float32
    assert trajectory.labelled_recording((0, 0), "bare").dims == ("dim_0", "dim_1")
    query = text("SELECT dims, coordinates, unit FROM recordings WHERE name = 'bold'")
    dims, coordinates, unit = store.read(lambda connection: connection.execute(query).one())
    if isinstance(dims, str):
        dims, coordinates = json.loads(dims), json.loads(coordinates)
    assert (dims, unit) == (["time", "region"], "%")
    assert coordinates["time"] == {"start": 0.0, "step": 0.72, "unit": "s"}  # not a number for every volume
    assert coordinates["region"] == {"values": ["V1", "MT", "ünï"]}


@pytest.mark.parametrize(
    "times",
    [
        np.array([0.0, 1.0, 2.5]),
        np.cumsum(np.full(1000, 0.1)),  # regular but for rounding: must not become regular
        np.array([np.nan, 1.0, 2.0]),
        np.arange(3) * 10,
        np.array([5.0]),
        np.array([]),
        np.array([True, False, True]),
    ],
)
def test_every_bit_of_a_coordinate_survives(store, spec, asked, done, times):
    array = xr.DataArray(np.zeros(len(times)), {"time": times}, ("time",))
    with store.create_run(spec()) as writer:
        writer.record_generation(0, asked(), None)
        writer.record_evaluations([done(asked()[0], recordings={"a": array})])
    back = Trajectory.open(store).labelled_recording("0/0", "a")
    np.testing.assert_array_equal(back["time"].values, times)


def test_labels_that_do_not_fit_are_refused(store, spec, asked, done, bold):
    with store.create_run(spec()) as writer:
        writer.record_generation(0, asked(), None)
        writer.record_evaluations([done(asked()[0], recordings={"bold": bold})])
    trajectory = Trajectory.open(store)
    for change, says in (
        ("""dims = '["time"]' """, "needs 2 different names"),
        ("""dims = '["x", "x"]' """, "needs 2 different names"),
        ("""dims = '["time", "region"]', coordinates = '{"time": {"values": [1]}}' """, "must be 40 values"),
        ("""coordinates = '{"time": 5}' """, "must be an object"),
    ):
        with store.write() as connection:
            connection.execute(text(f"UPDATE recordings SET {change}".replace(":", r"\:")))
        with pytest.raises(StoreError, match=says):
            trajectory.labelled_recording((0, 0), "bold")


@pytest.fixture
def beside(small_limit, store, spec, asked, done):  # noqa: ARG001 - before the store opens
    """A trajectory with one large array, and the folder that holds it."""
    array = np.random.default_rng(0).standard_normal((40, 50))
    with store.create_run(spec()) as writer:
        writer.record_generation(0, asked(), None)
        writer.record_evaluations([done(asked()[0], recordings={"states": array})])
    trajectory = Trajectory.open(store)
    np.testing.assert_array_equal(trajectory.recording((0, 0), "states"), array)
    return trajectory, store.arrays.path(folders(store)[0])


def rewrite(folder, **changes):
    file = folder / "zarr.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def test_any_zarr_reader_opens_what_lies_beside(beside):
    import zarr

    trajectory, folder = beside
    np.testing.assert_array_equal(zarr.open_array(str(folder), mode="r")[...], trajectory.recording("0/0", "states"))


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda folder: shutil.rmtree(folder), "is missing"),
        (lambda folder: (folder / "c" / "0" / "0").unlink(), "cannot be read"),
        (lambda folder: (folder / "c" / "0" / "0").write_bytes(b"nothing"), "damaged"),
        # A bomb: a small file that claims, and would give, a thousand times what its place needs.
        (
            lambda folder: (folder / "c" / "0" / "0").write_bytes(zstandard.compress(bytes(16_000_000))),
            "must hold 16000 bytes, but claims 16000000",
        ),
        (lambda folder: (folder / "zarr.json").write_text("{"), "cannot be read"),
        (lambda folder: (folder / "zarr.json").write_text("[]"), "holds no object"),
        (lambda folder: (folder / "zarr.json").write_text("{}"), "lacks"),
        (lambda folder: (folder / "zarr.json").write_bytes(b" " * 10**7), "too long"),
        (lambda folder: rewrite(folder, shape=[4000000, 5000000]), "shape is"),
        (lambda folder: rewrite(folder, data_type="float32"), "data_type is"),
        (lambda folder: rewrite(folder, codecs=[{"name": "numcodecs.pickle"}]), "codecs is"),
        (lambda folder: rewrite(folder, codecs=5), "lacks"),
    ],
)
def test_a_damaged_or_hostile_array_is_refused(beside, damage, says):
    trajectory, folder = beside
    damage(folder)
    with pytest.raises(StoreError, match=says):
        trajectory.recording((0, 0), "states")


@pytest.mark.parametrize(
    "uri", ["../../etc", "/etc/passwd", "run_1/../../x.zarr", "run_1/x", "run_x/y.zarr", "file:///x", ""]
)
def test_no_path_leads_out_of_the_folder(beside, store, uri):
    trajectory, _ = beside
    with store.write() as connection:
        connection.execute(text("UPDATE recordings SET uri = :uri"), {"uri": uri})
    with pytest.raises(StoreError, match="must lie below"):
        trajectory.recording((0, 0), "states")


def test_no_link_leads_out_of_the_folder(beside, tmp_path):
    trajectory, folder = beside
    folder.rename(tmp_path / "elsewhere.zarr")
    folder.symlink_to(tmp_path / "elsewhere.zarr")
    with pytest.raises(StoreError, match="must lie below"):
        trajectory.recording((0, 0), "states")


def test_without_a_place_beside_postgresql_keeps_large_arrays_inside(postgresql_url, spec, asked, done, monkeypatch):
    monkeypatch.setattr(arrays, "INLINE_BYTES", 10)
    monkeypatch.delenv(arrays.VARIABLE, raising=False)
    with Store.open(postgresql_url) as store:
        with store.create_run(spec()) as writer:
            writer.record_generation(0, asked(), None)
            writer.record_evaluations([done(asked()[0], recordings={"a": np.arange(1000.0)})])
        np.testing.assert_array_equal(Trajectory.open(store).recording((0, 0), "a"), np.arange(1000.0))


@pytest.mark.usefixtures("small_limit")
def test_what_was_not_committed_leaves_no_array(store, spec, asked, done):
    with store.create_run(spec()) as writer:
        writer.record_generation(0, asked(), None)
        with pytest.raises(StoreError, match="before its evaluation"):
            writer.record_evaluations([done(asked(9)[0], recordings={"a": np.arange(1000.0)})])
    assert folders(store) == []


def test_an_experiment_keeps_the_best_with_their_labels(tmp_path):
    from l2l import Experiment, Outcome, Real

    def measured(individual):
        trace = xr.DataArray(np.full(3, individual["x"]), {"time": [0.0, 0.5, 1.0]}, ("time",), attrs={"units": "mV"})
        return Outcome({"loss": individual["x"]}, recordings={"trace": trace})

    experiment = Experiment(
        measured,
        "random",
        space={"x": Real(0, 1)},
        generations=2,
        runner="serial",
        recordings="best:1",
        store=tmp_path / "l2l.db",
    )
    trajectory = experiment.run(quiet=True)
    table = trajectory.individuals()
    for number, rows in table.groupby("generation"):
        having = [place for place in rows["position"] if trajectory.recordings((number, place))]
        assert having == [rows["position"][rows["loss"].idxmin()]]
        trace = trajectory.labelled_recording((number, having[0]), "trace")
        assert (trace.attrs["units"], trace["time"].values.tolist()) == ("mV", [0.0, 0.5, 1.0])
        assert trace.values[0] == rows["loss"].min()
