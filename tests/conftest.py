"""What all tests share."""

from __future__ import annotations

from hypothesis import settings

# How long an example takes says more about the machine, and what else it runs, than about the code.
settings.register_profile("l2l", deadline=None)
settings.load_profile("l2l")
