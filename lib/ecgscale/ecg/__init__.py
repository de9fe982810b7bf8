"""Recordings: reading and guarding them, their labels, filters and splits, and a synthetic corpus. No torch."""
