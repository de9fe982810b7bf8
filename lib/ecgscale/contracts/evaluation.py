"""Predictions, metrics and the run table: what EVALUATE and COLLECT write."""

from __future__ import annotations

from ecgscale.contracts.files import FLAG, REAL, TEXT, WHOLE, Table

# ---------------------------------------------------------------------------- EVALUATE: one folder a run (run_id)/
# predictions.parquet, metrics.csv, reliability.csv, recalibration.csv

PREDICTIONS = Table("predictions", 1, {"record": TEXT, "part": TEXT}, optional={
    "synthetic": FLAG,
    "patient": TEXT,
    "loss": REAL,           # the run's own loss, mean over windows and classes
    "gained": REAL, "possible": REAL,   # at 0.5: the Challenge score of any recordings is sum(gained) / sum(possible)
}, prefixes={"p_": REAL})   # p_<class code>: probability of the whole recording

METRICS = Table("metrics", 1, {
    "run_id": TEXT,
    "part": TEXT,           # valid or test
    "threshold": TEXT,      # "0.5", "tuned" or "specificity 0.95" (a class, on validation), or "" where none is used
    "group": TEXT,          # "all", or the kind: class, source, sex, age
    "value": TEXT,          # which class code, source, ...; "" for all
    "metric": TEXT,
    "estimate": REAL,       # null where undefined
    "low": REAL, "high": REAL,   # 95 % bootstrap interval; null where none
    "n": WHOLE,             # recordings
    "positives": WHOLE,     # where the group is a class
    "note": TEXT,
})

RELIABILITY = Table("reliability", 1, {
    "run_id": TEXT, "part": TEXT,
    "value": TEXT,          # class code, "" for all classes together
    "bin": WHOLE, "low": REAL, "high": REAL, "n": WHOLE,
    "probability": REAL,    # mean of the bin
    "share": REAL,          # of positives
})

RECALIBRATION = Table("recalibration", 1, {  # isotonic, fitted on validation: linear between the rows of a class
    "run_id": TEXT, "value": TEXT, "probability": REAL, "calibrated": REAL,
})


# ---------------------------------------------------------------------------------------------------------- COLLECT

RUNS = Table("runs", 1, {
    "run_id": TEXT, "study": TEXT, "status": TEXT, "reason": TEXT, "synthetic": FLAG,
    "family": TEXT, "optimizer": TEXT, "lr": REAL, "weight_decay": REAL, "seed": WHOLE,
    "epochs": WHOLE, "data_fraction": REAL, "batch_size": WHOLE, "window": WHOLE, "recipe": TEXT, "leads": WHOLE,
    "loss": TEXT, "augment": TEXT, "precision": TEXT,
    "params": REAL, "forward_flops": REAL, "published_flops": REAL, "train_flops": REAL,
    "train_records": REAL, "samples_seen": REAL,
    "train_loss": REAL, "valid_loss": REAL, "clipped_share": REAL, "best_epoch": REAL,
    "seconds": REAL, "device": TEXT,
    "corpus_digest": TEXT, "split_digest": TEXT, "code_digest": TEXT,
}, optional={"peak_memory_bytes": REAL, "energy_joules": REAL, "test_loss": REAL, "activations": REAL,
             "configuration": TEXT,     # digest of everything but the seed: runs that share it differ by seed only
             # of a rate that was tuned: group of tuning.csv and ends of its range; null where the study gave the rate
             "tuning_group": TEXT, "lr_low": REAL, "lr_high": REAL},
    prefixes={
        "hp_": REAL,        # hyperparameters of the family: hp_depth, hp_w_m, ...; null where not of this family
        "valid_": REAL,     # valid_challenge_score, valid_auroc, ...
        "test_": REAL,      # test_challenge_score, test_challenge_score_low, test_challenge_score_high, ...
                            # ending _tuned, _tuned_low, _tuned_high: at the tuned thresholds
    })

DIFFERENCES = Table("differences", 1, {  # paired, on the test part
    "run_id": TEXT, "reference": TEXT,   # the run that validation chose
    "metric": TEXT, "difference": REAL, "low": REAL, "high": REAL,   # run minus reference, 95 % interval
    "probability": REAL,                 # share of replicates in which the run is at least as good
    "n": WHOLE,
})

NOISE = Table("noise", 1, {  # seed noise beside sampling noise
    "configuration": TEXT,  # "" for all that were trained with several seeds, pooled
    "family": TEXT, "optimizer": TEXT, "metric": TEXT, "seeds": WHOLE, "mean": REAL,
    "seed_deviation": REAL,       # standard deviation between seeds
    "sampling_error": REAL,       # standard error over patients, mean of the runs
})

SOURCES = Table("sources", 1, {  # what a model is worth on a source that its training knew, or did not
    "run_id": TEXT, "configuration": TEXT, "source": TEXT,
    "left_out": FLAG,       # of training
    "metric": TEXT, "estimate": REAL, "low": REAL, "high": REAL, "n": WHOLE,
    "internal": REAL,       # the same metric on the run's validation part
    "note": TEXT,
})
