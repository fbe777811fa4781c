import pytest

from l2l.store import filesystem

MOUNTS = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:27 / /p rw shared:2 - gpfs fs1 rw
31 22 0:28 / /home rw shared:3 - nfs4 server:/home rw
32 31 0:29 / /home/local rw - xfs /dev/sdb rw
33 22 0:30 / /my\\040disk rw - fuse.sshfs host: rw
34 22 0:31 / /auto rw - autofs map rw
35 22 0:32 / /auto rw - lustre oss rw
""".splitlines()


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/tmp/l2l.db", "ext4"),
        ("/p/project/l2l.db", "gpfs"),
        ("/project/l2l.db", "ext4"),
        ("/home/me/l2l.db", "nfs4"),
        ("/home/local/l2l.db", "xfs"),
        ("/my disk/l2l.db", "fuse.sshfs"),
        ("/auto/l2l.db", "lustre"),
        ("/home", "nfs4"),
    ],
)
def test_the_innermost_mount_decides(path, kind):
    assert filesystem.file_system(path, MOUNTS) == kind


def test_unknown_systems_count_as_local(tmp_path, monkeypatch):
    monkeypatch.setattr(filesystem, "_MOUNTS", tmp_path / "absent")
    assert filesystem.network_file_system(tmp_path) == ""


def test_a_network_file_system_is_named(tmp_path, monkeypatch):
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"22 1 8:1 / {tmp_path} rw - lustre oss rw\n")
    monkeypatch.setattr(filesystem, "_MOUNTS", mounts)
    assert filesystem.network_file_system(tmp_path / "l2l.db") == "lustre"
