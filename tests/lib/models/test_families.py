"""One test over all families: shapes, other lengths, no NaN, gradients, determinism, a static graph; and the sizes."""

import math
from dataclasses import asdict

import pytest
import torch
from safetensors.torch import load, save

from ecgscale.contracts import ModelSpec
from ecgscale.errors import UserError
from ecgscale.models.architecture import RejectedError
from ecgscale.models.complexity import FAMILIES, SIZES, ledger
from ecgscale.models.networks import build

SMALL = {family: ModelSpec(family=family, params=asdict(next(made for made in SIZES.values() if type(made) is one)))
         for family, one in FAMILIES.items()} | {
    "regnet-se": ModelSpec(family="regnet", params=asdict(SIZES["regnet-20k"]) | {     # wide enough for a live squeeze
        "se_ratio": 2.0, "bottleneck_multiplier": 0.5, "init_kernel_size": 9}),
    "vit-mean": ModelSpec(family="vit", params=asdict(SIZES["vit-20k"]) | {"pooling": "mean"}),
}


@pytest.fixture(params=SMALL)
def model(request) -> ModelSpec:
    return SMALL[request.param]


@pytest.mark.parametrize(("leads", "window", "classes"), [(12, 1024, 26), (12, 1000, 26), (2, 640, 5), (3, 2500, 1)])
def test_forward_and_backward(model, leads, window, classes):
    network = build(model, leads, window, classes, seed=1)
    signal = torch.randn(2, leads, window, generator=torch.Generator().manual_seed(2))
    with torch.random.fork_rng():       # stochastic depth may drop a block of both: in one of a hundred draws
        torch.manual_seed(0)
        logits = network(signal)
    assert logits.shape == (2, classes)
    assert logits.isfinite().all()
    logits.square().sum().backward()
    without = [name for name, weights in network.named_parameters() if weights.grad is None or not weights.grad.any()]
    assert not without
    assert all(weights.grad.isfinite().all() for weights in network.parameters())


def test_every_parameter_is_counted(model):
    network = build(model, 12, 1000, 26, seed=1)
    assert sum(weights.numel() for weights in network.parameters()) == ledger(model, 12, 1000, 26).params


def test_seed_decides_the_weights_and_nothing_else(model):
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    first, again, other = (build(model, 12, 1024, 26, seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_evaluation_does_not_depend_on_the_batch(model):
    network = build(model, 12, 1024, 26, seed=1).eval()
    signal = torch.randn(3, 12, 1024, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        torch.testing.assert_close(network(signal)[1:2], network(signal[1:2]), rtol=1e-4, atol=1e-6)


def test_weights_survive_safetensors(model):
    network = build(model, 12, 1024, 26, seed=1)
    other = build(model, 12, 1024, 26, seed=2)
    other.load_state_dict(load(save(network.state_dict())))
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), other.parameters(), strict=True))


@pytest.mark.parametrize("case", [case for case in SMALL if case not in ("regnet", "vit-mean")])
def test_exports_with_a_static_graph(case):
    """torch.export is what ONNX, OpenVINO and Core ML start from; run_decompositions is Core ML's way in."""
    network = build(SMALL[case], 12, 1024, 26, seed=1).eval()
    signal = torch.randn(1, 12, 1024, generator=torch.Generator().manual_seed(2))
    program = torch.export.export(network, (signal,)).run_decompositions({})
    assert not program.range_constraints
    shapes = [node.meta["val"].shape for node in program.graph.nodes if isinstance(node.meta.get("val"), torch.Tensor)]
    assert all(isinstance(length, int) for shape in shapes for length in shape)
    torch.testing.assert_close(program.module()(signal), network(signal), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", SIZES)
def test_sizes_have_the_parameters_in_their_name(name):
    family, _, label = name.partition("-")
    named = float(label[:-1]) * {"k": 1e3, "m": 1e6}[label[-1]]
    count = ledger(ModelSpec(family=family, params=asdict(SIZES[name])))
    assert abs(math.log(count.params / named)) < math.log(1.2)


@pytest.mark.parametrize("name", [name for name in SIZES if name.endswith("200m")])
def test_the_largest_networks_have_the_counted_parameters(name):
    model = ModelSpec(family=name.partition("-")[0], params=asdict(SIZES[name]))
    with torch.device("meta"):                 # no memory behind the weights
        network = build(model, 12, 1024, 26, seed=0)
    assert sum(weights.numel() for weights in network.parameters()) == ledger(model).params


@pytest.mark.parametrize("family", ["regnet", "convnext", "vit", "resnet"])
def test_sizes_grow_in_depth_and_width(family):
    """The documented rule: depth with the fourth root of the parameters, from 20 thousand to 200 million."""
    rows = [made for name, made in SIZES.items() if name.startswith(f"{family}-")]
    depths = [made.depth if hasattr(made, "depth") else sum(made.depths) for made in rows]
    assert depths == sorted(depths)
    assert 8 <= depths[-1] / depths[0] <= 11
    counts = [made.cost(12, 1024, 26).params for made in rows]
    assert counts[0] < 25_000
    assert counts[-1] > 180_000_000
    assert counts == sorted(counts)


def test_stochastic_depth_leaves_branches_out_in_training_only():
    params = asdict(SIZES["convnext-20k"]) | {"stochastic_depth": 0.5, "layer_scale": 1.0}
    network = build(ModelSpec(family="convnext", params=params), 12, 1024, 26, seed=1)
    signal = torch.randn(1, 12, 1024, generator=torch.Generator().manual_seed(2)).expand(64, -1, -1)
    torch.manual_seed(3)
    with torch.no_grad():
        assert network.train()(signal).std(0).max() > 0
        torch.testing.assert_close(network.eval()(signal).std(0), torch.zeros(26), atol=1e-6, rtol=0)


def test_stochastic_depth_keeps_the_mean():
    """Survivors are scaled by 1 / (1 - p): E[branch] is the branch (Huang et al., ECCV 2016)."""
    from ecgscale.models.blocks import StochasticDepth

    torch.manual_seed(3)
    dropped = StochasticDepth(0.2).train()(torch.ones(20_000, 1, 1))
    assert set(dropped.unique().tolist()) == {0.0, 1.25}
    assert abs(dropped.mean().item() - 1) < 0.02


def test_initialization_of_the_study():
    """RegNet: convolutions N(0, 2 / (k out)), linear N(0, 0.01^2), biases 0. ConvNeXt: truncated N(0, 0.02^2)."""
    regnet = build(ModelSpec(family="regnet", params=asdict(SIZES["regnet-2m"])), 12, 1024, 26, seed=1)
    for layer in regnet.modules():
        if isinstance(layer, torch.nn.Conv1d) and layer.weight.numel() > 10_000:
            expected = math.sqrt(2 / (layer.kernel_size[0] * layer.out_channels))
            assert abs(layer.weight.std().item() / expected - 1) < 0.03
        if isinstance(layer, torch.nn.BatchNorm1d):
            assert layer.weight.eq(1).all()
            assert layer.bias.eq(0).all()
    assert abs(regnet.head.weight.std().item() / 0.01 - 1) < 0.05
    assert regnet.head.bias.eq(0).all()
    convnext = build(ModelSpec(family="convnext", params=asdict(SIZES["convnext-600k"])), 12, 1024, 26, seed=1)
    large = [weights for name, weights in convnext.named_parameters() if weights.numel() > 10_000]
    assert all(abs(weights.std().item() / 0.02 - 1) < 0.03 and weights.abs().max() < 0.2 for weights in large)
    assert all(weights.eq(0).all() for name, weights in convnext.named_parameters() if name.endswith("bias"))


@pytest.mark.parametrize(("family", "params", "field"), [
    ("regnet", {"depth": 4, "w_0": 20, "w_a": 1, "w_m": 2, "group_width": 1}, "regnet.w_0"),
    ("regnet", {"depth": 4, "w_0": 32, "w_a": 1, "w_m": 1.0, "group_width": 1}, "regnet.w_m"),
    ("convnext", {"width": 4, "depth_1": 1, "depth_2": 1, "depth_3": 1}, "convnext.depth_4"),
    ("vit", {"dims": 32}, "vit.dims"),
])
def test_impossible_hyperparameters_are_named(family, params, field):
    with pytest.raises(UserError) as error:
        build(ModelSpec(family=family, params=params), 12, 1024, 26, 0)
    assert error.value.field == field


def test_combinations_that_make_no_network_are_rejected():
    with pytest.raises(RejectedError, match="heads do not divide dim"):
        ledger(ModelSpec(family="vit", params={"dim": 100, "heads": 8}))
