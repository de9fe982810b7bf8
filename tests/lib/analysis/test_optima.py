"""The best learning rates of a run table, and the alarm for one at the edge of its range."""

import numpy as np
import pandas as pd

from ecgscale.analysis.optima import optima
from ecgscale.contracts import OPTIMA


def test_optima_of_a_run_table():
    """As in the published study: one range for all, the best adamw run at its low end, the best sgd run at its high."""
    rng = np.random.default_rng(0)
    best = {"adamw": 1.04e-3, "sgdm": 3e-3, "sgd": 9.9e-3}
    runs = pd.DataFrame({"optimizer": np.repeat(list(best), 100), "family": "regnet", "status": "finished",
                         "lr": rng.uniform(1e-3, 1e-2, 300)})
    runs["run_id"] = [f"{number:03d}" for number in range(300)]
    runs["valid_loss"] = np.abs(np.log(runs["lr"] / runs["optimizer"].map(best)))
    runs["test_challenge_score"] = 1 - runs["valid_loss"]
    for metric in ("valid_loss", "test_challenge_score"):
        found = optima(runs, metric, {("regnet", name): (1e-3, 1e-2) for name in best})
        assert found.set_index("group")["edge"].to_dict() == {
            "family=regnet, optimizer=adamw": "low", "family=regnet, optimizer=sgd": "high",
            "family=regnet, optimizer=sgdm": ""}
        OPTIMA.arrow(found, "optima")
    tuned = runs[runs["optimizer"] == "sgd"].iloc[:1].assign(lr=0.03, lr_low=0.02, lr_high=2.0)
    assert optima(tuned)["edge"].tolist() == [""]       # within the range of its tuning, though it is the only rate
    few = optima(runs.iloc[:3], "valid_loss")
    assert few.empty
    OPTIMA.arrow(few, "optima")
