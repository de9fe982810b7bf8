"""Which INT8 setting comes nearest to the trained networks: chosen on validation recordings, shown on the test fold.

    python -m ecgscale.deploy.export.settings --trained trained/* --corpus corpus/* --split split

prints a Markdown table. Calibration sees the training fold, the choice the validation fold, and the test fold is looked
at once, for every setting, after the choice.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from time import perf_counter

import numpy as np
import pandas as pd
import torch

from ecgscale.contracts import read_split
from ecgscale.contracts.labels import LabelSet, read_label_set
from ecgscale.deploy.export.check import Reference, differences, reference, windows_of
from ecgscale.deploy.export.formats import Exporter, normalizes_layers, quiet
from ecgscale.deploy.export.quantization import SETTINGS, Setting, quantized
from ecgscale.ecg.corpus import Corpus
from ecgscale.models.networks import load


def compare(trained: list[Path], corpus: Corpus, split: pd.DataFrame, label_set: LabelSet,
            settings: tuple[Setting, ...] = SETTINGS, replicates: int = 1000, seed: int = 0) -> pd.DataFrame:
    """A row a network, setting and part: differences to the network (see check.differences), and ms a window."""
    positions = {part: np.sort(corpus.positions(split.loc[split["part"] == part, "record"]))
                 for part in ("train", "valid", "test")}
    most, rows = max(setting.samples for setting in settings), []
    for folder in trained:
        result, network = load(folder)
        generator = np.random.default_rng(seed)
        drawn = generator.permutation(positions["train"])[:most]
        spec = result.spec
        windows = windows_of(corpus, drawn, spec.leads, spec.window)
        calibration = windows[generator.permutation(len(windows))[:most]]
        truths = [reference(network, corpus, positions[part], result.classes, spec.leads, spec.window, part)
                  for part in ("valid", "test")]
        exporter = Exporter(network, (1, len(spec.leads), spec.window), {}, calibration)
        for setting in settings:
            with quiet():
                model = quantized(exporter.openvino_model, calibration, normalizes_layers(network), setting)
            for truth in truths:
                logits, milliseconds = run(model, truth)
                found = differences(truth, logits, label_set, result.classes, replicates, seed)
                rows.append({"network": f"{spec.model.family} {result.ledger.params:,}", "setting": setting.name,
                             "part": truth.part, "ms": milliseconds, **found})
    return pd.DataFrame(rows)


def run(model, truth: Reference) -> tuple[np.ndarray, float]:
    """Logits (windows, classes), and the median time of a call in ms, in one thread."""
    import openvino

    options = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1}
    request = openvino.Core().compile_model(model, "CPU", options).create_infer_request()
    logits, times = [], []
    for window in truth.batches(1):
        start = perf_counter()
        request.infer([window])
        times.append(perf_counter() - start)
        logits.append(request.get_output_tensor(0).data.copy())
    return np.concatenate(logits), 1e3 * float(np.median(times))


def best(rows: pd.DataFrame) -> str:
    """The setting of the smallest mean logit difference on validation: geometric mean over the networks."""
    valid = rows[rows["part"] == "valid"].assign(log=lambda frame: np.log(frame["mean_logit_difference"]))
    return valid.groupby("setting", sort=False)["log"].mean().idxmin()


def overview(rows: pd.DataFrame) -> str:
    """A Markdown line a setting, over all networks: validation, which chooses (in bold), and test, which does not."""
    chosen, times = best(rows), rows.pivot_table(index="setting", columns="network", values="ms", aggfunc="min")
    slower = (times / times.min()).mean(axis=1)         # the part that was disturbed less
    lines = ["| setting | mean difference, validation | mean difference, test | largest, test | sign flips, test |"
             " loss of score, test | time |", "| --- " * 7 + "|"]
    for setting, group in rows.groupby("setting", sort=False):
        valid, test = (group[group["part"] == part].set_index("network") for part in ("valid", "test"))
        near = [np.exp(np.log(part["mean_logit_difference"]).mean()) for part in (valid, test)]
        lines.append(f"| {f'**{setting}**' if setting == chosen else setting} | {near[0]:.4f} | {near[1]:.4f} "
                     f"| {test['max_logit_difference'].max():.2f} | {test['sign_flips'].sum()} "
                     f"| {-test['score_difference'].mean():+.4f} | {slower[setting]:.2f} |")
    return "\n".join(lines)


def by_network(rows: pd.DataFrame) -> str:
    """A Markdown line a network and setting of three: what NNCF does, its ranges corrected, the chosen one; test."""
    shown = dict.fromkeys([SETTINGS[0].name, SETTINGS[1].name, best(rows)])
    lines = ["| network | setting | largest difference | mean | sign flips | loss of score [95 %] |"
             " loss of AUROC [95 %] |", "| --- " * 7 + "|"]
    test = rows[(rows["part"] == "test") & rows["setting"].isin(list(shown))]
    for row in test.to_dict("records"):
        losses = [f"{-row[name]:+.4f} [{-row[f'{name}_high']:+.4f}, {-row[f'{name}_low']:+.4f}]"
                  for name in ("score_difference", "auroc_difference")]
        lines.append(f"| {row['network']} | {row['setting']} | {row['max_logit_difference']:.3f} "
                     f"| {row['mean_logit_difference']:.4f} | {row['sign_flips']} of {26 * row['checked_records']} "
                     f"| {losses[0]} | {losses[1]} |")
    return "\n".join(lines)


if __name__ == "__main__":
    made = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    made.add_argument("--trained", type=Path, nargs="+", required=True, metavar="DIR")
    made.add_argument("--corpus", type=Path, nargs="+", required=True, metavar="DIR")
    made.add_argument("--split", type=Path, required=True, metavar="DIR")
    given = made.parse_args()
    torch.set_num_threads(1)
    corpus, (split, _) = Corpus.open(given.corpus).checked(), read_split(given.split)
    found = compare(given.trained, corpus, split, read_label_set())
    print(f"{overview(found)}\n\n{by_network(found)}")
