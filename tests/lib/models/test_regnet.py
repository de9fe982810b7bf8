"""The RegNet generator, sentence by sentence, against torch's float32 arithmetic and against hand-made examples."""

import itertools
import math

import numpy as np
import pytest
import torch

from ecgscale.models.architecture import RejectedError
from ecgscale.models.regnet import RegNet, Stage, fit_groups


def made(**changes) -> RegNet:
    return RegNet(**({"depth": 20, "w_0": 32, "w_a": 10, "w_m": 2.0, "group_width": 1, "w_init": 32} | changes))


def torch_widths(w_0: int, w_a: int, w_m: float, depth: int, limit: float) -> list[int]:
    """The paper's equations 2 to 4 in torch, whose float32 arithmetic the study's numbers come from."""
    wanted = w_0 + w_a * torch.arange(depth)
    exponents = torch.clamp(torch.round(torch.log(wanted / w_0) / math.log(w_m)), max=limit)
    return (torch.round(w_0 * torch.pow(w_m, exponents) / 8) * 8).int().tolist()


def test_widths_over_the_whole_space_of_the_study():
    """All 10,660 combinations of w_0, w_m and w_a; a shorter network's widths are the first ones of depth 20."""
    different = 0
    for w_0, w_m, w_a in itertools.product(range(32, 129, 8), np.arange(11, 31) / 10, range(10, 51)):
        found = made(w_0=w_0, w_m=w_m, w_a=w_a).block_widths(1024).tolist()
        assert found == torch_widths(w_0, w_a, float(w_m), 20, 7.0), (w_0, w_m, w_a)
        exact = np.minimum(np.rint(np.log(1 + w_a / w_0 * np.arange(20)) / np.log(w_m)), 7)
        different += found != (np.rint(w_0 * w_m**exact / 8) * 8).astype(int).tolist()
    assert round(different / 10_660, 3) == 0.004      # the share that float64 gets wrong


def test_halves_round_to_even():
    """w_0 40, w_m 1.1, exponent 1: 44 / 8 = 5.5 -> 6; w_0 104, w_m 2.5: 260 / 8 = 32.5 -> 32."""
    assert 48 in made(w_0=40, w_m=1.1, w_a=10).block_widths(1024)
    assert 256 in made(w_0=104, w_m=2.5, w_a=50).block_widths(1024)


def test_limit_is_not_rounded():
    """log2(1000) - 3 = 6.966: 32 x 1.5^6.966 / 8 = 67.4 -> 67, where a limit of 7 would give 68.3 -> 68."""
    assert made(w_m=1.5, w_a=50, depth=60).block_widths(1000)[-1] == 67 * 8
    assert made(w_m=1.5, w_a=50, depth=60).block_widths(1024)[-1] == 68 * 8


def test_w_0_is_at_least_w_init():
    assert made(w_0=32, w_init=64).w_0 == 64


@pytest.mark.parametrize(("width", "multiplier", "group_width", "expected"), [
    (40, 1.0, 16, (48, 48, 16)),     # raised, not rounded to the nearest multiple
    (24, 0.5, 8, (32, 16, 8)),       # 12 -> 16, which belongs to width 32
    (24, 0.5, 32, (24, 12, 12)),     # groups no wider than the bottleneck
    (8, 4.0, 1, (8, 32, 1)),
    (72, 2.0, 32, (80, 160, 32)),    # 144 -> 160
    (56, 4.0, 4, (56, 224, 4)),
])
def test_groups_fit(width, multiplier, group_width, expected):
    assert fit_groups(width, multiplier, group_width) == expected


def test_stages_that_become_equal_are_not_merged():
    """Widths 32 and 40 with groups of 32 both become 64 and 32: two stages of one width keep a stride each."""
    net = made(depth=4, w_0=40, w_a=10, w_m=1.2, group_width=32)
    assert net.block_widths(1024).tolist() == [40, 48, 56, 72]
    assert net.stages(1024) == (Stage(1, 64, 64, 32, None), Stage(1, 64, 64, 32, None), Stage(1, 64, 64, 32, None),
                                Stage(1, 96, 96, 32, None))


def test_more_than_seven_widths_are_rejected():
    net = made(w_0=128, w_m=1.3, w_a=50, depth=20)
    assert len(np.unique(net.block_widths(1024))) == 8
    with pytest.raises(RejectedError, match="more than 7 stages"):
        net.stages(1024)
