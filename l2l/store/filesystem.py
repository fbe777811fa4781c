"""Whether a file is on a network file system, where SQLite's shared memory and locks cannot be relied on."""

from __future__ import annotations

from pathlib import Path

_NETWORK = frozenset(
    {
        "9p",
        "acfs",
        "afs",
        "beegfs",
        "ceph",
        "cifs",
        "davfs",
        "fhgfs",
        "gpfs",
        "lustre",
        "ncpfs",
        "nfs",
        "nfs4",
        "ocfs2",
        "orangefs",
        "panfs",
        "pvfs2",
        "quobyte",
        "smb2",
        "smb3",
        "smbfs",
        "wekafs",
        "fuse.beegfs",
        "fuse.ceph",
        "fuse.davfs2",
        "fuse.gcsfuse",
        "fuse.glusterfs",
        "fuse.goofys",
        "fuse.juicefs",
        "fuse.mfs",
        "fuse.rclone",
        "fuse.s3fs",
        "fuse.sshfs",
        "fuse.quobyte",
    }
)
_MOUNTS = Path("/proc/self/mountinfo")


def network_file_system(path: Path) -> str:
    """The type of the network file system that holds `path`, or "" if it is local or the system does not say."""
    try:
        lines = _MOUNTS.read_text().splitlines()
    except OSError:  # not Linux
        return ""
    kind = file_system(str(path.resolve()), lines)
    return kind if kind in _NETWORK else ""


def file_system(path: str, mountinfo: list[str]) -> str:
    """The type of the file system that holds an absolute path, from the lines of /proc/self/mountinfo."""
    best, kind = -1, ""
    for line in mountinfo:
        fields = line.split(" ")
        if "-" not in fields[6:]:
            continue
        point = _unescape(fields[4])
        inside = path == point or path.startswith(point.rstrip("/") + "/")
        # >=: of two mounts on one point, the later hides the earlier.
        if inside and len(point) >= best:
            best, kind = len(point), fields[fields.index("-", 6) + 1]
    return kind


def _unescape(point: str) -> str:
    for code, character in ((r"\040", " "), (r"\011", "\t"), (r"\012", "\n"), (r"\134", "\\")):
        point = point.replace(code, character)
    return point
