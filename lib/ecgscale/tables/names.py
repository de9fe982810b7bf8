"""Other people's names of columns -> ours. docs/reference/columns.md is this list; a test keeps them equal."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from ecgscale.tables.units import factor_of

SIZES = {       # what a law may scale in: ours -> names of others
    "params": ("n", "parameters", "parameter", "n_params", "num_params", "nparams", "n_parameters", "num_parameters",
               "model_size", "model_params", "model_parameters", "param_count", "params_count", "parameter_count",
               "total_params", "total_parameters", "trainable_params", "trainable_parameters", "non_embedding_params",
               "number_of_parameters", "param", "size_params", "total_parameter_count", "active_params",
               "active_parameters", "activated_params", "activated_parameters", "active_param_count",
               "active_parameter_count", "dense_params", "dense_parameters", "dense_parameter_count"),
    "forward_flops": ("flops", "inference_flops", "forward_flop", "flops_per_sample", "macs_x2"),
    "train_flops": ("c", "compute", "train_flop", "training_flops", "training_flop", "train_compute",
                    "training_compute", "total_flops", "total_compute", "flop", "total_flop", "pretraining_flops",
                    "total_training_flops", "total_train_flops", "c_flops"),
    "train_records": ("train_size", "dataset_size", "data_size", "unique_samples", "unique_tokens", "n_train",
                      "num_train", "train_set_size", "training_set_size", "n_records", "num_records", "recordings",
                      "n_recordings", "patients", "n_patients", "unique_records", "train_data_size",
                      "training_data_size", "training_dataset_size", "size_train", "tr_size"),
    "samples_seen": ("t", "tokens", "token", "n_tokens", "num_tokens", "training_tokens", "train_tokens",
                     "tokens_seen", "total_tokens", "tokens_trained", "samples", "n_samples", "num_samples",
                     "train_samples", "training_samples", "total_samples", "seen_examples", "examples_seen",
                     "samples_trained", "examples", "n_examples", "images_seen", "sequences_seen", "pretraining_tokens",
                     "pretraining_data_size", "env_steps", "environment_steps", "timesteps", "total_timesteps", "d",
                     "d_tokens"),
    "latency_ms": ("latency", "inference_ms", "inference_time_ms", "p50_ms", "median_latency_ms"),
}
SETTINGS = {    # what else defines a run
    "optimizer": ("optim", "opt", "optimiser"),
    "family": ("architecture", "arch", "model_family", "model_class", "model_type"),
    "lr": ("learning_rate", "init_lr", "initial_lr", "base_lr", "peak_lr", "max_lr"),
    "weight_decay": ("wd",), "batch_size": ("bs", "batch", "global_batch_size", "train_batch_size"),
    "epochs": ("n_epochs", "num_epochs", "max_epochs"),
    "data_fraction": ("fraction", "train_fraction", "data_frac"),
    "seed": ("random_seed", "rng_seed", "random_state", "init_seed", "replicate", "repetition", "repeat", "rep"),
}
RUN = {         # how a run is called, and how it ended
    "run_id": ("id", "run", "run_name", "name", "trial_id", "run_uuid", "experiment_name"),
    "status": ("state", "run_status", "run_state", "trial_state", "job_state"),
}
ROLES = SIZES | SETTINGS | RUN
UNUSED = "unused"       # said in the place of a role: the column is not to be read
PROGRESS = ("step", "steps", "global_step", "train_step", "iteration", "iterations", "iter", "update", "updates",
            "epoch")            # how far a run had trained
MEANINGS = {
    "params": "parameters of the model, N",
    "forward_flops": "FLOPs of one forward pass of one sample; `MACs` and `GMACs` count twice",
    "train_flops": "FLOPs of the whole training, C", "train_records": "unique samples in training",
    "samples_seen": "samples or tokens seen in training, all epochs, D", "latency_ms": "milliseconds for one sample",
    "optimizer": "name; laws are fitted to each one too", "family": "kind of network; laws are fitted to each one too",
    "lr": "learning rate", "weight_decay": "of the optimizer", "batch_size": "samples in a step",
    "epochs": "passes over the training data", "data_fraction": "share of the training data that was used",
    "seed": "what alone differs between repeats of one configuration", "run_id": "name of the run",
    "status": "how the run ended: those that did not finish are left out",
}
MACS = dict.fromkeys(("mac", "macs", "mult_adds", "multiply_adds", "madds"), "forward_flops") | dict.fromkeys(
    ("total_macs", "train_macs", "training_macs"), "train_flops")      # two FLOPs for each
ALIASES = {alias: role for role, names in ROLES.items() for alias in (role, *names)}
SCORE_WORDS = ("score", "accuracy", "acc", "acc1", "acc5", "auroc", "auc", "auprc", "f1", "top1", "top_1", "top5",
               "top_5", "sensitivity", "specificity", "recall", "kappa", "mcc", "dice", "iou", "miou", "exact_match",
               "r2", "bleu", "ndcg")
ERROR_WORDS = ("loss", "error", "err", "error_rate", "perplexity", "ppl", "nll", "cross_entropy", "bpb", "bpc",
               "bits_per_byte", "bits_per_character", "rmse", "mse", "mae", "wer", "cer", "eer", "xent", "regret",
               "brier", "deviance", "crps", "mase", "mape", "smape", "nrmse", "nmse", "bpd", "fid")
TUNED = "_tuned"            # ends a score of ours at tuned thresholds
PARTS = "train|training|val|valid|validation|dev|test|eval|evaluation|heldout|holdout"     # loss_val, score_test
SCORES = re.compile(rf"((score|accuracy)|(^|_)({'|'.join(SCORE_WORDS)}))({TUNED}|_({PARTS}))?$")
ERRORS = re.compile(rf"((loss|error|perplexity)|(^|_)({'|'.join(ERROR_WORDS)}))(_({PARTS}))?$")
NAMESPACES = re.compile(r"^(metrics?|params|param|config|summary|user_attrs|hparams?|hyperparameters|args)_(?=.)")
CHAPTERS = re.compile(r"^((config|params|hparams|args)[/.])?(model|data|dataset|optim|optimizer|train|trainer|training)"
                      r"[/.](?=\w\w)|^throughput[/.](?=total_)", re.IGNORECASE)       # of a nested configuration or a
#   tracker: data/tokens, optim.lr, throughput/total_tokens, which is no rate
IN_CHAPTERS = frozenset((*SIZES, "lr", "weight_decay", "batch_size", "epochs"))      # model/name is no run's name
FINISHED = frozenset(("finished", "complete", "completed", "done", "success", "succeeded", "successful", "ok",
                      "terminated", "ended", "passed"))
LEFT_OUT = frozenset(("crashed", "crash", "failed", "fail", "failure", "error", "errored", "killed", "running",
                      "pruned", "diverged", "cancelled", "canceled", "aborted", "interrupted", "preempted",
                      "preempting", "pending", "scheduled", "waiting", "queued", "timeout", "timed_out", "oom",
                      "out_of_memory", "stopped", "deleted", "skipped", "incomplete", "nan",
                      "unevaluated"))
LONGEST = 200           # characters of a name that is looked at for a unit
LEAST_LETTERS = 4       # of a name that may be like another
GLUED = re.compile(r"(?P<before>(?:.+[\s_/.])?)(?P<unit>[kmgb])(?P<name>params?|parameters|flops|macs)$", re.IGNORECASE)

TOTAL = re.compile(r"^([kmgt]?(?:macs|flops)|params|parameters|tokens)[\s_]total$", re.IGNORECASE)      # gmacs_total
OF_RESPONSES = re.compile(r"(nats?|bits?)(\s*(/|per)\s*\w+)?|[↓↑]|(lower|higher) is better")      # in brackets
SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")


@dataclass(frozen=True)
class Name:
    """A column's name understood: `plain` in our spelling, the role it stands for, what its unit multiplies by."""

    plain: str
    role: str | None
    factor: float = 1.0
    unit: str = ""


def understand(written: str) -> Name:
    """ "Model Size (M)" -> params, times 1e6; "val/loss" -> val_loss; "Accuracy [%]" -> accuracy, times 0.01."""
    text = TOTAL.sub(r"total_\1", unicodedata.normalize("NFKC", written.translate(SUPERSCRIPTS)).strip())
    whole = spelled(text)
    if role := ALIASES.get(whole) or ALIASES.get(NAMESPACES.sub("", whole)):
        return Name(role, role)
    if (chapter := CHAPTERS.match(text)) and (inner := understand(text[chapter.end():])).role in IN_CHAPTERS:
        return inner
    base, unit = with_unit(text)
    name = spelled(base)
    if role := MACS.get(NAMESPACES.sub("", name)):
        return Name(role, role, 2 * (factor_of(unit) or 1.0), f"{unit} MACs".strip())
    if unit:
        role = ALIASES.get(name) or ALIASES.get(NAMESPACES.sub("", name))
        factor = factor_of(unit)
        if role in SIZES and not re.match(r"(log|ln)", unit.casefold()):
            return Name(role, role, latency_factor(unit) if role == "latency_ms" else factor or 1.0, unit)
        stripped = NAMESPACES.sub("", name)
        if unit.casefold() in ("%", "percent", "pct"):
            return Name(stripped if is_response(stripped) else name, None, 0.01, unit)
        if is_response(stripped) and OF_RESPONSES.fullmatch(unit.casefold()):
            return Name(stripped, None)
    stripped = NAMESPACES.sub("", whole)
    return Name(stripped if is_response(stripped) else whole, None)


def spelled(text: str) -> str:
    """ "trainFlops", "Train FLOPs" -> "train_flops". Letters of any script stay: a name without them would be every
    other such name."""
    text = re.sub(r"(?<=[a-z0-9])(?=[A-Z][a-z])", "_", text)
    return re.sub(r"[\W_]+", "_", text.casefold()).strip("_")


def bare(written: str) -> str:
    """A name without its tracker's first word and its unit: "user_attrs_FLOPs (1e18)" -> "flops"."""
    return NAMESPACES.sub("", spelled(with_unit(written.strip())[0]))


def with_unit(text: str) -> tuple[str, str]:
    """A name and its unit: in brackets, after "in", as a last word (tokens_b, params_millions), as a first letter
    (gflops, mparams), or a percent sign. What is longer than any name has none: patterns take the cube of its
    length."""
    if len(text) > LONGEST:
        return text, ""
    if match := GLUED.fullmatch(text):
        return match["before"] + match["name"], match["unit"]
    for pattern in (r"(.+?)[\s_]*[(\[]\s*(.+?)\s*[)\]]$", r"(.+?)[\s_,]+in[\s_]+(.+)$", r"(.+?)[\s_]*(%)$",
                    r"(.+?)_(percent|pct)$", r"(.+?)[\s_]+([kKmMbBgGtT]|mn|bn|thousands?|millions?|billions?|trillions?"
                    r"|ms|s|us|µs|1e\d+)$"):
        if match := re.match(pattern, text):
            return match[1], match[2].removeprefix("in ")
    return text, ""


def latency_factor(unit: str) -> float:
    return {"s": 1e3, "sec": 1e3, "seconds": 1e3, "us": 1e-3, "µs": 1e-3, "μs": 1e-3}.get(unit.casefold(), 1.0)


def is_response(plain: str) -> bool:
    return bool(SCORES.search(plain) or ERRORS.search(plain))


def names_response(written: str) -> bool:
    """Whether a name has a word for a score or a loss anywhere: "loss_c4", "acc of the best"."""
    return bool(set(spelled(written).split("_")) & {*SCORE_WORDS, *ERROR_WORDS})


def like(plain: str) -> str | None:
    """The role of a size that a name spells but for one slip, or None: "parmas" -> "params"."""
    if len(plain) < LEAST_LETTERS or is_response(plain):
        return None
    return next((role for role, names in SIZES.items() for name in (role, *names)
                 if len(name) >= LEAST_LETTERS and one_slip(plain, name)), None)


def one_slip(one: str, other: str) -> bool:
    """Whether two names differ by a letter added, lost, changed, or two that changed places."""
    while one and other and one[0] == other[0]:
        one, other = one[1:], other[1:]
    while one and other and one[-1] == other[-1]:
        one, other = one[:-1], other[:-1]
    return max(len(one), len(other)) == 1 or (len(one) == 2 and one == other[::-1])


def listing() -> str:
    """Every column that is known and its other names, as --help shows them."""
    told = [f"  {role}: {', '.join(names)}" for role, names in ROLES.items()]
    told += [f"  a score, larger is better, at most 1 or in percent: names that end in {', '.join(SCORE_WORDS)}",
             f"  a loss, smaller is better: names that end in {', '.join(ERROR_WORDS)}"]
    return "\n".join(told)
