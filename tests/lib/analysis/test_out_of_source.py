"""Errors out of the source: powers, gaps and efficiencies that were planted, in tables as ugly as real ones."""

import numpy as np
import pandas as pd
import pytest

from ecgscale.analysis.out_of_source import Told, out_of_source
from ecgscale.contracts import SOURCES, Laws
from ecgscale.report import out_of_source as chapter
from ecgscale.report import page
from ecgscale.report.inputs import Inputs

GAPS = {"georgia": 1.5, "ningbo": 2.0, "ptb": 2.6, "incart": 1.2}
KAPPA = 0.7


def study(seed: int, ahead: float = 1.0, gaps: dict[str, float] = GAPS) -> tuple[pd.DataFrame, pd.DataFrame]:
    """ResNets and ViTs of other sizes on five shares of the data, once for each source that is left out. Outside a
    ResNet's parameters count `ahead` times. Noise has heavy tails, grows towards small runs and moves both errors; a
    fifteenth of the scores is missing, a source that lacks labels has no AUROC in some runs, and some are 1."""
    random, runs, sources = np.random.default_rng(seed), [], []
    for source, gap in gaps.items():
        total = random.uniform(0.7, 1.0) * 16_000
        for family, size, rho in (("resnet", 1.0, ahead), ("vit", 1.3, 1.0)):
            for params in np.geomspace(2e4, 2e6, 5) * size:
                for share in (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0):
                    records = share * total
                    noise = 0.02 * share**-0.3 * (params / 2e6) ** -0.1
                    error = [0.04 + 3 * (factor * params) ** -0.35 + 2 * records**-0.4 for factor in (1.0, rho)]
                    luck = noise * random.standard_t(4)
                    inner = np.log(error[0]) + luck + 0.5 * noise * random.standard_t(4)
                    outer = np.log(gap) + KAPPA * (np.log(error[1]) + luck) + noise * random.standard_t(4)
                    name = f"run{len(runs)}"
                    runs.append({"run_id": name, "family": family, "params": params, "train_records": records,
                                 "status": "finished", "configuration": f"{family} {params:.0f} {share}"})
                    lost = random.random()
                    sources.append({
                        "run_id": name, "configuration": "", "source": source, "left_out": True, "metric": "auroc",
                        "estimate": 1.0 if lost < 0.01 else np.nan if lost < 0.07 else 1 - np.exp(outer),
                        "internal": 1 - np.exp(inner), "n": 100, "note": ""})
    return pd.DataFrame(runs), pd.DataFrame(sources).reindex(columns=list(SOURCES.columns))


@pytest.fixture(scope="module")
def eight():
    return [out_of_source(*study(seed, ahead=2.0)) for seed in range(8)]


def test_planted_powers_lie_in_their_intervals():
    """Where noise moves both errors, least squares of one on the other are far off; these are not."""
    inside = []
    for seed in range(8):
        slopes, _, why = out_of_source(*study(seed))
        assert why == {}
        inside += [one["low"] < KAPPA < one["high"] for one in slopes if one["source"] == "all"]
    assert len(inside) == 24
    assert np.mean(inside) >= 0.75


def test_each_source_has_its_own_gap(eight):
    slopes, _, _ = eight[0]
    gaps = {one["source"]: one for one in slopes if one["subset"] == "family=vit"}
    assert set(gaps) == {"all", *GAPS}
    for source, gap in GAPS.items():
        assert gaps[source]["gap"] == pytest.approx(gap * gaps[source]["at"] ** (KAPPA - 1), rel=0.05)


def test_planted_efficiency_is_found_out_of_the_source_alone(eight):
    told = [one for _, ratios, _ in eight for one in ratios if one["size"] == "params"]
    assert len(told) == 8
    for name, truth in (("in", 1.0), ("out", 2.0), ("apart", 2.0)):
        assert np.exp(np.mean([np.log(one[name]) for one in told])) == pytest.approx(truth, rel=0.07)
        assert np.mean([one[f"{name}_low"] < truth < one[f"{name}_high"] for one in told]) >= 0.75
    assert np.mean([one["apart_low"] > 1 for one in told]) > 0.9


def test_one_source_is_enough(eight):
    slopes, ratios, _ = out_of_source(*study(0, gaps={"georgia": 1.5}))
    assert {one["source"] for one in slopes} == {"all"}
    assert [one["size"] for one in ratios] == ["params", "train_records"]


def test_noise_alone_is_no_law():
    runs, sources = study(0)
    random = np.random.default_rng(0)
    noise = sources.assign(internal=1 - 0.1 * np.exp(0.02 * random.standard_normal(len(sources))))
    slopes, _, why = out_of_source(runs, noise)
    assert slopes == []
    assert all("hardly move the error inside" in reason for name, reason in why.items() if "loss to loss" in name)


@pytest.mark.parametrize(("change", "said"), [
    (lambda runs, sources: (runs, None), "was not given"),
    (lambda runs, sources: (runs, sources.assign(left_out=False)), "held_out: NAME"),
    (lambda runs, sources: (runs.drop(columns="params"), sources), "no params"),
    (lambda runs, sources: (runs, sources.assign(estimate=np.nan)), "0 runs with both errors")])
def test_why_nothing_is_told(change, said):
    slopes, ratios, why = out_of_source(*change(*study(0)))
    assert (slopes, ratios) == ([], [])
    assert said in why["out of the source"]


def test_few_sizes_of_a_family_are_named():
    runs, sources = study(0)
    few = runs[runs["family"].eq("resnet") | runs["params"].lt(1e5)]
    _, ratios, why = out_of_source(few, sources)
    assert ratios == []
    assert why["efficiency of resnet and vit"].startswith("vit has fewer than")


def test_without_degrees_of_freedom_an_interval_is_endless():
    assert Told(1.0, np.ones(2), 0).ends() == (-np.inf, np.inf)


def test_the_chapter_holds_what_was_found(eight):
    runs, sources = study(0, ahead=2.0)
    slopes, ratios, _ = eight[0]
    laws = Laws(table_digest="d", synthetic=True, runs=len(runs), fits=(), loss_to_loss=slopes, efficiency=ratios,
                versions={})
    section = page.other_sources(Inputs(runs=runs, laws=laws, sources=sources))
    drawing, powers, efficiency = section.parts
    assert len(powers.rows) == len(slopes) == 15
    assert len(drawing.figure.axes) == 6
    assert [panel.get_title("left") for panel in drawing.figure.axes if panel.get_visible()] == sorted(GAPS)
    assert efficiency.rows[0][:3] == ("ResNet", "ViT", "parameters")
    assert "1.3 to 2.5 times" in section.text[1]
    bare = page.other_sources(Inputs(runs=runs, laws=laws.model_copy(update={
        "loss_to_loss": [], "efficiency": [], "disabled": {"out of the source": "why"}})))
    assert (bare.parts, bare.notices) == ([], ["Not done: out of the source (why)."])
    assert chapter.words(Inputs(runs=runs)) == []
