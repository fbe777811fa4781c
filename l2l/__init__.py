"""Fit brain network models to data: optimizers, runners, simulators and a database of all that happened."""

__version__ = "0.1.0"
