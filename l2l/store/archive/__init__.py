"""A run as one file, RUN.l2l.zip: JSON and .npy, readable by anything, safe to open whoever made it.

manifest.json   {"format": "l2l-run", "version": 1, "rows": {table: count}, "sha256": {member: digits}}
run.json        the run: its name, configuration, provenance, how it ended
TABLE.jsonl     generations, workers, individuals, evaluations, recordings, events: an object a line, as in the schema
arrays/N.npy    the array of line N of recordings.jsonl, from 0
"""

from l2l.store.archive.read import Archive
from l2l.store.archive.restore import Restored, restore
from l2l.store.archive.write import write

__all__ = ["Archive", "Restored", "restore", "write"]
