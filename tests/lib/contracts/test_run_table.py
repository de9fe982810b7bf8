"""Runs of which laws are told: those that ended well and have a finite value."""

import numpy as np
import pandas as pd

from ecgscale.contracts.run_table import finished


def test_runs_that_ended_well_with_a_value():
    runs = pd.DataFrame({"run_id": ["d", "c", "b", "a"], "status": ["finished", "diverged", "finished", "finished"],
                         "valid_loss": [0.3, 0.2, np.inf, 0.1]})
    assert finished(runs, "valid_loss")["run_id"].tolist() == ["a", "d"]
    assert finished(runs.drop(columns="status"), "valid_loss")["run_id"].tolist() == ["a", "c", "d"]
    assert finished(runs, "test_loss").empty
