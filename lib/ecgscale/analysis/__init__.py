"""What a run table says beside its laws: fronts, prediction and importance, the published findings."""
