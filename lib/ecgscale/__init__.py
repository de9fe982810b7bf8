"""Scaling laws of 12-lead ECG models and their measurement."""

__version__ = "0.1.0"
