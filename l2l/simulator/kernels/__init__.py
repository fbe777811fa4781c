"""The engines: each takes a `Problem` and leaves an `Outcome`."""
