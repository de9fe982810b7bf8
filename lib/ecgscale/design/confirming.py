"""A study file of one network: what a prediction about it is confirmed with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from ecgscale.contracts import RunSpec
from ecgscale.design import marked_yaml
from ecgscale.design.study import read_study
from ecgscale.models.complexity import FAMILIES, SIZES

OF_THE_OTHERS = ("runs", "tuning", "budget", "scale", "description")


def study_of(spec: RunSpec, seeds: tuple[int, ...], base: Path | None = None, deploy: dict[str, Any] | None = None,
             about: str = "") -> str:
    """The text of a study that trains this run with these seeds. base: the study whose data, split, evaluation and
    deploy it keeps; deploy: keys of that section to be set; about: its description.

    Raises UserError for a base that is no study.
    """
    kept = {}
    if base is not None:
        read_study(base)
        kept = {key: value for key, value in marked_yaml.read(base)[0].items() if key not in OF_THE_OTHERS}
    optimizer = spec.optimizer.model_dump(exclude_defaults=True)
    training = spec.model_dump(mode="json", include={
        "epochs", "data_fraction", "batch_size", "loss", "schedule", "clip_norm", "patience", "augment", "precision"})
    group = {"family": spec.model.family, "sampler": "list", "models": [named(spec)], "optimizers": [optimizer],
             "training": training, "seeds": list(seeds), "leads": list(spec.leads), "window": spec.window}
    values = kept | {"name": spec.study, "description": about, "runs": [group]}
    values["data"] = {**kept.get("data", {}), "recipe": spec.recipe}
    values["deploy"] = kept.get("deploy", {}) | {"top": 1} | (deploy or {})
    return yaml.safe_dump(values, sort_keys=False, default_flow_style=None, width=100)


def named(spec: RunSpec) -> str | dict[str, Any]:
    """The network by the name of its size, or else by its hyperparameters."""
    made = FAMILIES[spec.model.family](**spec.model.params)
    return next((name for name, known in SIZES.items() if known == made), dict(spec.model.params))
