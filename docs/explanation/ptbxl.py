"""The tables and the figure of ptbxl*.md, from assets/examples/ptbxl alone: no recording, no network.

    PYTHONPATH=lib .venv/bin/python docs/explanation/ptbxl.py             # prints the tables, draws ptbxl-laws.png
    PYTHONPATH=lib .venv/bin/python docs/explanation/ptbxl.py foretell    # what the smaller shares say of all data
    PYTHONPATH=lib .venv/bin/python docs/explanation/ptbxl.py sizes       # what the smaller networks say of larger ones
    PYTHONPATH=lib .venv/bin/python docs/explanation/ptbxl.py largest     # the same of 2 million parameters, with miss
    PYTHONPATH=lib .venv/bin/python docs/explanation/ptbxl.py between     # of large networks on a 16th and a quarter
    PYTHONPATH=lib .venv/bin/python docs/explanation/ptbxl.py rest        # of what the study has besides

A network is a family with its number of parameters; its laws are read from its AdamW runs at the study's rate for it.
"""

import sys
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.ticker import ScalarFormatter
from scipy.stats import linregress, t

from ecgscale.contracts import LATENCY, RUNS
from ecgscale.laws import extrapolate, fit
from ecgscale.laws.kriging import krige
from ecgscale.laws.table import fit_run_table
from ecgscale.report.style import figure, look

ROOT = Path(__file__).parents[2]
EXAMPLE, IMAGES = ROOT / "assets/examples/ptbxl", ROOT / "docs/images"
FORETOLD, FORETOLD_SIZES = EXAMPLE / "foretold.json", EXAMPLE / "foretold-sizes.json"
FORETOLD_LARGEST, FORETOLD_BETWEEN = EXAMPLE / "foretold-largest.json", EXAMPLE / "foretold-between.json"
FORETOLD_REST = EXAMPLE / "foretold-rest.json"
SCORE, AUROC, LOSS = "test_challenge_score_tuned", "test_auroc", "test_loss"
RESPONSES = {"1 - score": SCORE, "1 - AUROC": AUROC, "loss": LOSS}
GUESSING = {"1 - score": 1.0, "1 - AUROC": 0.5, "loss": None}
FAMILIES = {"regnet": "RegNet", "convnext": "ConvNeXt", "resnet": "ResNet", "vit": "ViT"}
SIZE_EDGES = (0, 1e4, 3e4, 1e5, 4e5, 1e6, 1e7)
SIZE_NAMES = ("smallest", "about 20 k", "about 60 k", "about 200 k", "about 600 k", "2 M")
KNOWN = 0.25                # the largest share of the training recordings that the predictions may see
SIXTEENTH = 0.0625          # the share that the learning rates were chosen on
AHEAD = {0.5: 8_709, 1.0: 17_418}   # share -> training recordings, for which predictions are made
LEAST_SHARES = 5
LARGER = {"regnet": (179_882, 590_682, 2_008_250), "resnet": (189_670, 596_076, 1_998_174),
          "convnext": (203_593, 609_848, 2_036_218), "vit": (220_506, 638_626, 1_907_066)}   # to be trained on all data
REST = {"regnet": ((65_530, 17_418), (2_008_250, 4_354)), "resnet": ((55_774, 17_418), (1_998_174, 4_354)),
        "convnext": ((54_703, 17_418), (2_036_218, 4_354)), "vit": ((72_026, 17_418), (1_907_066, 4_354))}
PARTS = {1: (1_089, 4_354), 2: (1_089,)}    # place in LARGER -> training recordings of the runs in between


def finished() -> pd.DataFrame:
    table = RUNS.read(EXAMPLE / "runs.csv")
    table = table[table["status"].eq("finished")]
    return table.assign(network=[f"{FAMILIES[family]} {params / 1e3:.0f} k" for family, params
                                 in zip(table["family"], table["params"], strict=True)])


def at_its_rate(runs: pd.DataFrame) -> pd.DataFrame:
    """The AdamW runs of each network at the rate that has the most shares of the data, the study's for its laws; of two
    rates with equally many the one of the lower validation loss in the mean."""
    adamw = runs[runs["optimizer"].eq("adamw")]
    rates = adamw.groupby(["network", "lr"]).agg(shares=("data_fraction", "nunique"), loss=("valid_loss", "mean"))
    best = rates.reset_index().sort_values(["shares", "loss"], ascending=[False, True]).drop_duplicates("network")
    return adamw.merge(best[["network", "lr"]]).sort_values(["family", "params", "data_fraction", "seed"])


def errors(runs: pd.DataFrame, name: str) -> np.ndarray:
    values = runs[RESPONSES[name]].to_numpy(float)
    return values if name == "loss" else 1 - values


# ------------------------------------------------------------------------------------------- laws tested on the future


def foretell(runs: pd.DataFrame) -> pd.DataFrame:
    """What the runs on at most a quarter of the recordings say of a half and of all: ecg-extrapolate's rule, 90 %."""
    rows = []
    for network, its in at_its_rate(runs).query("data_fraction <= @KNOWN").groupby("network", sort=False):
        if its["data_fraction"].nunique() < LEAST_SHARES:
            continue
        for name in RESPONSES:
            ahead = extrapolate(its["train_records"].to_numpy(), errors(its, name), np.array(list(AHEAD.values())),
                                ceiling=GUESSING[name])
            for place, (share, records) in enumerate(AHEAD.items()):
                rows.append({"network": network, "response": name, "runs": len(its), "data_fraction": share,
                             "train_records": records, "estimate": ahead.y[place], "low": ahead.low[place],
                             "high": ahead.high[place]})
    return pd.DataFrame(rows).round(5)


def foretell_sizes(runs: pd.DataFrame) -> pd.DataFrame:
    """What each family's joint law of parameters and recordings says of LARGER networks on all recordings, 90 % of a
    new run. Of each network, share and seed the AdamW run at the rate that validation chose."""
    its = runs[runs["optimizer"].eq("adamw")].sort_values("valid_loss").drop_duplicates(
        ["network", "data_fraction", "seed"])
    rows = []
    for family, networks in LARGER.items():
        part = its[its["family"].eq(family)]
        for name in RESPONSES:
            table = pd.DataFrame({"params": part["params"], "train_records": part["train_records"],
                                  "loss": errors(part, name)})
            law = fit(table, response="loss", over=("params", "train_records"))
            for params in networks:
                ahead = law.predict(params=params, train_records=AHEAD[1.0])
                rows.append({"family": family, "response": name, "runs": len(part), "params": params,
                             "largest_seen": int(part["params"].max()), "train_records": AHEAD[1.0],
                             "estimate": ahead["y"], "low": ahead["run_low"], "high": ahead["run_high"]})
    return pd.DataFrame(rows).round(5)


def with_miss(runs: pd.DataFrame, family: str, name: str, params: int, records: int = AHEAD[1.0]) -> dict[str, float]:
    """What a joint law with a Gaussian process for what it misses says of a network on so many recordings, 90 % of a
    run. Of each network, share and seed the AdamW run at the rate that validation chose."""
    its = runs[runs["optimizer"].eq("adamw") & runs["family"].eq(family)].sort_values("valid_loss").drop_duplicates(
        ["network", "data_fraction", "seed"])
    ahead = krige("joint", its["params"].to_numpy(float), its["train_records"].to_numpy(float),
                  y=errors(its, name)).predict([params], [records])
    return {"runs": len(its), "largest_seen": int(its["params"].max()), "estimate": ahead["y"][0],
            "low": ahead["run_low"][0], "high": ahead["run_high"][0]}


def foretell_largest(runs: pd.DataFrame) -> pd.DataFrame:
    """What the runs of at most 640 thousand parameters say of 2 million."""
    return pd.DataFrame([{"family": family, "response": name, "params": networks[-1], "train_records": AHEAD[1.0],
                          **with_miss(runs[runs["params"].lt(1e6)], family, name, networks[-1])}
                         for family, networks in LARGER.items() for name in RESPONSES]).round(5)


def foretell_between(runs: pd.DataFrame) -> pd.DataFrame:
    """What small networks on few recordings and large ones on all say of large ones on a 16th and a quarter."""
    return pd.DataFrame([{"family": family, "response": name, "params": networks[place], "train_records": records,
                          **with_miss(runs, family, name, networks[place], records)}
                         for family, networks in LARGER.items() for name in RESPONSES
                         for place, parts in PARTS.items() for records in parts]).round(5)


def foretell_rest(runs: pd.DataFrame) -> pd.DataFrame:
    """What all runs so far say of 60 thousand parameters on all recordings and of 2 million on a quarter."""
    return pd.DataFrame([{"family": family, "response": name, "params": params, "train_records": records,
                          **with_miss(runs, family, name, params, records)}
                         for family, cells in REST.items() for name in RESPONSES
                         for params, records in cells]).round(5)


PREDICTIONS = {"foretell": (foretell, FORETOLD), "sizes": (foretell_sizes, FORETOLD_SIZES),
               "largest": (foretell_largest, FORETOLD_LARGEST), "between": (foretell_between, FORETOLD_BETWEEN),
               "rest": (foretell_rest, FORETOLD_REST)}


def foretold_and_found(runs: pd.DataFrame) -> pd.DataFrame:
    """Each prediction beside the runs that came after it."""
    rows, its = [], at_its_rate(runs)
    for row in pd.read_json(FORETOLD).itertuples():
        later = its[its["network"].eq(row.network) & its["data_fraction"].eq(row.data_fraction)]
        for found in errors(later, row.response):
            rows.append({"network": row.network, "response": row.response, "share": row.data_fraction,
                         "foretold": row.estimate, "low": row.low, "high": row.high, "found": found,
                         "inside": row.low <= found <= row.high})
    return pd.DataFrame(rows)


def larger_found(runs: pd.DataFrame, foretold: Path) -> pd.DataFrame:
    """Each prediction for a larger network beside its run on as many recordings, of two rates the one that validation
    chose."""
    its = runs[runs["optimizer"].eq("adamw")].sort_values("valid_loss")
    rows = []
    for row in pd.read_json(foretold).itertuples():
        for run in its[its["params"].eq(row.params) & its["train_records"].eq(row.train_records)].head(1).itertuples():
            found = errors(its.loc[[run.Index]], row.response)[0]
            rows.append({"network": run.network, "family": row.family, "params": row.params,
                         "train_records": row.train_records, "response": row.response,
                         "foretold": row.estimate, "low": row.low, "high": row.high, "found": found,
                         "inside": row.low <= found <= row.high})
    return pd.DataFrame(rows)


def in_hindsight(runs: pd.DataFrame) -> pd.DataFrame:
    """What the law with its miss says of the networks of FORETOLD_SIZES, from the runs that were there before them: the
    table tells of later ones when they `ended`."""
    before = runs[runs["ended"].isna() & ~(runs["data_fraction"].eq(1) & runs["params"].gt(1e5))]
    rows = []
    for row in larger_found(runs, FORETOLD_SIZES).itertuples():
        told = with_miss(before, row.family, row.response, row.params)
        rows.append({"network": row.network, "response": row.response, "with miss": told["estimate"],
                     "low": told["low"], "high": told["high"], "found": row.found,
                     "inside": told["low"] <= row.found <= told["high"]})
    return pd.DataFrame(rows)


# ------------------------------------------------------------------------------------------------------------- laws


def exponents(runs: pd.DataFrame) -> pd.DataFrame:
    """Of each network with four shares or more, in training recordings: the straight line in logarithms."""
    rows = []
    for network, its in at_its_rate(runs).groupby("network", sort=False):
        if its["data_fraction"].nunique() < 4:
            continue
        for name in RESPONSES:
            rows.append({"network": network, "response": name, "n": len(its),
                         **slope(np.log(its["train_records"].to_numpy()), np.log(errors(its, name)))})
    return pd.DataFrame(rows)


def slope(x: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """Of least squares, negative as an exponent is, with its 90 % interval by Student's t."""
    line = linregress(x, y)
    reach = t.ppf(0.95, len(x) - 2) * line.stderr
    return {"c": -line.slope, "low": -line.slope - reach, "high": -line.slope + reach}


def slower(runs: pd.DataFrame) -> pd.DataFrame:
    """Pairs of networks of about 20 thousand parameters: the exponent in data of the ratio of their errors, from the
    shares that both have. The ratio of two power laws is one whose exponent is the difference."""
    its, rows = at_its_rate(runs).query("15e3 < params < 25e3"), []
    shares = its.groupby("network")["data_fraction"].nunique()
    for a, b in combinations(shares.index[shares >= 4], 2):
        for name in RESPONSES:
            y = {one: pd.Series(np.log(errors(part, name)), part["train_records"]).groupby(level=0).mean()
                 for one, part in its[its["network"].isin([a, b])].groupby("network")}
            ratio = (y[a] - y[b]).dropna()
            rows.append({"a": a, "b": b, "response": name, "n": len(ratio),
                         **slope(np.log(ratio.index.to_numpy()), ratio.to_numpy())})
    return pd.DataFrame(rows)


def verdicts(runs: pd.DataFrame) -> pd.DataFrame:
    """What ecg-fit says of the power and the floor law of all these runs together."""
    rows = []
    for name, column in RESPONSES.items():
        for one in fit_run_table(at_its_rate(runs), target=column, replicates=0).fits:
            if one.subset == "all" and len(one.x) == 1 and one.law in ("power", "floor") and one.y.endswith(column):
                low, high = one.intervals.get("c", (None, None))
                rows.append({"response": name, "x": one.x[0], "law": one.law, "n": one.points, "c": one.estimates["c"],
                             "low": low, "high": high, "floor": one.estimates.get("E"), "verdict": one.verdict,
                             "reason": one.reason})
    return pd.DataFrame(rows).drop_duplicates()


# ------------------------------------------------------------------------------------------------- rates and choices


def rates(runs: pd.DataFrame) -> pd.DataFrame:
    """Every rate tried on a 16th of the data, seed 0."""
    tried = runs.query("data_fraction == @SIXTEENTH and seed == 0")
    return tried.sort_values(["optimizer", "family", "params", "lr"])[
        ["network", "optimizer", "lr", "valid_loss", SCORE, AUROC]]


def optimizers(runs: pd.DataFrame) -> pd.DataFrame:
    """RegNet 18 k by optimizer at the rate that its validation loss on a 16th chose, and at every other."""
    its = runs.query("family == 'regnet' and 15e3 < params < 25e3")
    return its.sort_values(["data_fraction", "optimizer", "lr", "seed"])[
        ["data_fraction", "optimizer", "lr", "seed", SCORE, f"{SCORE}_low", f"{SCORE}_high", AUROC, LOSS]]


def best(runs: pd.DataFrame) -> pd.DataFrame:
    """At each share the run that validation chose."""
    its = runs.loc[runs.groupby("data_fraction")["valid_loss"].idxmin()]
    return its[["train_records", "network", "optimizer", "lr", "epochs", SCORE, f"{SCORE}_low", f"{SCORE}_high", AUROC,
                f"{AUROC}_low", f"{AUROC}_high", "seconds"]]


def by_size(runs: pd.DataFrame) -> pd.DataFrame:
    """Of each family and share that the large networks have: the test score by number of parameters, of the AdamW run
    that validation chose."""
    its = runs[runs["optimizer"].eq("adamw") & runs["data_fraction"].isin((SIXTEENTH, KNOWN, 1.0))]
    its = its.sort_values("valid_loss").drop_duplicates(["network", "train_records"])
    its = its.assign(of=pd.cut(its["params"], SIZE_EDGES, labels=SIZE_NAMES))
    return its.pivot_table(SCORE, ["train_records", "family"], "of", observed=False).round(3).reset_index()


def latencies() -> pd.DataFrame:
    """Of each network and runtime the median of one window in ms, lowest and highest of the repeats that hold."""
    rows = LATENCY.read(EXAMPLE / "latency.parquet").query("status == 'ok'")
    by = rows.groupby(["family", "params", "runtime", "ran_precision"])["p50_ms"]
    return by.agg(["size", "min", "median", "max"]).reset_index()


def draw(runs: pd.DataFrame) -> None:
    """Error against training recordings, a line a network of several shares, with what was foretold. A family has a
    colour; its larger network a whole line, its smaller one a broken line."""
    its, foretold = at_its_rate(runs), pd.read_json(FORETOLD)
    its = its[its.groupby("network")["data_fraction"].transform("nunique").ge(LEAST_SHARES)]
    picture = figure(10, 3.4)
    panels = picture.subplots(1, 3)
    for panel, name in zip(panels, RESPONSES, strict=True):
        for network, part in its.groupby("network", sort=False):
            family = part["family"].iloc[0]
            colour, marker, _ = look(family, list(FAMILIES))
            small = part["params"].iloc[0] < its[its["family"].eq(family)]["params"].max()
            middle = part.assign(y=errors(part, name)).groupby("train_records")["y"].mean()
            panel.plot(middle.index, middle, color=colour, marker=marker, markersize=4, linewidth=1, label=network,
                       linestyle="--" if small else "-", markerfacecolor="white" if small else colour)
            for row in foretold[foretold["network"].eq(network) & foretold["response"].eq(name)].itertuples():
                place = row.train_records * (1.06 + 0.1 * (family == "resnet"))
                panel.plot([place, place], [row.low, row.high], color=colour, linewidth=1.5, alpha=0.6)
        panel.set(xscale="log", yscale="log", xlabel="training recordings", title=f"{name}, test part")
        panel.yaxis.set_major_formatter(ScalarFormatter())
        panel.yaxis.set_minor_formatter(ScalarFormatter())
    handles, names = panels[0].get_legend_handles_labels()
    picture.legend(handles, names, loc="outside right", fontsize=8)
    picture.savefig(IMAGES / "ptbxl-laws.png", dpi=150)


def main() -> None:
    runs = finished()
    if sys.argv[1:]:
        foretelling, place = PREDICTIONS[sys.argv[1]]
        foretelling(runs).to_json(place, orient="records", indent=1)
        return
    pd.set_option("display.precision", 4)
    tables = [rates(runs), exponents(runs), slower(runs), verdicts(runs), optimizers(runs), best(runs),
              foretold_and_found(runs), larger_found(runs, FORETOLD_SIZES), in_hindsight(runs),
              larger_found(runs, FORETOLD_LARGEST), larger_found(runs, FORETOLD_BETWEEN),
              larger_found(runs, FORETOLD_REST), by_size(runs), latencies()]
    for table in tables:
        print(table.to_string(index=False), end="\n\n")
    draw(runs)


if __name__ == "__main__":
    main()
