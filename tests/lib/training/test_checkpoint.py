"""Checkpoint files: whole or absent, nothing pickled, keyed by what the numbers depend on."""

import json

import pytest
import torch
from safetensors import safe_open

from ecgscale.contracts import OptimizerSpec, write_tensors
from ecgscale.training.checkpoint import Checkpoint, pack, unpack
from ecgscale.training.optim import make_optimizer


def network(seed: int = 0) -> torch.nn.Module:
    torch.manual_seed(seed)
    return torch.nn.Sequential(torch.nn.Conv1d(12, 4, 3), torch.nn.BatchNorm1d(4), torch.nn.Flatten(),
                               torch.nn.Linear(4 * 6, 2))


def steps(model, optimizer, count: int) -> None:
    for number in range(count):
        x = torch.randn(5, 12, 8, generator=torch.Generator().manual_seed(number))
        model.zero_grad()
        model(x).square().sum().backward()
        optimizer.step()


@pytest.mark.parametrize("name", ["sgd", "sgdm", "adamw"])
def test_state_comes_back_bit_for_bit(tmp_path, name):
    """Three steps, save, load into a fresh network, three more: as six steps without a break."""
    spec = OptimizerSpec(name=name, lr=0.01, weight_decay=0.1)
    model = network()
    optimizer = make_optimizer(spec, model)
    steps(model, optimizer, 3)
    checkpoint = Checkpoint(tmp_path, "run", {})
    checkpoint.save({"epoch": 2, "loss": 0.1 + 0.2}, pack(model, optimizer, {"0.bias": torch.ones(4)}))
    steps(model, optimizer, 3)

    again = network(seed=1)
    resumed = make_optimizer(spec, again)
    progress, tensors = checkpoint.load()
    assert progress == {"epoch": 2, "loss": 0.1 + 0.2}
    assert torch.equal(unpack(tensors, again, resumed)["0.bias"], torch.ones(4))
    steps(again, resumed, 3)
    for left, right in zip(model.state_dict().values(), again.state_dict().values(), strict=True):
        assert torch.equal(left, right)


def test_state_is_named_tensors_and_json(tmp_path):
    model = network()
    optimizer = make_optimizer(OptimizerSpec(name="adamw", lr=0.01), model)
    steps(model, optimizer, 1)
    checkpoint = Checkpoint(tmp_path, "run", {})
    checkpoint.save({"epoch": 1}, pack(model, optimizer, {}))
    with safe_open(checkpoint.state, framework="pt") as file:
        assert {"model.0.weight", "optimizer.0.weight.exp_avg", "optimizer.3.bias.step"} <= set(file.offset_keys())
        assert json.loads(file.metadata()["ecgscale"])["epoch"] == 1


def test_another_key_is_another_folder(tmp_path):
    one = Checkpoint(tmp_path, "run", {"code": "a", "corpus": "b"})
    one.save({"epoch": 1}, {"model.x": torch.ones(1)})
    assert Checkpoint(tmp_path, "run", {"corpus": "b", "code": "a"}).load() is not None
    assert Checkpoint(tmp_path, "run", {"code": "changed", "corpus": "b"}).load() is None


@pytest.mark.parametrize("content", [b"", b"\x00" * 40, b"\xff" * 7])
def test_unreadable_state_counts_as_none(tmp_path, content):
    checkpoint = Checkpoint(tmp_path, "run", {})
    checkpoint.state.write_bytes(content)
    assert checkpoint.load() is None
    assert not checkpoint.state.exists()


def test_failed_save_leaves_the_last_state(tmp_path, monkeypatch):
    checkpoint = Checkpoint(tmp_path, "run", {})
    checkpoint.save({"epoch": 1}, {"model.x": torch.ones(1)})

    def full(tensors, path, metadata):
        path.write_bytes(b"half")
        raise OSError("no space left on device")

    monkeypatch.setattr("safetensors.torch.save_file", full)
    with pytest.raises(OSError, match="no space"):
        checkpoint.save({"epoch": 2}, {"model.x": torch.zeros(1)})
    assert checkpoint.load()[0] == {"epoch": 1}
    assert sorted(path.name for path in checkpoint.folder.iterdir()) == ["state.safetensors"]


@pytest.mark.parametrize("mode", [0o755, 0o700])
def test_weights_have_the_readers_of_their_folder(tmp_path, mode):
    """safetensors keeps its file to the owner; on a cluster a colleague reads the results, a container another user."""
    tmp_path.chmod(mode)
    write_tensors(tmp_path / "weights.safetensors", {"weight": torch.ones(2)}, {})
    assert (tmp_path / "weights.safetensors").stat().st_mode & 0o777 == mode & 0o666
