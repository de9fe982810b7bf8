"""Recomputed activations against kept ones, accumulated gradients, and the reckoned memory against what torch holds."""

import pytest
import torch

from ecgscale.contracts import RUN_MEMORY, ModelSpec, OptimizerSpec, PlannedRun, RunSpec
from ecgscale.design import memory
from ecgscale.errors import UserError
from ecgscale.models.blocks import recomputing
from ecgscale.models.complexity import SIZES, ledger
from ecgscale.models.networks import build
from ecgscale.training.layout import channels_last, for_inference
from ecgscale.training.memory import kept_by, of_training
from ecgscale.training.train import train_batch
from tests.tiny_corpus import CONVNEXT, planned, split_of, write_corpus
from tests.tiny_models import SPECS

FAMILIES = ("regnet", "resnet", "convnext", "vit")
CPU = torch.device("cpu")


def spec_of(family: str, **changes) -> RunSpec:
    return RunSpec.make(study="toy", model=ModelSpec(family=family, params=SPECS[family]), window=256, batch_size=16,
                        optimizer=OptimizerSpec(name="adamw", lr=1e-3), **changes)


@pytest.mark.parametrize("model", [*(ModelSpec(family=family, params=SPECS[family]) for family in FAMILIES), CONVNEXT],
                         ids=[*FAMILIES, "stochastic depth"])
def test_recomputed_gradients_are_equal_to_the_bit(model):
    """So are batch norms' moments, which see each batch once, and what stochastic depth leaves out."""
    made = []
    for change in (lambda network: network, recomputing):
        network = change(channels_last(build(model, 12, 256, 5, 0))).train()
        torch.manual_seed(1)
        network(torch.randn(8, 12, 256)).square().sum().backward()
        made.append({name: each.grad for name, each in network.named_parameters()} | dict(network.named_buffers()))
    kept, again = made
    assert kept.keys() == again.keys()
    assert all(torch.equal(kept[name], again[name]) for name in kept)


def test_a_copy_for_inference_keeps_everything_and_recomputes_nothing():
    network = recomputing(build(ModelSpec(family="regnet", params=SPECS["regnet"]), 12, 256, 5, 0))
    x = torch.randn(2, 12, 256)
    with torch.inference_mode():
        assert torch.allclose(for_inference(network, CPU)(x), network.eval()(x), atol=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("changes", [{}, {"recompute": True}, {"microbatches": 4}], ids=["plain", "recompute", "parts"])
def test_activations_are_those_that_torch_keeps(family, changes):
    """Against the tensors that autograd hands out to be kept, each storage once, of a step with real numbers. The loss
    of a few numbers and what it keeps are not among these."""
    spec = spec_of(family, **changes)
    network = channels_last(build(spec.model, 12, 256, 5, 0)).train()
    network = recomputing(network) if spec.recompute else network
    storages = {}

    def keep(tensor):
        storages[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage()
        return tensor

    x = torch.randn(16 // spec.microbatches, 12, 256)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        network(x)
    own = {each.untyped_storage().data_ptr() for each in [*network.parameters(), *network.buffers(), x]}
    kept = sum(storage.nbytes() for place, storage in storages.items() if place not in own)
    found = of_training(spec, 5)
    if spec.recompute:
        assert found.kept < 0.6 * of_training(spec_of(family), 5).kept
    else:
        assert found.kept == pytest.approx(kept, rel=0.05)
    assert found.weights == sum(each.nbytes for each in [*network.parameters(), *network.buffers()])
    assert found.optimizer == 2 * sum(each.nbytes for each in network.parameters())
    assert found.step >= found.kept


@pytest.mark.parametrize("family", FAMILIES)
def test_two_hundred_million_parameters_are_reckoned_without_memory(family):
    """Recomputing saves most of what is kept; nothing is allocated, so this takes seconds."""
    made = dict(vars(SIZES[f"{family}-200m"]))
    plain, again = (of_training(RunSpec.make(
        study="large", model=ModelSpec(family=family, params=made), batch_size=16, recompute=recompute,
        optimizer=OptimizerSpec(name="adamw", lr=1e-3)), 26) for recompute in (False, True))
    assert 180e6 < plain.weights / 4 < 220e6
    assert again.kept < 0.3 * plain.kept
    assert again.peak <= plain.peak


def test_a_run_that_recomputes_ends_with_the_weights_of_one_that_does_not(tmp_path):
    """Another run by its id, since it costs another time; run specs of before keep theirs."""
    corpus = write_corpus(tmp_path / "shard")
    plain, again, parts = planned(epochs=1), planned(epochs=1, recompute=True), planned(epochs=1, microbatches=2)
    assert len({plan.spec.run_id for plan in (plain, again, parts)}) == 3
    assert not {"recompute", "microbatches", "taught"} & set(plain.spec.model_dump())
    results = train_batch([plain, again, parts], corpus, *split_of(corpus), tmp_path / "out", tmp_path / "kept")
    assert [result.status for result in results] == ["finished"] * 3
    rows = [(tmp_path / "out" / plan.spec.run_id / "history.csv").read_text().splitlines()[1].split(",")[:4]
            for plan in (plain, again, parts)]
    assert rows[0] == rows[1]
    assert rows[0] != rows[2]       # batch norm sees a part at a time


def named(name: str, **changes) -> PlannedRun:
    model = ModelSpec(family=name.split("-")[0], params=dict(vars(SIZES[name])))
    changes = {"optimizer": OptimizerSpec(name="adamw", lr=1e-3), "batch_size": 8} | changes
    return PlannedRun(spec=RunSpec.make(study="x", model=model, **changes), ledger=ledger(model))


@pytest.mark.parametrize("family", FAMILIES)
def test_the_plan_tells_what_a_step_of_torch_holds(family):
    """Of networks that are none of those the plan looked at, against the step on the meta device: within 15 %."""
    looked_at = kept_by([named(f"{family}-{size}") for size in ("20k", "600k", "20m")], 26)
    runs = [named(f"{family}-60k"), named(f"{family}-6m", batch_size=32, microbatches=2),
            named(f"{family}-2m", optimizer=OptimizerSpec(name="sgd", lr=1.0))]
    for run, row in zip(runs, memory.table(runs, looked_at).itertuples(), strict=True):
        exact = of_training(run.spec, 26)
        assert row.activation_bytes == pytest.approx(exact.kept, rel=0.15)
        assert row.peak_bytes == pytest.approx(exact.peak, rel=0.15)
        assert row.room_bytes - memory.PROCESS == pytest.approx(exact.room, rel=0.15)
        assert (row.windows, row.optimizer_bytes) == (-(-run.spec.batch_size // run.spec.microbatches),
                                                      exact.optimizer if run.spec.optimizer.name == "adamw" else 0)


def test_what_exceeds_a_limit_is_named():
    runs = [named("convnext-20k"), named("convnext-600k"), named("convnext-600k", recompute=True)]
    found = memory.table(runs, kept_by(runs, 26), memory.size("1050 MB"))
    assert found["fits"].tolist() == [True, False, True]
    assert found["activation_bytes"].iloc[2] < 0.5 * found["activation_bytes"].iloc[1]
    assert memory.told(found)[-1].startswith(f"  1 of 3 runs exceed 1.03 GB: {runs[1].spec.run_id}; a smaller batch")
    assert memory.told(memory.table(runs, kept_by(runs, 26), 2 * 2**30))[-1] == "  all 3 runs fit into 2 GB"
    assert memory.told(RUN_MEMORY.empty()) == []


def test_a_limit_is_a_number_and_a_unit():
    """As Nextflow's MemoryUnit, which --max_memory goes through: 1 GB is 2^30 bytes."""
    told = [memory.size(text) / 2**20 for text in ("16 GB", "16.GB", "1.5gb", "500MB", "1024 kB")]
    assert told == [16384, 16384, 1536, 500, 1]
    for text in ("16", "0 GB", "-1 GB", "1e9 GB", "GB", "16 GiB"):
        with pytest.raises(UserError, match="no size of memory"):
            memory.size(text)
