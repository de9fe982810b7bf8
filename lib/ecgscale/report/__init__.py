"""Figures and one HTML page from the tables of a run: inputs -> figures, tables -> page."""
