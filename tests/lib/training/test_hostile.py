"""What is odd but legal ends as a row: few recordings, long windows, rates that blow up; and states that changed."""

import json
import re

import numpy as np
import pytest

from ecgscale.contracts import HISTORY, LossSpec, ModelSpec, OptimizerSpec, ScheduleSpec
from ecgscale.training import loop, train
from ecgscale.training.data import part_of
from tests.tiny_corpus import CONVNEXT, REGNET, planned, split_of, write_corpus

VIT = ModelSpec(family="vit", params={"dim": 16, "depth": 1, "heads": 2, "patch": 64})
RESNET = ModelSpec(family="resnet", params={"width": 4, "depth_1": 1, "depth_2": 1, "depth_3": 1, "depth_4": 1})


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp("hostile") / "shard")


def run(corpus, folder, plan, parts=None, checkpoints=None, info=None):
    split, found = split_of(corpus)
    split = split if parts is None else split.assign(part=parts)
    result, = train.train_batch([plan], corpus, split, info or found, folder, checkpoints or folder / "kept", "cpu", 1)
    return result


@pytest.mark.parametrize("changes", [
    {"batch_size": 4096}, {"data_fraction": 1e-9}, {"data_fraction": 0.1, "augment": ()},
    {"leads": ("I", "II")}, {"window": 4096}, {"epochs": 1, "schedule": ScheduleSpec(name="cosine", warmup=0.5)},
    {"epochs": 1, "schedule": ScheduleSpec(name="cosine", warmup=1.0)}, {"clip_norm": None}, {"patience": 1},
    {"loss": LossSpec(name="bce")}, {"loss": LossSpec(gamma_neg=0.5, gamma_pos=0.0, clip=0.0)}],
    ids=lambda changes: ", ".join(f"{name} {getattr(value, 'name', value)}" for name, value in changes.items()))
def test_odd_but_legal_runs_finish(corpus, tmp_path, changes):
    """A batch, window or fraction beyond the data, two leads, one epoch, a warm-up of all steps, other focus."""
    result = run(corpus, tmp_path, planned(**{"epochs": 2} | changes))
    assert (result.status, result.reason) == ("finished", "")
    assert np.isfinite(result.valid_loss)
    assert 0 <= result.clipped_share <= 1


@pytest.mark.parametrize("model", [REGNET, CONVNEXT, VIT, RESNET], ids=lambda model: model.family)
def test_one_recording_trains_every_family(corpus, tmp_path, model):
    """One recording to train on and one to judge by: most classes have no example at all."""
    parts = np.array(["test"] * len(corpus), dtype=object)
    parts[:2] = "train", "valid"
    result = run(corpus, tmp_path, planned(model=model, epochs=2), parts)
    assert (result.status, result.train_records, result.samples_seen) == ("finished", 1, 2)


@pytest.mark.parametrize(("lr", "clip_norm"), [(1e6, 1.0), (1e6, None), (1e38, None)])
def test_a_rate_that_blows_up_is_a_row(corpus, tmp_path, lr, clip_norm):
    """Diverged, or finished with a finite loss: never an exception, never a loss that is no number in the table."""
    result = run(corpus, tmp_path, planned(optimizer=OptimizerSpec(name="sgdm", lr=lr, momentum=0.9),
                                           clip_norm=clip_norm))
    assert result.status in ("diverged", "finished")
    assert result.status == "diverged" or np.isfinite(result.valid_loss)
    assert np.isfinite(HISTORY.read(tmp_path / result.spec.run_id / "history.csv")["valid_loss"]).all()
    if lr == 1e38:
        assert result.status == "diverged"


def test_no_number_at_the_first_step(tmp_path, monkeypatch):
    """One sample that is no number: the run ends at the step that meets it, without an epoch and without weights."""
    corpus = write_corpus(tmp_path / "shard")
    signals = np.load(tmp_path / "shard/signals.npy")
    signals[:] = np.nan
    np.save(tmp_path / "shard/signals.npy", signals)
    result = run(corpus, tmp_path, planned())
    assert (result.status, result.reason) == ("diverged", "training loss not finite in epoch 0, step 1")
    assert result.valid_loss is None
    assert len(HISTORY.read(tmp_path / result.spec.run_id / "history.csv")) == 0
    assert not (tmp_path / result.spec.run_id / "weights.safetensors").exists()
    again = run(corpus, tmp_path / "again", planned(), checkpoints=tmp_path / "kept")
    assert again == result, "a diverged run is kept as one that finished is"


class Killed(BaseException):
    """As a signal that ends the process."""


@pytest.fixture
def cut(corpus, tmp_path, monkeypatch):
    """A run whose process ended in its second epoch, and its state."""
    plan, plain, count = planned(), loop.Training.step, iter(range(10**6))
    steps = -(-len(part_of(corpus, split_of(corpus)[0], "train")) // plan.spec.batch_size)

    def step(self, x, y):
        if next(count) == steps + 1:
            raise Killed
        return plain(self, x, y)

    with monkeypatch.context() as patch:
        patch.setattr(loop.Training, "step", step)
        with pytest.raises(Killed):
            run(corpus, tmp_path / "cut", plan, checkpoints=tmp_path / "kept")
    state, = (tmp_path / "kept").glob("*/state.safetensors")
    return plan, state


def begun(folder) -> list[int]:
    """First epoch that each process of a checkpoint folder began, by folder."""
    return sorted(json.loads(path.read_text().splitlines()[0])["epoch"] for path in folder.glob("*/epochs.jsonl"))


@pytest.mark.parametrize("changed", ["nothing", "corpus", "split", "code"])
def test_a_changed_corpus_split_or_code_starts_over(corpus, cut, tmp_path, monkeypatch, changed):
    """The state belongs to what its numbers depend on; a new task directory is no such thing."""
    other, info = corpus, None
    if changed == "corpus":
        other = write_corpus(tmp_path / "shard", seed=5)
    elif changed == "split":
        info = split_of(corpus)[1].model_copy(update={"digest": "another-split"})
    elif changed == "code":
        monkeypatch.setattr(train, "code_digest", lambda: "edited")
    result = run(other, tmp_path / "new task", cut[0], checkpoints=tmp_path / "kept", info=info)
    assert (result.status, result.resumed) == ("finished", 1 if changed == "nothing" else 0)
    assert begun(tmp_path / "kept") == ([0] if changed == "nothing" else [0, 0])


@pytest.mark.parametrize("share", [0.0, 0.5, 0.999])
def test_a_state_cut_short_starts_over_and_says_so(corpus, cut, tmp_path, capsys, share):
    plan, state = cut
    content = state.read_bytes()
    state.write_bytes(content[: int(share * len(content))])
    result = run(corpus, tmp_path / "again", plan, checkpoints=tmp_path / "kept")
    assert re.search(r"state\.safetensors: .+: the run starts over", capsys.readouterr().err)
    assert (result.status, result.resumed) == ("finished", 0)
    run(corpus, tmp_path / "whole", plan)
    name = f"{plan.spec.run_id}/weights.safetensors"
    assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()




@pytest.mark.parametrize("name", ["run.json", "weights.safetensors"])
@pytest.mark.parametrize("share", [None, 0.5])
def test_a_kept_result_that_was_damaged_is_trained_again(corpus, tmp_path, capsys, name, share):
    plan = planned(epochs=1)
    first = run(corpus, tmp_path / "first", plan, checkpoints=tmp_path / "kept")
    path, = (tmp_path / "kept").glob(f"*/result/{name}")
    content = path.read_bytes()
    path.unlink()
    if share:
        path.write_bytes(content[: int(share * len(content))])
    again = run(corpus, tmp_path / "again", plan, checkpoints=tmp_path / "kept")
    assert re.search(rf"result/{name}\S* .+: the run starts over", capsys.readouterr().err)
    assert (again.status, again.valid_loss) == ("finished", first.valid_loss)
    assert path.stat().st_size > 0.9 * len(content)
