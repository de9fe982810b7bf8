"""What could be deployed: each measured model in each setting, and the networks of named sizes that were not measured,
with the score and the latency that the laws of their family foretell."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ecgscale.analysis.next_scale import SIZES, Family, allowed, family_of
from ecgscale.analysis.proposal import best_of_cells
from ecgscale.analysis.transferred import rate_for
from ecgscale.contracts import Export, PlannedRun
from ecgscale.contracts.run_table import finished, judged_by, on_part
from ecgscale.deploy.size_law import FEWEST, SizeLaw, fit_size_law
from ecgscale.design.ladder import climbed, ladder
from ecgscale.laws.columns import Response, explains, response
from ecgscale.laws.kriging import HALF_WIDTH
from ecgscale.models.complexity import SIZES as NETWORKS
from ecgscale.numbers import number

SETTING = ["machine", "device", "runtime", "option", "precision", "threads"]
WEIGHT_BYTES = {"float16": 2, "int8": 1}        # of a file's weight; 4 of any other: bf16 is computed from float32
OF_A_RUN = ["family", "params", "train_records", "samples_seen"]
REACH = 10.0            # times the FLOPs of the dearest run, beyond which no law is followed
AS_IN_RUNS = ("family", "params", "forward_flops")
ASKED = ("single", 1)                           # scenario, and windows a call


@dataclass(frozen=True)
class Scores:
    """judged: the response that is reported; chosen: the one that chooses, of validation where the table has one."""

    judged: Response
    chosen: Response

    @property
    def flattered(self) -> bool:
        return self.judged.column == self.chosen.column


def scores_of(runs: pd.DataFrame, asked: str) -> Scores | None:
    """None for a table without a score."""
    column = judged_by(runs, asked)
    if not explains(runs, column):
        return None
    valid = on_part(column, "validation")
    chosen = next((name for name in (valid, "valid_loss")
                   if name and explains(runs, name) and runs[name].notna().any()), column)
    return Scores(response(runs, column), response(runs, chosen))


# ------------------------------------------------------------------------------------------------------------ measured


def measured(runs: pd.DataFrame, latency: pd.DataFrame, exports: Iterable[Export], scores: Scores,
             statistic: str = "p50") -> tuple[pd.DataFrame, list[str]]:
    """A row a model and setting of one window a call, and what was left out, counted. log_y: of the response that
    chooses; score with the 95 % interval of the run table; ms of all repeats, the ends being their outermost."""
    rows, notes = promised(latency, statistic)
    known = finished(runs.assign(log_y=np.log(scores.chosen.y)), scores.judged.column)
    known = known[np.isfinite(known["log_y"])].assign(run_id=lambda one: one["run_id"].astype(str))
    lost = rows[~rows["run_id"].isin(known["run_id"])]
    if len(lost):
        notes.append(f"{len(lost)} latencies of {lost['run_id'].nunique()} models have no run with "
                     f"{scores.judged.column} and {scores.chosen.column} in the run table")
    notes += apart(rows, known)
    column, times = scores.judged.column, [f"{statistic}_ms", f"{statistic}_low_ms", f"{statistic}_high_ms"]
    ends = known.reindex(columns=list(dict.fromkeys([
        "run_id", "log_y", *OF_A_RUN, "optimizer", column, f"{column}_low", f"{column}_high"])))
    rows = rows.drop(columns=[name for name in OF_A_RUN if name in rows]).merge(ends, on="run_id")
    files = {(export.run_id, one.digest): one.bytes for export in exports for one in export.artefacts if one.digest}
    made = []
    for key, group in rows.groupby(["run_id", *SETTING], dropna=False, sort=True):
        first = group.iloc[0]
        file = files.get((first["run_id"], first["artefact_digest"]))
        weight = WEIGHT_BYTES.get(first["precision"], 4)
        made.append(dict(zip(["run_id", *SETTING], key, strict=True)) | {
            "kind": "measured", "family": first["family"], "model": first["model"], "params": first["params"],
            "forward_flops": first["forward_flops"], "train_records": first["train_records"],
            "samples_seen": first["samples_seen"], "log_y": first["log_y"], "sd": 0.0, "score": first[column],
            "low": first[f"{column}_low"], "high": first[f"{column}_high"], "level": 0.95,
            "ms": group[times[0]].median(), "ms_low": group[times[1]].min(), "ms_high": group[times[2]].max(),
            "bytes": float(file if file is not None else weight * first["params"]),
            "bytes_from": "file" if file is not None else f"{weight} bytes a parameter", "repeats": len(group),
            "calls": group["count"].sum(), "file_difference": first["score_difference"], "note": ""})
    derived = sum(one["bytes_from"] != "file" for one in made)
    if derived:
        notes.append(f"{derived} of {len(made)} sizes of files are reckoned from parameters: no export.json tells them")
    return pd.DataFrame(made), notes


def apart(latency: pd.DataFrame, runs: pd.DataFrame) -> list[str]:
    """Says where latencies tell another network than the run table does of the same run."""
    known = runs.drop_duplicates("run_id").set_index("run_id")
    there = {name: latency["run_id"].map(known[name]) for name in AS_IN_RUNS if name in known}
    differ = {name: (told.notna() & told.ne(latency[name])).sum() for name, told in there.items()}
    return [f"{count} of these latencies tell another {name} than the run table does of their run"
            for name, count in differ.items() if count]


def promised(latency: pd.DataFrame, statistic: str) -> tuple[pd.DataFrame, list[str]]:
    """`standing` less what no score can be promised of: a file in int8 of other weights than the run's."""
    rows, notes = standing(latency, statistic)
    unknown = rows["weights_of"].notna() & rows["precision"].eq("int8")
    if unknown.any():
        notes.append(f"{unknown.sum()} of these latencies are of files of other weights, whose score in int8 is not "
                     "known: left out")
    return rows[~unknown], notes


def standing(latency: pd.DataFrame, statistic: str) -> tuple[pd.DataFrame, list[str]]:
    """The rows whose times stand, and how many of the others there are, by the first reason that holds."""
    rows = latency.reindex(columns=list(dict.fromkeys([
        *latency, f"{statistic}_low_ms", f"{statistic}_high_ms", "artefact_status", "score_difference", "weights_of"])))
    option = rows["option"].fillna("")
    asked = option.str.extract(r"(?:^|;)precision=([^;]+)", expand=False)
    rows = rows.assign(option=option, precision=rows["ran_precision"].fillna(asked).fillna("not told"),
                       run_id=rows["run_id"].astype(str))
    why = {"not measured or disturbed": rows["status"].ne("ok"),
           "of other scenarios or batches": rows["scenario"].ne(ASKED[0]) | rows["batch"].fillna(1).ne(ASKED[1]),
           "fell back": rows["fallback"].eq(True),
           "of a file that loses too much score": rows["artefact_status"].eq("beyond-margin"),
           f"without {statistic}_ms": ~(rows[f"{statistic}_ms"].astype(float) > 0)}
    reason = np.select(list(why.values()), list(why), "")
    left = [f"{len(rows)} latencies: {int((reason == '').sum())} used" + "".join(
        f", {(reason == name).sum()} {name}" for name in why if (reason == name).any())]
    return rows[reason == ""], left


# ------------------------------------------------------------------------------------------------------------ foretold


def foretold(runs: pd.DataFrame, known: pd.DataFrame, exports: Iterable[Export], scores: Scores
             ) -> tuple[pd.DataFrame, dict[str, PlannedRun], list[str]]:
    """Rows as `measured` gives them, of networks of named sizes that have no row there, with 90 % intervals of one run;
    each network's run by the network's name; and what cannot be foretold, with the reason.

    known: rows of `measured`. A network is trained as its family's best run of the nearest size, on as many recordings
    and for as many epochs as the law's largest.
    """
    made, planned, notes = [], {}, []
    exports = list(exports)
    if not exports:
        return pd.DataFrame(), {}, ["no model is foretold: no export.json tells how networks were trained (--models)"]
    usable = finished(runs.assign(y=scores.chosen.y, judged=scores.judged.y), scores.judged.column)
    for name in sorted({one.spec.model.family for one in exports}):
        own = [one for one in exports if one.spec.model.family == name]
        family, why = law_of_family(usable, name, scores)
        if why:
            notes.append(f"no {name} is foretold: {why}")
            continue
        told, far = with_scores(family, own, usable, scores)
        if far:
            notes.append(f"nothing of {', '.join(far)} is foretold: they would cost more than {REACH:g} times what the "
                         "dearest run did")
        planned |= {row["model"]: row["run"] for row in told}
        settings = list(known[known["family"].eq(name)].groupby(SETTING, dropna=False, sort=True))
        few = []
        for setting, group in settings:
            networks = group.groupby("params")[["forward_flops", "ms"]].median()
            law = fit_size_law(*networks.to_numpy(float).T)
            if law is None:
                few.append(len(networks))
                continue
            made += [row | dict(zip(SETTING, setting, strict=True)) | in_setting(row, group, law)
                     for row in told if row["params"] not in set(group["params"])]
        if few:
            notes.append(f"no {name} is foretold in {len(few)} of {len(settings)} settings: at most {max(few)} sizes "
                         f"of it were measured, and a law of latency needs {FEWEST}: export more (deploy.top)")
    return pd.DataFrame(made).drop(columns="run", errors="ignore"), planned, notes


def law_of_family(usable: pd.DataFrame, name: str, scores: Scores) -> tuple[Family | None, str]:
    lacking = [one for one in (*SIZES, "train_flops", "data_fraction", "epochs", "family", "optimizer", "lr")
               if one not in usable]
    if lacking:
        return None, f"the run table has no {', '.join(lacking)}"
    seen, _ = best_of_cells(usable, SIZES, scores.chosen.name, name)
    family = family_of(name, seen.reset_index(drop=True))
    return family, f"{family.reason}: {family.remedy}" if family.reason else ""


def with_scores(family: Family, exports: list[Export], usable: pd.DataFrame, scores: Scores
                ) -> tuple[list[dict], list[str]]:
    """Each named size of the family within REACH: what is foretold of its scores, and its run; and the others' names.
    """
    seen = family.seen
    most = seen[seen["train_records"].eq(seen["train_records"].max())].iloc[-1]
    records = round(most["train_records"] / most["data_fraction"])
    best = max(exports, key=lambda one: one.ledger.params)
    rungs = allowed(family, ladder(NETWORKS, [(float(most["data_fraction"]), int(most["epochs"]))], best.spec,
                                   len(best.classes), records))
    near = rungs["train_flops"] <= REACH * seen["train_flops"].max()
    far, rungs = rungs.loc[~near, "model"].tolist(), rungs[near]
    if rungs.empty:
        return [], far
    judged = family_of(family.name, seen.assign(y=seen["judged"])[np.isfinite(seen["judged"])].reset_index(drop=True))
    mean, _, sd = family.told.ahead(family.log_at(rungs), 1)
    rows = []
    for place, rung in enumerate(rungs.to_dict("records")):
        like = min(exports, key=lambda one: abs(np.log(one.ledger.params / rung["params"])))
        run = planned_run(like, rung, family, usable, scores)
        score, low, high = in_column(scores.judged, *ahead(judged, rung))
        trained = usable[usable["family"].eq(family.name) & usable["params"].eq(rung["params"])]
        rows.append({
            "kind": "foretold", "run_id": "", "family": family.name, "model": rung["model"], "params": rung["params"],
            "forward_flops": float(run.ledger.forward_flops), "log_y": float(mean[place]), "sd": float(sd[place]),
            "score": score, "low": low, "high": high, "level": 0.9, "train_records": rung["train_records"],
            "samples_seen": rung["samples_seen"], "train_flops": rung["train_flops"], "run": run,
            "note": "; ".join(filter(None, [
                f"trained already ({trained['run_id'].iloc[0]}): export and measure it" if len(trained) else "",
                beyond("parameters", rung["params"], seen["params"].max())]))})
    return rows, far


def ahead(judged: Family, rung: dict) -> np.ndarray:
    """(3,) the middle and both ends of log y of one run, NaN where the judged score has no law."""
    if judged.told is None:
        return np.full(3, np.nan)
    mean, _, sd = judged.told.ahead(judged.log_at(pd.DataFrame([rung])), 1)
    return mean[0] + HALF_WIDTH * sd[0] * np.array([0.0, -1.0, 1.0])


def in_column(made: Response, *log_y: float) -> tuple[float, float, float]:
    """Of log y: values of the column, a score being 1 less its error, the ends in their order."""
    value, *ends = made.in_column(np.minimum(np.exp(log_y), made.most))
    return float(value), float(min(ends)), float(max(ends))


def planned_run(near: Export, rung: dict, family: Family, usable: pd.DataFrame, scores: Scores) -> PlannedRun:
    """The network trained as the exported model next to it, at the rate that `rate_for` gives for its optimizer."""
    spec, like = near.spec, pd.Series(rung)
    run_id, rate, _ = rate_for(family.seen, like, usable, scores.chosen.column)
    same = family.seen.loc[family.seen["run_id"].eq(run_id), "optimizer"].eq(spec.optimizer.name).all()
    optimizer = spec.optimizer.model_copy(update={"lr": rate}) if same else spec.optimizer
    return climbed(spec, rung["model"], len(near.classes), study=f"confirm-{rung['model']}",
                   data_fraction=rung["data_fraction"], epochs=rung["epochs"], optimizer=optimizer, seed=0)


def in_setting(row: dict, group: pd.DataFrame, law: SizeLaw) -> dict:
    """Latency and size of the file of a network that was not measured in this setting."""
    ms, low, high = law.at(row["forward_flops"])
    near = group.loc[(np.log(group["params"].astype(float)) - np.log(row["params"])).abs().idxmin()]
    return {"ms": ms, "ms_low": low, "ms_high": high, "bytes": float(near["bytes"] / near["params"] * row["params"]),
            "bytes_from": f"bytes a parameter of {near['model']}", "repeats": None, "calls": None,
            "file_difference": None, "note": "; ".join(filter(None, [
                row["note"], beyond("FLOPs", row["forward_flops"], law.most_flops)]))}


def beyond(what: str, at: float, most: float) -> str:
    return f"{number(at / most, 2)} times the most {what} seen" if at > most * (1 + 1e-9) else ""
