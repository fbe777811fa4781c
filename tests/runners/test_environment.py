"""Versions of the worker against the driver's."""

import sys

import pytest

from l2l.errors import RunnerError
from l2l.runners import environment


def test_a_process_has_its_own_versions():
    here = environment.here()
    assert here["python"] == f"{sys.version_info.major}.{sys.version_info.minor}"
    assert set(here) == {"python", *environment.PACKAGES}
    assert environment.differences(here) == ""
    environment.require_same({"a": here})


@pytest.mark.parametrize("package", environment.PACKAGES)
def test_each_difference_is_named_with_both_versions(package):
    here = environment.here()
    with pytest.raises(RunnerError, match=f"worker b .*{package} is 0.0.1 there and {here[package]} here"):
        environment.require_same({"a": here, "b": here | {package: "0.0.1"}})
    with pytest.raises(RunnerError, match=f"{package} is none there"):
        environment.require_same({"b": {name: value for name, value in here.items() if name != package}})


def test_another_patch_level_of_python_is_the_same():
    here = environment.here()
    environment.require_same({"a": here | {"python": f"{here['python']}.99.final.0"}})
    with pytest.raises(RunnerError, match=r"python is 2\.7 there"):
        environment.require_same({"a": here | {"python": "2.7.18"}})


def test_the_path_beyond_what_is_installed(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    additions = environment.additions_to_path()
    assert additions[0] == str(tmp_path)
    assert not any("site-packages" in entry or entry.endswith(".zip") for entry in additions)
