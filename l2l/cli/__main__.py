"""`python -m l2l.cli`: the same as `l2l`."""

from l2l.cli import main

main()
