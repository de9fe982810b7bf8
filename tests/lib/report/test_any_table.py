"""Any table ends in a report, and what it lacks is said: in the terminal, in its chapter, and by the exit code."""

import numpy as np
import pandas as pd
import pytest

from ecgscale.analysis.analyse import NOTHING_ASKED, analyse
from ecgscale.numbers import number
from ecgscale.paths import ASSETS
from ecgscale.report import inputs, page, tables
from ecgscale.tables.runs import read_runs

N = np.geomspace(1e5, 1e9, 18)
SCORE = 1 - 2 * N**-0.1 * np.exp(0.02 * np.random.default_rng(1).standard_normal(18))
STUDY = """name: none
analysis: {bootstrap: %d}
runs: [{family: regnet, sampler: list, models: [regnet-20k], optimizers: [{name: adamw, lr: 5e-3}]}]
"""


def ours() -> pd.DataFrame:
    """Eight runs of this project, with all that its tables hold but most of the sizes."""
    lost = ["forward_flops", "train_flops", "train_records", "samples_seen", "test_loss"]
    return read_runs(ASSETS / "examples" / "runs.csv").frame.head(8).drop(columns=lost)


TABLES = {          # table, whether a law can be asked, what is said
    "a score alone": (pd.DataFrame({"params": N, "test_challenge_score": SCORE}), True, "18 of 18 rows used"),
    "one optimizer": (pd.DataFrame({"params": N, "test_auroc": SCORE, "optimizer": "adamw"}), True,
                      "18 of 18 rows used"),
    "all crashed": (pd.DataFrame({"params": N, "loss": 1 - SCORE, "state": "crashed"}), False, "18 crashed"),
    "three runs": (pd.DataFrame({"params": N[:3], "loss": 1 - SCORE[:3]}), False, "6 are needed"),
    "one size": (pd.DataFrame({"params": 1e6, "loss": 1 - SCORE}), False, "fewer than two values"),
    "no values": (pd.DataFrame({"params": N, "loss": np.nan}), False, "no value that has a logarithm"),
    "ours without sizes": (ours(), True, "8 of 8 rows used"),
}


@pytest.mark.parametrize("name", TABLES)
def test_any_table_ends_in_a_report(tmp_path, capsys, name):
    table, asked, said = TABLES[name]
    table.to_csv(tmp_path / "runs.csv", index=False)
    (tmp_path / "study.yaml").write_text(STUDY % 0)
    code = analyse(tmp_path / "runs.csv", [], tmp_path / "study.yaml", tmp_path / "fit")
    assert code == (0 if asked else NOTHING_ASKED)
    terminal = "".join(capsys.readouterr())
    page.write(inputs.read(tmp_path / "runs.csv", tmp_path / "fit"), tmp_path / "report")
    html = (tmp_path / "report" / "report.html").read_text()
    assert said in terminal or name == "one optimizer"
    assert said in html


def test_of_a_table_of_losses_the_list_of_runs_has_them_the_lowest_first(tmp_path):
    """It was headed "best first (Challenge score (test))", in the order of the file, without a loss in any row."""
    random = np.random.default_rng(2)
    table = pd.DataFrame({"run": [f"r{i}" for i in range(18)], "params": N, "tokens": random.permutation(20 * N),
                          "val_loss": 3 * N**-0.1, "state": "finished"}).sample(frac=1, random_state=1)
    table.to_csv(tmp_path / "runs.csv", index=False)
    (tmp_path / "study.yaml").write_text(STUDY % 0)
    analyse(tmp_path / "runs.csv", [], tmp_path / "study.yaml", tmp_path / "fit")
    read = inputs.read(tmp_path / "runs.csv", tmp_path / "fit")
    made = tables.runs(read)
    assert made.caption.startswith("Every run, lowest loss first (")
    assert [row[0] for row in made.rows] == [f"r{i}" for i in reversed(range(18))]
    lowest = dict(zip(made.head, made.rows[0], strict=True))
    assert number(table["val_loss"].min(), 4) in lowest.values()
    assert number(table.set_index("run")["tokens"]["r17"], 4) in lowest.values()
