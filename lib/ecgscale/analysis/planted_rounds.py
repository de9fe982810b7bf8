"""Rounds of scaling played over a planted law: a study's table is drawn, and each proposed round with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from ecgscale.analysis.next_scale import NextScale, family_of, next_scale
from ecgscale.contracts import ModelSpec, OptimizerSpec, RunSpec
from ecgscale.design.ladder import ladder
from ecgscale.design.scale import Scale
from ecgscale.laws.kriging import HALF_WIDTH
from ecgscale.laws.planted import Noise
from ecgscale.models.complexity import SIZES

CLASSES, EPOCHS = 26, 20
SMALL = ("20k", "60k", "200k", "600k")      # of the study; its rounds climb further
FRACTIONS = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0)

Truth = Callable[[np.ndarray, np.ndarray], np.ndarray]      # y of (params, train_records)


@dataclass
class Played:
    """errors: of each round, found less foretold log y, the mean over its seeds, in foretold standard deviations;
    last: why there was no other one."""

    errors: list[float] = field(default_factory=list)
    proposed: list[str] = field(default_factory=list)
    last: NextScale | None = None

    @property
    def inside(self) -> list[bool]:
        return [abs(error) <= HALF_WIDTH for error in self.errors]


def play(truths: dict[str, Truth], noise: Noise, random: np.random.Generator, scale: Scale, *,
         records: int = 17_000, small: tuple[str, ...] = SMALL, fractions: tuple[float, ...] = FRACTIONS,
         kept: float = 1.0, seeds: tuple[int, int] = (1, 3), most: int = 4) -> Played:
    """At most `most` rounds over one drawn study: `truths` by family; kept: share of the grid's places that are
    trained, each with a number of seeds between these two."""
    rungs = pd.concat([all_rungs(family, records, fractions) for family in truths], ignore_index=True)
    first = rungs[rungs["model"].str.endswith(small) & (random.random(len(rungs)) < kept)]
    seen = trained(first, random.integers(seeds[0], seeds[1] + 1, len(first)).tolist(), truths, noise, random)
    played, spent = Played(), 0.0
    while len(played.errors) < most:
        families = [family_of(name, own.reset_index(drop=True)) for name, own in seen.groupby("family")]
        left = rungs[~rungs["place"].isin(seen["place"])]
        played.last = next_scale(families, left, scale, played.errors, spent)
        rung = played.last.rung
        if rung is None:
            break
        new = trained(rung.to_frame().T, [len(scale.seeds)], truths, noise, random)
        played.errors.append((np.log(new["y"]).mean() - rung["mean"]) / rung["sd"])
        played.proposed.append(f"{rung['model']} with {rung['train_records']}")
        seen, spent = pd.concat([seen, new], ignore_index=True), spent + new["train_flops"].sum()
    return played


def all_rungs(family: str, records: int, fractions: tuple[float, ...]) -> pd.DataFrame:
    like = RunSpec.make(study="planted", model=ModelSpec(family=family, params={}),
                        optimizer=OptimizerSpec(name="adamw", lr=1e-3))
    rungs = ladder(SIZES, [(fraction, EPOCHS) for fraction in fractions], like, CLASSES, records)
    return rungs.assign(place=family + rungs["model"] + rungs["data_fraction"].astype(str))


def trained(rungs: pd.DataFrame, seeds: list[int], truths: dict[str, Truth], noise: Noise,
            random: np.random.Generator) -> pd.DataFrame:
    """A row a run: each rung with so many seeds."""
    runs = rungs.iloc[np.repeat(np.arange(len(rungs)), seeds)].reset_index(drop=True).infer_objects()
    sizes = runs[["params", "train_records"]].to_numpy(float).T
    places = pd.factorize(runs["place"])[0]
    y = np.array([truths[family](*size) for family, size in zip(runs["family"], sizes.T, strict=True)])
    return runs.assign(seed=runs.groupby("place").cumcount(), run_id=[f"{place}-{k}" for k, place in enumerate(places)],
                       y=y * np.exp(noise.draw(np.log(sizes), places, random)))
