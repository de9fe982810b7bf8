"""What a trained network is worth: metrics over whole folds, intervals, comparisons, the run table."""
