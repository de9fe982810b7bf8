"""What the terminal and the report say of a law beside its verdict, on tables with a planted noise."""

import numpy as np
import pandas as pd
import pytest

from ecgscale.laws.forms import LAWS
from ecgscale.laws.summary import foremost, notes
from ecgscale.laws.table import fit_run_table


def table(runs: int, growth: float) -> pd.DataFrame:
    """Losses of y = 0.1 + 30 x^-0.5 in params, with normal noise whose size changes by `growth` along them."""
    random = np.random.default_rng(4)
    params = np.geomspace(1e4, 1e8, runs)
    size = 0.02 * growth ** np.linspace(0, 1, runs)
    loss = LAWS["floor"](params, E=0.1, b=30, c=0.5) * np.exp(size * random.standard_normal(runs))
    return pd.DataFrame({"run_id": [f"r{i}" for i in range(runs)], "params": params, "test_loss": loss})


@pytest.mark.parametrize(("runs", "growth", "said"), [(40, 10.0, "errors grow along params"),
                                                      (50, 0.1, "errors shrink along params"),
                                                      (200, 10.0, "errors grow along params"), (40, 1.0, "")])
def test_noise_that_changes_along_a_size_is_told(runs, growth, said):
    """And that few runs with it have too narrow an interval of a new run, as docs/explanation/coverage.md counts."""
    found = [note for note in notes(foremost(fit_run_table(table(runs, growth), target="test_loss", replicates=0)))
             if "errors" in note]
    assert len(found) == bool(said)
    if said:
        assert said in found[0]
        assert ("intervals of a new run held 0.82 to 0.89" in found[0]) == (runs < 60)
