"""Training against a plain loop written out here, and runs that are cut short against runs that are not."""

import errno
import fcntl
import itertools
import json
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from sklearn.metrics import roc_auc_score

from ecgscale.contracts import HISTORY, LossSpec, OptimizerSpec, RunResult, ScheduleSpec
from ecgscale.errors import UserError
from ecgscale.models.complexity import ledger
from ecgscale.models.networks import build, load
from ecgscale.training import device as hardware
from ecgscale.training import loop, train
from ecgscale.training.checkpoint import Checkpoint
from ecgscale.training.data import Crops, part_of, windows
from ecgscale.training.loss import asymmetric
from tests.tiny_corpus import CLASSES, CONVNEXT, planned, split_of, write_corpus


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp("train") / "shard")


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def run(corpus, folder: Path, *plans, checkpoints: Path | None = None) -> list[RunResult]:
    return train.train_batch(list(plans), corpus, *split_of(corpus), folder, checkpoints or folder / "checkpoints",
                             "cpu", 1)


def weights(folder: Path, plan) -> dict[str, torch.Tensor]:
    return load_file(folder / plan.spec.run_id / "weights.safetensors")


def same(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


class Killed(BaseException):
    """What no handler of the code under test catches: as a signal that ends the process."""


def kill_at(monkeypatch, *steps: int) -> None:
    """End the process, as it were, at the given counts of steps."""
    plain, count = loop.Training.step, iter(range(10**6))

    def step(self, x, y):
        if next(count) in steps:
            raise Killed
        return plain(self, x, y)

    monkeypatch.setattr(loop.Training, "step", step)


@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_an_epoch_is_a_plain_loop(corpus, tmp_path, reduction):
    """SGD by hand: crops of the same epoch, the loss summed or averaged, the gradient clipped at norm 1."""
    plan = planned(epochs=1, optimizer=OptimizerSpec(name="sgd", lr=0.05), loss=LossSpec(reduction=reduction))
    result, = run(corpus, tmp_path, plan)
    model = build(plan.spec.model, 12, 256, len(CLASSES), plan.spec.seed).train()
    positions = part_of(corpus, split_of(corpus)[0], "train")
    clipped, total = [], 0.0
    for x, y in Crops(corpus, positions, plan.spec).epoch(0):
        losses = asymmetric(model(torch.from_numpy(x)), torch.from_numpy(y), 4, 1, 0.05)
        gradients = torch.autograd.grad(losses.sum() if reduction == "sum" else losses.mean(), list(model.parameters()))
        norm = torch.sqrt(sum(gradient.square().sum() for gradient in gradients))
        clipped.append(norm > 1)
        total += float(losses.detach().sum())
        with torch.no_grad():
            for parameter, gradient in zip(model.parameters(), gradients, strict=True):
                parameter -= 0.05 * gradient / max(1.0, float(norm))
    trained = weights(tmp_path, plan)
    for name, tensor in model.state_dict().items():
        torch.testing.assert_close(trained[name], tensor, rtol=1e-4, atol=1e-5)
    assert result.clipped_share == pytest.approx(np.mean(clipped))
    assert result.train_loss == pytest.approx(total / (len(positions) * len(CLASSES)), rel=1e-4)
    assert np.mean(clipped) == (1.0 if reduction == "sum" else 0.0)


def test_validation_is_of_whole_recordings_and_the_best_epochs_network(corpus, tmp_path):
    """Loss and AUROC recomputed from the written weights, recording by recording; AUROC by scikit-learn."""
    plan = planned(epochs=4, optimizer=OptimizerSpec(name="adamw", lr=0.02))
    result, = run(corpus, tmp_path, plan)
    _, model = load(tmp_path / plan.spec.run_id)
    losses, probabilities, valid = [], [], part_of(corpus, split_of(corpus)[0], "valid")
    for position in valid:
        x = torch.from_numpy(windows(corpus.signal(position), 256))
        y = torch.from_numpy(corpus.labels[[position]].astype(np.float32)).expand(len(x), -1)
        with torch.inference_mode():
            losses.append(float(asymmetric(model(x), y, 4, 1, 0.05).mean()))
            probabilities.append(torch.sigmoid(model(x)).mean(dim=0).numpy())
    assert result.valid_loss == pytest.approx(np.mean(losses), rel=1e-5)
    history = HISTORY.read(tmp_path / plan.spec.run_id / "history.csv")
    assert history["valid_loss"].min() == result.valid_loss
    assert history["valid_loss"].idxmin() == result.best_epoch
    assert history["train_loss"][result.best_epoch] == result.train_loss
    reference = roc_auc_score(corpus.labels[valid], np.array(probabilities), average="macro")
    assert history["valid_auroc"][result.best_epoch] == pytest.approx(reference, abs=1e-9)
    assert history["valid_auroc"].nunique() > 1


def test_it_learns_the_planted_classes(tmp_path):
    """Well below the best constant answer (the classes' shares), which is the loss of knowing nothing."""
    corpus = write_corpus(tmp_path / "shard", count=120, seed=1)
    plan = planned(epochs=12, augment=("amplitude",), optimizer=OptimizerSpec(name="adamw", lr=0.02),
                   loss=LossSpec(name="bce"))
    result, = run(corpus, tmp_path, plan)
    labels = corpus.labels[part_of(corpus, split_of(corpus)[0], "valid")]
    share = labels.mean(axis=0)
    ignorant = -(share * np.log(share) + (1 - share) * np.log(1 - share)).mean()
    assert result.valid_loss < 0.7 * ignorant


def test_result_says_what_ran(corpus, tmp_path):
    plan = planned(leads=("II", "V5"), data_fraction=0.5)
    result, = run(corpus, tmp_path, plan)
    assert result == RunResult.read(tmp_path / plan.spec.run_id / "run.json")
    records = round(0.5 * (split_of(corpus)[0].part == "train").sum())
    assert (result.status, result.train_records, result.samples_seen) == ("finished", records, 3 * records)
    assert result.train_flops == result.ledger.step_flops * 3 * records
    assert result.synthetic
    assert result.device.startswith("cpu: ")
    assert result.precision == "float32"
    assert 0 < result.device_seconds < result.seconds
    assert 50e6 < result.peak_memory_bytes < 4e9
    assert (result.corpus_digest, result.split_digest) == (corpus.digest, split_of(corpus)[1].digest)


def test_early_stopping(corpus, tmp_path):
    """A learning rate of next to nothing never gets better than the epoch of batch-norm's first statistics."""
    plan = planned(epochs=30, patience=2, augment=(), optimizer=OptimizerSpec(name="sgd", lr=0.5),
                   schedule=ScheduleSpec(name="constant"))
    result, = run(corpus, tmp_path, plan)
    history = HISTORY.read(tmp_path / plan.spec.run_id / "history.csv")
    assert len(history) == min(30, result.best_epoch + 1 + 2)
    assert len(history) < 30


@pytest.mark.parametrize("model", [planned().spec.model, CONVNEXT], ids=["regnet", "convnext with stochastic depth"])
@pytest.mark.parametrize("name", ["sgd", "sgdm", "adamw"])
def test_a_killed_run_ends_as_an_uninterrupted_one(corpus, tmp_path, monkeypatch, model, name):
    """Killed twice, within an epoch and at the start of one; no step that a checkpoint holds is done twice."""
    plan = planned(model=model, optimizer=OptimizerSpec(name=name, lr=0.01))
    whole, = run(corpus, tmp_path / "whole", plan)
    kill_at(monkeypatch, 6, 12)
    monkeypatch.setattr(loop, "SAVE_EVERY", 0.0)
    for _ in range(2):
        with pytest.raises(Killed):
            run(corpus, tmp_path / "cut", plan)
        assert not (tmp_path / "cut" / plan.spec.run_id).exists()
    cut, = run(corpus, tmp_path / "cut", plan)
    assert same(weights(tmp_path / "whole", plan), weights(tmp_path / "cut", plan))
    assert cut.resumed == 2
    measured = {"seconds", "device_seconds", "peak_memory_bytes", "resumed", "ended"}
    assert cut.model_dump(exclude=measured) == whole.model_dump(exclude=measured)
    columns = ["epoch", "lr", "train_loss", "valid_loss", "valid_auroc", "clipped_share", "samples"]
    histories = [HISTORY.read(tmp_path / way / plan.spec.run_id / "history.csv")[columns] for way in ("whole", "cut")]
    assert histories[0].equals(histories[1])


@pytest.mark.parametrize("day", [-86_400.0, 86_400.0], ids=["back", "forth"])
def test_a_clock_that_jumps_moves_no_number(corpus, tmp_path, monkeypatch, day):
    """The time of day jumps by a day at each look, in a run that is killed and continued: durations are those of a
    clock that only counts."""
    plan = planned()
    whole, = run(corpus, tmp_path / "whole", plan)
    looks, now = itertools.count(1), time.time
    monkeypatch.setattr(time, "time", lambda: now() + day * next(looks))
    kill_at(monkeypatch, 6)
    with pytest.raises(Killed):
        run(corpus, tmp_path / "cut", plan)
    cut, = run(corpus, tmp_path / "cut", plan)
    assert next(looks) > 2
    assert same(weights(tmp_path / "whole", plan), weights(tmp_path / "cut", plan))
    assert (cut.resumed, cut.valid_loss) == (1, whole.valid_loss)
    assert 0 < cut.device_seconds < cut.seconds < 600
    history = HISTORY.read(tmp_path / "cut" / plan.spec.run_id / "history.csv")
    assert history["seconds"].between(0, 600).all()


def test_an_epoch_that_ended_is_never_trained_again(corpus, tmp_path, monkeypatch):
    plan = planned(epochs=5)
    kill_at(monkeypatch, 7, 10, 16)
    for _ in range(3):
        with pytest.raises(Killed):
            run(corpus, tmp_path, plan)
    run(corpus, tmp_path, plan)
    log, = (tmp_path / "checkpoints").glob("*/epochs.jsonl")
    events = [json.loads(line) for line in log.read_text().splitlines()]
    assert [event["epoch"] for event in events if event["event"] == "end"] == [0, 1, 2, 3, 4]
    begun = [event["epoch"] for event in events if event["event"] != "end"]
    assert begun == sorted(begun)
    assert len(begun) == 5 + 3


def test_a_finished_run_is_taken_from_its_checkpoint_unless_the_code_changed(corpus, tmp_path, monkeypatch, capsys):
    plan = planned(epochs=1)
    first, = run(corpus, tmp_path / "a", plan, checkpoints=tmp_path / "kept")
    again, = run(corpus, tmp_path / "b", plan, checkpoints=tmp_path / "kept")
    assert again == first
    assert "was finished before" in capsys.readouterr().err
    assert same(weights(tmp_path / "a", plan), weights(tmp_path / "b", plan))
    monkeypatch.setattr(train, "code_digest", lambda: "edited")
    run(corpus, tmp_path / "c", plan, checkpoints=tmp_path / "kept")
    assert "epoch 1/1" in capsys.readouterr().err
    assert len(list((tmp_path / "kept").iterdir())) == 2
    assert not list((tmp_path / "kept").glob("*/state.safetensors"))


def test_diverged_and_failed_runs_are_rows_and_the_batch_goes_on(corpus, tmp_path):
    wild = planned(optimizer=OptimizerSpec(name="sgd", lr=1e30), clip_norm=None)
    wrong, other = planned(leads=("I", "nowhere")), planned(recipe="wide")
    good = planned(epochs=1)
    results = run(corpus, tmp_path, wild, wrong, other, good)
    assert [result.status for result in results] == ["diverged", "failed", "failed", "finished"]
    assert "loss not finite in epoch" in results[0].reason
    assert "no lead 'nowhere'" in results[1].reason
    assert "wants the recipe 'wide', the corpus was prepared by 'study'" in results[2].reason
    for plan, result in zip((wild, wrong, other, good), results, strict=True):
        folder = tmp_path / plan.spec.run_id
        assert RunResult.read(folder / "run.json") == result
        assert (folder / "weights.safetensors").exists() == (result.status == "finished")
        HISTORY.read(folder / "history.csv")


def test_out_of_memory_is_retried_once_with_parts_of_a_batch(corpus, tmp_path, monkeypatch):
    """Summed gradients of four parts are the batch's gradient: same weights where no norm looks across the batch."""
    model = CONVNEXT.model_copy(update={"params": CONVNEXT.params | {"stochastic_depth": 0.0}})
    plan = planned(model=model, epochs=2, optimizer=OptimizerSpec(name="sgd", lr=0.01))
    run(corpus, tmp_path / "whole", plan)
    plain = loop.Training.step

    def step(self, x, y):
        if self.progress.microbatches == 1 and self.progress.epoch == 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return plain(self, x, y)

    monkeypatch.setattr(loop.Training, "step", step)
    result, = run(corpus, tmp_path / "parts", plan)
    assert result.status == "finished"
    assert result.notes == ("out of memory at batch 8: gradients of 4 parts accumulated",)
    whole, parts = weights(tmp_path / "whole", plan), weights(tmp_path / "parts", plan)
    for name in whole:
        torch.testing.assert_close(parts[name], whole[name], rtol=1e-4, atol=1e-6)

    def never(self, x, y):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(loop.Training, "step", never)
    result, = run(corpus, tmp_path / "never", planned(seed=9))
    assert (result.status, result.notes != ()) == ("failed", True)
    assert result.reason.startswith("OutOfMemoryError: CUDA out of memory (test_train.py:")


def test_energy_is_summed_over_attempts(corpus, tmp_path, monkeypatch):
    """A counter that gives one joule a reading: three epochs, of which two were before the kill."""

    def counter(device):
        read = iter(range(1, 100))
        return lambda: float(next(read))

    monkeypatch.setattr(hardware, "energy_counter", counter)
    plan = planned(epochs=3)
    each = -(-(split_of(corpus)[0].part == "train").sum() // 8)
    kill_at(monkeypatch, 2 * each)
    with pytest.raises(Killed):
        run(corpus, tmp_path, plan)
    result, = run(corpus, tmp_path, plan)
    assert result.energy_joules == 2 + 1


def test_threads_do_not_change_what_is_seen(corpus, tmp_path):
    """With two threads the batches come from a thread of their own: the same batches, so the same loss, to rounding."""
    plan = planned(epochs=2)
    alone, = run(corpus, tmp_path / "one", plan)
    two, = train.train_batch([plan], corpus, *split_of(corpus), tmp_path / "two", tmp_path / "kept", "cpu", 2)
    assert (alone.threads, two.threads) == (1, 2)
    assert two.valid_loss == pytest.approx(alone.valid_loss, rel=1e-3)


@pytest.mark.parametrize(("device", "cpus", "runs", "flops", "workers"), [
    ("cpu", 1, 6, 1e9, 1), ("cpu", 4, 6, 1e9, 4), ("cpu", 8, 6, 1e12, 6), ("cpu", 4, 6, 30, 1), ("mps", 8, 6, 1e9, 1),
    ("cuda", 4, 6, 30, 4), ("cuda", 4, 6, 1e12, 1)])
def test_runs_side_by_side(device, cpus, runs, flops, workers):
    """One a processor, but where starting the processes takes longer than the runs; on a GPU while runs are small."""
    plan = planned().model_copy(update={"ledger": planned().ledger.model_copy(update={"step_flops": int(flops)})})
    assert train.side_by_side([plan] * runs, torch.device(device), cpus, records=100) == workers


def test_batches_on_another_device_lie_in_the_order_of_their_axes(corpus, tmp_path):
    """Only a CPU's convolutions want the leads innermost; torch's device without memory stands for a GPU."""
    plan = planned()
    crops = torch.from_numpy(next(Crops(corpus, np.arange(8), plan.spec).epoch(0))[0])
    assert not crops.is_contiguous()
    for name, ordered in (("cpu", False), ("meta", True)):
        job = loop.Job(corpus, *split_of(corpus), tmp_path, torch.device(name), 1)
        made = loop.Training(plan, job, Checkpoint(tmp_path, name, {}), "float32", "").on_device(crops)
        assert (made.device.type, made.is_contiguous(), made.shape) == (name, ordered, crops.shape)


def test_seeds_differ_and_repeat(corpus, tmp_path):
    plans = [planned(epochs=1, seed=seed) for seed in (0, 1)]
    run(corpus, tmp_path / "a", *plans)
    run(corpus, tmp_path / "b", plans[1])
    assert not same(weights(tmp_path / "a", plans[0]), weights(tmp_path / "a", plans[1]))
    assert same(weights(tmp_path / "a", plans[1]), weights(tmp_path / "b", plans[1]))


def test_bf16_stays_near_float32(corpus, tmp_path):
    plans = [planned(precision=precision, epochs=4) for precision in ("float32", "bf16")]
    plain, short = run(corpus, tmp_path, *plans)
    assert (plain.precision, short.precision) == ("float32", "bf16")
    assert short.valid_loss == pytest.approx(plain.valid_loss, rel=0.1)
    assert all(tensor.dtype != torch.bfloat16 for tensor in weights(tmp_path, plans[1]).values())


def test_wrong_input(corpus, tmp_path):
    split, info = split_of(corpus)
    with pytest.raises(UserError, match="made for the corpus elsewhere"):
        train.train_batch([planned()], corpus, split, info.model_copy(update={"corpus_digest": "elsewhere"}), tmp_path,
                          tmp_path, "cpu", 1)
    plan, spec = planned(), planned().spec
    other = plan.model_copy(update={"ledger": ledger(spec.model, len(spec.leads), spec.window, 26)})
    with pytest.raises(UserError, match=rf"planned with {other.ledger.params} parameters; with the 4 classes .*has "
                                        rf"{plan.ledger.params}.*--classes 4"):
        train.train_batch([other], corpus, split, info, tmp_path, tmp_path, "cpu", 1)
    if not torch.cuda.is_available():
        with pytest.raises(UserError, match=r"no device 'cuda'.*cpu"):
            train.train_batch([planned()], corpus, split, info, tmp_path, tmp_path, "cuda", 1)


def test_a_run_that_another_process_trains_is_waited_for(corpus, tmp_path, capfd):
    """Two studies that share checkpoints: the second one waits, then takes the first one's result."""
    plan = planned(epochs=1)
    first, = run(corpus, tmp_path / "first", plan, checkpoints=tmp_path / "shared")
    [folder] = (tmp_path / "shared").iterdir()
    hidden = folder / "result"
    hidden.rename(tmp_path / "result")                      # not there yet: the other process still trains
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)

        def end() -> None:
            (tmp_path / "result").rename(hidden)
            fcntl.flock(lock, fcntl.LOCK_UN)

        timer = threading.Timer(0.5, end)
        timer.start()
        second, = run(corpus, tmp_path / "second", plan, checkpoints=tmp_path / "shared")
        timer.join()
    said = capfd.readouterr().err
    assert f"another process trains {folder.name}: waiting for it" in said
    assert "was finished before" in said
    assert second == first
    assert len((folder / "epochs.jsonl").read_text().splitlines()) == 2     # one epoch began and ended, once


def test_a_full_disk_ends_the_task_and_is_no_result(corpus, tmp_path, monkeypatch):
    """As safetensors tells it; with room again, the run continues and ends as one that was never stopped."""
    plan = planned(epochs=3)
    whole, = run(corpus, tmp_path / "whole", plan)
    plain, saved = safetensors.torch.save_file, iter(range(100))

    def full(*arguments, **named):
        if next(saved) == 1:
            raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")
        plain(*arguments, **named)

    monkeypatch.setattr(safetensors.torch, "save_file", full)
    with pytest.raises(OSError, match="No space left on device") as found:
        run(corpus, tmp_path / "cut", plan)
    assert found.value.errno == errno.ENOSPC
    assert not (tmp_path / "cut" / plan.spec.run_id).exists()
    continued, = run(corpus, tmp_path / "cut", plan)
    assert continued.resumed == 1
    assert same(weights(tmp_path / "whole", plan), weights(tmp_path / "cut", plan))
    assert continued.valid_loss == whole.valid_loss


def test_a_board_that_broke_ends_the_task_and_is_no_result(corpus, tmp_path, monkeypatch):
    """CUDA refuses this process everything after such an error: every run that follows would be "failed"."""
    def broken(self, x, y):
        raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered")

    with monkeypatch.context() as patched:
        patched.setattr(loop.Training, "step", broken)
        with pytest.raises(torch.AcceleratorError):
            run(corpus, tmp_path, planned(epochs=1), planned(epochs=1, seed=1))
    assert not list(tmp_path.glob("*/run.json"))
    assert run(corpus, tmp_path, planned(epochs=1))[0].status == "finished"

    def full(self, x, y):
        raise torch.AcceleratorError("CUDA error: out of memory")

    monkeypatch.setattr(loop.Training, "step", full)
    result, = run(corpus, tmp_path, planned(epochs=1, seed=2))
    assert (result.status, result.notes[0].split(":")[0]) == ("failed", "out of memory at batch 8")
