"""The study's networks, to the digit: parameters, stages, forward FLOPs, and the published count of FLOPs."""

import json
from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from ecgscale.contracts import ModelSpec
from ecgscale.models.complexity import ledger
from ecgscale.models.networks import build

NETWORKS = json.loads((Path(__file__).parent / "networks.json").read_text())["networks"]


@pytest.fixture(params=NETWORKS, ids=[network["name"] for network in NETWORKS])
def golden(request) -> dict:
    return request.param


def test_ledger(golden):
    found = ledger(ModelSpec(family=golden["family"], params=golden["model"]), leads=12, window=1024, classes=26)
    expected = {name: golden[name] for name in found.model_fields_set & golden.keys()}
    assert len(expected) >= 3
    assert {name: getattr(found, name) for name in expected} == expected


def test_network(golden):
    """The built network, counted by torch: no weights in memory, so the large ones cost nothing."""
    with torch.device("meta"):
        network = build(ModelSpec(family=golden["family"], params=golden["model"]), 12, 1024, 26, seed=0).eval()
        assert sum(weights.numel() for weights in network.parameters()) == golden["params"]
        with FlopCounterMode(display=False) as counter:
            assert network(torch.zeros(1, 12, 1024)).shape == (1, 26)
    assert counter.get_total_flops() == golden["forward_flops"]


def test_published_count_is_34_times_too_low():
    """The published count takes every layer once, as on an input of length 1."""
    best = ledger(ModelSpec(family="regnet", params=NETWORKS[0]["model"]))
    assert round(best.forward_flops / best.published_flops) == 34
