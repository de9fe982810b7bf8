"""The run table and what is compared in it: what COLLECT writes."""

from __future__ import annotations

from ecgscale.contracts.names import FAMILIES
from ecgscale.contracts.tables import FLAG, REAL, SYNTHETIC, TEXT, WHOLE, Table

RUNS = Table("runs", 1, "table/runs.parquet, table/runs.csv", "A run, whatever became of it", {
    "run_id": TEXT("digest of the run's specification"),
    "study": TEXT("name of the study"),
    "status": TEXT("finished, diverged, failed or unevaluated"),
    "reason": TEXT("why it did not finish"),
    "synthetic": SYNTHETIC,
    "family": TEXT(f"of the architecture: {', '.join(FAMILIES)}"),
    "optimizer": TEXT("sgd, sgdm or adamw"),
    "lr": REAL("learning rate", "1"), "weight_decay": REAL("of the optimizer", "1"),
    "seed": WHOLE("of weights, order and crops", "1"),
    "epochs": WHOLE("asked for", "epochs"),
    "data_fraction": REAL("share of the training recordings that is used", "1"),
    "batch_size": WHOLE("windows a step", "windows"),
    "window": WHOLE("length of a window", "samples"),
    "recipe": TEXT("of the signals"),
    "leads": WHOLE("leads the network sees", "leads"),
    "loss": TEXT("name of the training loss and its reduction; the values are in train_loss, valid_loss, test_loss"),
    "augment": TEXT("augmentations, joined by ;"),
    "precision": TEXT("that training ran in"),
    "params": REAL("parameters that are trained", "parameters"),
    "forward_flops": REAL("forward pass of one window, 2 a multiply-add", "FLOP"),
    "published_flops": REAL("as the published tables count (length-1 input): for comparison only", "FLOP"),
    "train_flops": REAL("forward and backward of all windows seen", "FLOP"),
    "train_records": REAL("unique recordings seen in training", "recordings"),
    "samples_seen": REAL("windows of all epochs", "windows"),
    "train_loss": REAL("at the best epoch", "1"),
    "valid_loss": REAL("at the best epoch, which it chose", "1"),
    "clipped_share": REAL("share of the steps whose gradient was clipped", "1"),
    "best_epoch": REAL("counted from 0", "1"),
    "seconds": REAL("of training, all attempts together", "s"),
    "device": TEXT("that trained"),
    "corpus_digest": TEXT("of the corpus"), "split_digest": TEXT("of the split"), "code_digest": TEXT("of the code"),
}, optional={
    "peak_memory_bytes": REAL("most memory held in training", "byte"),
    "energy_joules": REAL("of training, where a counter could be read", "J"),
    "ended": TEXT("when training ended, ISO time, UTC"),
    "test_loss": REAL("on the test part", "1"),
    "activations": REAL("elements that convolutions, linear layers and attention write for one window", "elements"),
    "configuration": TEXT("digest of everything but the seed: runs that share it differ by seed only"),
    "lead_names": TEXT("names of the leads, joined by ;"),
    "tuning_group": TEXT("group of tuning.csv, where the rate was tuned; null where the study gave it"),
    "lr_low": REAL("lower end of the range that a tuned rate was sought in", "1"),
    "lr_high": REAL("upper end of the range that a tuned rate was sought in", "1"),
    "taught": TEXT("by which run; `alone`: by labels. Where some runs are taught"),
    "teacher_flops": REAL("part of train_flops: the share of the teacher's training, and its answers", "FLOP"),
}, prefixes={
    "hp_": REAL("hyperparameter of the family, by its name; null where not of this family", "of the hyperparameter"),
    "valid_": REAL("metric on validation; ..._low, ..._high: its 95 % interval; ..._tuned: at tuned thresholds",
                   "of the metric"),
    "test_": REAL("metric on test; ..._low, ..._high: its 95 % interval; ..._tuned: at tuned thresholds",
                  "of the metric"),
})

DIFFERENCES = Table("differences", 1, "table/differences.csv", "A run against the reference, paired on the test part", {
    "run_id": TEXT("the run"), "reference": TEXT("the run that validation chose"),
    "metric": TEXT("name of the metric"),
    "difference": REAL("run minus reference", "of the metric"),
    "low": REAL("lower end of its 95 % interval", "of the metric"),
    "high": REAL("upper end of its 95 % interval", "of the metric"),
    "probability": REAL("share of replicates in which the run is at least as good", "1"),
    "n": WHOLE("recordings", "recordings"),
}, keys=("metric", "reference", "run_id"))

AXES = Table("axes", 1, "table/axes.csv", "A recipe, window or set of leads against another, all else equal", {
    "axis": TEXT("recipe, window or leads"),
    "value": TEXT("of the axis; a window in seconds, leads by name"),
    "reference": TEXT("the value that most runs have"),
    "params": WHOLE("parameters of the reference's network; null: all networks", "parameters"),
    "metric": TEXT("challenge_score, or loss: mean over recordings"),
    "difference": REAL("value minus reference, mean over pairs of runs", "of the metric"),
    "low": REAL("lower end of its 95 % interval: patients, and the spread between pairs", "of the metric"),
    "high": REAL("upper end of its 95 % interval", "of the metric"),
    "pairs": WHOLE("pairs of runs, each with means over its seeds", "pairs"),
    "n": WHOLE("test recordings, the same for all", "recordings"),
    "note": TEXT("what to know of it"),
})

NOISE = Table("noise", 1, "table/noise.csv", "Seed noise beside sampling noise of one configuration", {
    "configuration": TEXT("as in runs; empty for all that were trained with several seeds, pooled"),
    "family": TEXT("as in runs"), "optimizer": TEXT("as in runs"), "metric": TEXT("name of the metric"),
    "seeds": WHOLE("runs", "runs"),
    "mean": REAL("of the runs", "of the metric"),
    "seed_deviation": REAL("standard deviation between seeds", "of the metric"),
    "sampling_error": REAL("standard error over patients, mean of the runs", "of the metric"),
}, keys=("metric", "family", "optimizer", "configuration"))

SOURCES = Table("sources", 1, "table/sources.csv", "A model on one source of recordings", {
    "run_id": TEXT("as in runs, or what was published"), "configuration": TEXT("as in runs"),
    "source": TEXT("name of the source"),
    "left_out": FLAG("whether training knew no recording of it"),
    "metric": TEXT("name of the metric"),
    "estimate": REAL("on the source's part of test", "of the metric"),
    "low": REAL("lower end of the 95 % interval", "of the metric"),
    "high": REAL("upper end of the 95 % interval", "of the metric"),
    "n": WHOLE("recordings", "recordings"),
    "internal": REAL("the same metric on the run's validation part", "of the metric"),
    "note": TEXT("what to know of it"),
})
