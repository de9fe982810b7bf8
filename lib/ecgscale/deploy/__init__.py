"""Trained networks as files for other runtimes, and how fast these run."""
